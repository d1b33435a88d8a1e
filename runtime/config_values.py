"""Values of config.yaml from their raw text: plain decimal numbers, true/false, names, addresses.

Who calls it: runtime.config_model, as pydantic validators, on the main thread. PyYAML's own guesses are not used (ux.md 2: 1e3 is text,
0123 is 83, 12:30 is 750, no is False). Every function raises ValueError with plain words. Never: a float near money.
"""

import re
from decimal import Decimal, InvalidOperation
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BeforeValidator

PLAIN = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")
DIGITS_MAX = 40
SHOWN_MAX = 60
KEY_LIKE = re.compile(r"[A-Za-z0-9+/=_-]{32,}")
YAML_BOOLS = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}
SYMBOL = re.compile(r"[A-Z0-9]{2,30}")
ASSET = re.compile(r"[A-Z0-9]{1,20}")
TAG = re.compile(r"[A-Za-z0-9]{2,8}")
ADDRESS = re.compile(r"(https?|wss?)://[^\s/?#@]+(/[^\s?#@]*)?")
LIVE_HOST = re.compile(r"(?!demo-)([a-z0-9-]+\.)*binance\.(com|us)\.?")


def shown(value: object) -> str:
    """A value as an error may print it: short, on one line; one long word may be a key that was pasted into the wrong place."""
    if isinstance(value, str) and KEY_LIKE.fullmatch(value):
        return f"one word of {len(value)} characters"
    text = "nothing" if value is None else "a list" if isinstance(value, list) else "a section" if isinstance(value, dict) else repr(str(value))
    return text if len(text) <= SHOWN_MAX else text[: SHOWN_MAX - 3] + "..."


def decimal_of(value: object) -> Decimal:
    """A number in plain decimal digits, exact."""
    if isinstance(value, Decimal):
        return value
    if not isinstance(value, str) or len(value) > DIGITS_MAX or not PLAIN.fullmatch(value):
        raise ValueError(f"must be a number in plain digits (got {shown(value)}){_number_hint(value)}")
    return Decimal(value)


def whole_of(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    number = decimal_of(value)
    if number != number.to_integral_value() or "." in str(value):
        raise ValueError(f"must be a whole number (got {shown(value)})")
    return int(number)


def seconds_of(value: object) -> float:
    """A duration; time may be a float, money never."""
    return value if isinstance(value, float) else float(decimal_of(value))


def truth_of(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    hint = f"; write {YAML_BOOLS[value.lower()]}" if isinstance(value, str) and value.lower() in YAML_BOOLS else ""
    raise ValueError(f"must be true or false (got {shown(value)}){hint}")


def text_of(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"must be text (got {shown(value)})")
    return value


def symbol_of(value: object) -> str:
    text = text_of(value)
    if not SYMBOL.fullmatch(text):
        better = re.sub(r"[^A-Za-z0-9]", "", text).upper()
        hint = f"; did you mean {better!r}?" if SYMBOL.fullmatch(better) else ""
        raise ValueError(f"must be a symbol in capitals like BTCUSDT (got {shown(value)}){hint}")
    return text


def asset_of(value: object) -> str:
    text = text_of(value)
    if not ASSET.fullmatch(text):
        raise ValueError(f"must be an asset in capitals like USDT (got {shown(value)})")
    return text


def tag_of(value: object) -> str:
    text = text_of(value)
    if not TAG.fullmatch(text):
        raise ValueError(f"must be 2 to 8 letters or digits (got {shown(value)}); order ids begin with it and it may hold no dash")
    return text


def address_of(value: object) -> str:
    text = text_of(value)
    if not ADDRESS.fullmatch(text):
        raise ValueError("must be an address like https://host:port or wss://host:port/path, without user, query or fragment")
    return text.rstrip("/")


def is_live(address: str | None) -> bool:
    """It leads to an exchange of real money, whatever the venue is called."""
    return address is not None and bool(LIVE_HOST.fullmatch(urlsplit(address).hostname or ""))


def names_of(value: object) -> object:
    """A list of names; one name alone stands for a list of one."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def synthetic_or_files(value: object) -> object:
    """One file alone stands for a list of one; no file at all is no market."""
    if value == []:
        raise ValueError("must be synthetic, or a list of at least one recording file")
    return [value] if isinstance(value, str) and value != "synthetic" else value


def start_or_decimal(value: object) -> object:
    if value == "start":
        return value
    try:
        return decimal_of(value)
    except ValueError as error:
        raise ValueError(f"must be 'start' (what is held when the bot starts) or a number (got {shown(value)}){_number_hint(value)}") from error


def _number_hint(value: object) -> str:
    """What the person probably meant."""
    if not isinstance(value, str):
        return ""
    text = value.strip()
    if len(text) > DIGITS_MAX:
        return ""
    if text.lower().strip("+-.") in ("nan", "inf", "infinity"):
        return "; a limit has a number, 0 where it says that 0 switches it off"
    if re.fullmatch(r"[-+]?[0-9.]+[eE][-+]?[0-9]{1,2}", text):
        try:
            return f"; write {Decimal(text):f}"
        except InvalidOperation:
            return "; no exponent"
    if re.fullmatch(r"-?0[0-9]+(\.[0-9]+)?", text):
        return "; no leading zero"
    if re.fullmatch(r"[0-9]+(:[0-9]+)+", text):
        return "; no colon"
    if re.fullmatch(r"[-+]?[0-9]+,[0-9]+", text):
        return f"; write {text.replace(',', '.')}"
    if re.fullmatch(r"[0-9_]+", text):
        return f"; write {text.replace('_', '')}"
    if re.fullmatch(r"\.[0-9]+", text):
        return f"; write 0{text}"
    if re.fullmatch(r"\+[0-9.]+", text):
        return "; no plus sign"
    if re.fullmatch(r"-?[0-9.]+ *[A-Za-z%]+", text):
        return "; the unit is fixed, write the number alone"
    return ""


Exact = Annotated[Decimal, BeforeValidator(decimal_of)]
Whole = Annotated[int, BeforeValidator(whole_of)]
Seconds = Annotated[float, BeforeValidator(seconds_of)]
Truth = Annotated[bool, BeforeValidator(truth_of)]
Text = Annotated[str, BeforeValidator(text_of)]
Symbol = Annotated[str, BeforeValidator(symbol_of)]
Asset = Annotated[str, BeforeValidator(asset_of)]
Tag = Annotated[str, BeforeValidator(tag_of)]
Address = Annotated[str, BeforeValidator(address_of)]
