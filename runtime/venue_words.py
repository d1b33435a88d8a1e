"""Why a start, or a verb, cannot use the venue: one line that names the place and the mend, and the exit code that goes with it.

Who calls it: bot.py, on the main thread, with what the venue's calls raise. Never: a key, a URL with a signature.
"""

from core.ports import Refused

EXIT_USAGE, EXIT_UNREACHABLE = 2, 3
KEY_CODES = (-1022, -2014, -2015)
SYMBOL_CODES = (-1121, -1100)


def told(error: Exception, venue: str, address: str, symbols: tuple[str, ...]) -> tuple[str, int]:
    """A wrong key or symbol is the person's to mend (2); everything else may pass by itself (3)."""
    if isinstance(error, Refused):
        code, message = error.error.code, error.error.message
        if code in KEY_CODES:
            mend = f"look at the key and its secret, at its list of IP addresses, and whether it is a key of {venue}"
            return f"{address} refuses the key: {message} ({code}); {mend}", EXIT_USAGE
        if code in SYMBOL_CODES:
            return f"{address} does not know a symbol of ours: {message} ({code}); symbols names {', '.join(symbols)}", EXIT_USAGE
        if not code:
            return f"{address} is no Binance API: {message}; look at venue and exchange.urls.rest", EXIT_UNREACHABLE
    text = str(error)
    if "JSON is malformed" in text:
        return f"{address} is no Binance API: its answer is no JSON; look at venue and exchange.urls.rest, or at a proxy between", EXIT_UNREACHABLE
    if "ReadTimeout" in text:
        return f"{address} takes connections and gives no answer (exchange.read_timeout_ms)", EXIT_UNREACHABLE
    return f"the venue cannot be used: {text}", EXIT_UNREACHABLE
