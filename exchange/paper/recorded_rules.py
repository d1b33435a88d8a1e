"""Symbol rules for a recording: from an exchangeInfo file given or beside the data, else inferred from the numbers in it.

Who calls it: build.py once at the start, and sim.backtest_run. Reads files. What was assumed is said in the notes; never guessed in silence.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal
from itertools import islice
from pathlib import Path

from exchange.paper.listing import default_rules, split_symbol
from exchange.paper.model import SymbolRules
from exchange.paper.recorded_files import RecordingError, SymbolFiles, group_files

INFER_LINES = 2000
SIZE_SHARE = 0.99
INFO_FILES_MAX = 20
INFO_BYTES_MAX = 50_000_000
_LEVEL = re.compile(rb'\[\s*"([0-9]+)\.?([0-9]*)"\s*,\s*"([0-9]+)\.?([0-9]*)"\s*\]')
_PRINT = re.compile(rb'"p":"([0-9]+)\.?([0-9]*)","q":"([0-9]+)\.?([0-9]*)"')


def rules_of_recording(files: Iterable[Path | str], given: Mapping[str, SymbolRules] | None = None) -> tuple[list[SymbolRules], list[str]]:
    """(rules in the order of the files, notes). `given` wins, then an exchangeInfo file beside the data, then the numbers. Raises RecordingError."""
    rules: list[SymbolRules] = []
    notes: list[str] = []
    for group in group_files(files):
        known = (given or {}).get(group.symbol)
        if known is None:
            known, note = _beside(group) or _inferred(group)
            notes.append(note)
        rules.append(known)
    return rules, notes


def given_rules(path: Path) -> dict[str, SymbolRules]:
    """By symbol, from a file in Binance's own form. Raises RecordingError."""
    try:
        body = json.loads(path.read_bytes())
        return {str(entry["symbol"]): SymbolRules.from_exchange_info(entry) for entry in body["symbols"]}
    except (OSError, ValueError, RecursionError, KeyError, TypeError, ArithmeticError, AssertionError) as error:
        why = error.strerror if isinstance(error, OSError) else f"not in Binance's form ({error!r})"
        raise RecordingError(f"--exchange-info {path}: {why}") from error


def _beside(group: SymbolFiles) -> tuple[SymbolRules, str] | None:
    candidates = (path for path in sorted(group.paths[0].parent.glob("*.json")) if "exchangeinfo" in path.name.lower())
    for path in islice(candidates, INFO_FILES_MAX):
        if path.stat().st_size > INFO_BYTES_MAX:
            continue
        try:
            entries = json.loads(path.read_bytes())["symbols"]
            entry = next((one for one in entries if one["symbol"] == group.symbol), None)
            if entry is not None:
                return SymbolRules.from_exchange_info(entry), f"{group.symbol}: rules from {path.name} beside the recording"
        except (ValueError, RecursionError, KeyError, TypeError, ArithmeticError, AssertionError) as error:
            raise RecordingError(f"{path.name}:0: not an exchangeInfo answer ({error!r}); mend it or move it away") from error
    return None


def _inferred(group: SymbolFiles) -> tuple[SymbolRules, str]:
    """The decimals in use give tick (all prices) and step (nearly all sizes: orders of a finer step of old leave crumbs); the rest is usual."""
    price_places: Counter[int] = Counter()
    size_places: Counter[int] = Counter()
    for line in islice(group.lines(), INFER_LINES):
        for pattern in (_LEVEL, _PRINT):
            for match in pattern.finditer(line.message):
                price_places[len(match.group(2).rstrip(b"0"))] += 1
                size_places[len(match.group(4).rstrip(b"0"))] += 1
    seen = price_places.total()
    if not seen:
        raise RecordingError(f"{group.paths[0].name}:1: no price in the first {INFER_LINES} lines; give a recording with depth and trades")
    tick = Decimal(1).scaleb(-max(price_places))
    step = Decimal(1).scaleb(-_covering(size_places, SIZE_SHARE))
    try:
        base, quote = split_symbol(group.symbol)
        usual = default_rules(group.symbol)
    except ValueError as error:
        raise RecordingError(f"{group.paths[0].name}:1: {error}; give --exchange-info") from None
    rules = SymbolRules(
        symbol=group.symbol,
        base=base,
        quote=quote,
        tick=tick,
        step=step,
        min_quantity=step,
        max_quantity=usual.max_quantity,
        min_notional=usual.min_notional,
        max_notional=usual.max_notional,
        min_price=tick,
        max_price=tick * 1_000_000_000,
        bid_multiplier_up=usual.bid_multiplier_up,
        bid_multiplier_down=usual.bid_multiplier_down,
        ask_multiplier_up=usual.ask_multiplier_up,
        ask_multiplier_down=usual.ask_multiplier_down,
    )
    return rules, f"{group.symbol}: tick {tick} and step {step} inferred from the recording, minimum notional {usual.min_notional:f} assumed"


def _covering(places: Counter[int], share: float) -> int:
    """The least number of decimals that writes that share of all values."""
    covered, wanted = 0, places.total() * share
    for used in sorted(places):
        covered += places[used]
        if covered >= wanted:
            return used
    return max(places)
