"""`python -m exchange.paper`: the command line, the ready line, and the ways to end.

A subprocess of the bot or of a test. It prints exactly one JSON line on stdout when it is ready, ignores SIGINT, and
ends on SIGTERM or at end-of-file on its stdin. Errors of use are one line on stderr and exit code 2.
Never: a second line on stdout; a traceback for an error of use.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import os
import signal
import sys
import threading
from decimal import Decimal, InvalidOperation
from pathlib import Path

from exchange.paper.build import BuildError, Options, Parts, build
from exchange.paper.connection import ConnectionSettings
from exchange.paper.server import Server, complain

EXIT_USAGE = 2
BALANCES = "USDT=10000,BTC=0.5,ETH=5"


def _decimal(text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"{text!r} is not a decimal number") from None
    if not value.is_finite():
        raise argparse.ArgumentTypeError(f"{text!r} is not a decimal number")
    return value


def _fee(text: str) -> Decimal:
    value = _decimal(text)
    if not -1 < value < 1:
        raise argparse.ArgumentTypeError("a fee is a fraction, 0.001 is 0.1 %")
    return value


def _balances(text: str) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for part in filter(None, text.split(",")):
        asset, separator, amount = part.partition("=")
        if not separator or not asset:
            raise argparse.ArgumentTypeError(f"{part!r} is not ASSET=AMOUNT")
        found[asset.strip()] = _decimal(amount)
        if found[asset.strip()] < 0:
            raise argparse.ArgumentTypeError(f"{part!r} is below 0")
    return found


def _positive(text: str) -> float:
    value = _decimal(text)
    if value <= 0:
        raise argparse.ArgumentTypeError("must be above 0")
    return float(value)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="python -m exchange.paper", description="Binance spot's protocol on loopback, with a market of its own."
    )
    made.add_argument("--port", type=int, default=0, help="0: any free port")
    made.add_argument("--seed", type=int, default=1, help="of the synthetic market and of random faults")
    made.add_argument("--market", nargs="+", default=["synthetic"], metavar="synthetic|FILE")
    made.add_argument("--symbols", default="BTCUSDT,ETHUSDT", help="of the synthetic market")
    made.add_argument("--exchange-info", type=Path, metavar="FILE", help="symbol rules, in Binance's own form")
    made.add_argument("--speed", type=_positive, default=1.0, help="market seconds per second")
    made.add_argument("--maker-fee", type=_fee, default=Decimal(0), help="fraction, e.g. 0.001")
    made.add_argument("--taker-fee", type=_fee, default=Decimal("0.001"), help="fraction")
    made.add_argument("--balances", type=_balances, default=BALANCES, metavar="USDT=10000,BTC=0.5")
    made.add_argument("--state", type=Path, metavar="DIR", help="keep the account here and continue it")
    made.add_argument("--fresh", action="store_true", help="begin a new account in --state")
    made.add_argument("--uid", type=int, help="number of a new account; a testnet that is wiped keeps its accounts' numbers (default: random)")
    made.add_argument("--faults", type=Path, metavar="FILE", help="JSON as for POST /paper/faults")
    made.add_argument("--wire-faults-port", type=int, metavar="N", help="put the wire fault proxy in front (0: any)")
    made.add_argument("--ping-period-s", type=_positive, default=20.0)
    made.add_argument("--ping-deadline-s", type=_positive, default=60.0)
    made.add_argument("--connection-life-s", type=_positive, default=86_400.0)
    made.add_argument("--api-key", help="default: a new random one, in the ready line")
    made.add_argument("--api-secret", help="default: a new random one, in the ready line")
    made.add_argument(
        "--public-key", "--ed25519-public", type=Path, metavar="FILE", help="PEM of an Ed25519 or RSA key that signs instead of the secret"
    )
    made.add_argument("--no-stdin", action="store_true", help="do not end at end-of-file on stdin")
    return made


def options_of(arguments: argparse.Namespace) -> Options:
    """The parsed command line as the builder wants it."""
    symbols = [name.strip().upper() for name in arguments.symbols.split(",") if name.strip()]
    return Options(
        seed=arguments.seed,
        market=list(arguments.market),
        symbols=symbols,
        exchange_info=arguments.exchange_info,
        speed=arguments.speed,
        maker_fee=arguments.maker_fee,
        taker_fee=arguments.taker_fee,
        balances=arguments.balances,
        state=arguments.state,
        fresh=arguments.fresh,
        uid=arguments.uid,
        api_key=arguments.api_key,
        api_secret=arguments.api_secret,
        public_key=arguments.public_key,
        connections=ConnectionSettings(
            ping_period_s=arguments.ping_period_s,
            ping_deadline_s=arguments.ping_deadline_s,
            life_s=arguments.connection_life_s,
        ),
    )


def _watch_stdin(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """On its own thread: whoever started us is gone when stdin ends."""
    with contextlib.suppress(OSError):
        while os.read(0, 4096):
            continue
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(stop.set)


def _read_faults(server: Server, path: Path) -> None:
    try:
        server.apply_faults(json.loads(path.read_bytes()))
    except (OSError, ValueError, RecursionError) as error:
        raise BuildError(f"--faults {path}: {error.strerror if isinstance(error, OSError) else error}") from error


async def _serve(parts: Parts, arguments: argparse.Namespace) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    server = parts.server
    try:
        addresses = await server.open(arguments.port, arguments.wire_faults_port)
    except OSError as error:
        raise BuildError(f"cannot open port {arguments.port}: {error.strerror or error}") from error
    try:
        if arguments.faults is not None:
            _read_faults(server, arguments.faults)
        gc.collect()
        gc.freeze()
        print(json.dumps({**addresses.as_json(), **parts.ready, "pid": os.getpid()}), flush=True)
        if not arguments.no_stdin:
            threading.Thread(target=_watch_stdin, args=(loop, stop), name="stdin", daemon=True).start()
        await stop.wait()
    finally:
        await server.close()


def main() -> int:
    """Run until told to end; returns the exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    arguments = parser().parse_args()
    os.umask(0o077)
    try:
        asyncio.run(_serve(build(options_of(arguments)), arguments))
    except BuildError as error:
        complain(str(error))
        return EXIT_USAGE
    return 0


if __name__ == "__main__":
    sys.exit(main())
