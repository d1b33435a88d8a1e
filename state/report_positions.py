"""Of a report: what the strategy of that run held and had done when it last wrote its memory into the intents (core.memory).

Who calls it: state.report, on the main thread. Never: a strategy's own classes; the text is read as the plain data it is.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from core.position_words import remembered_lines, tally_lines
from state.intents import BootRecord, IntentsCorrupt, MemoryRecord, read


def positions_of(path: Path, boot: str) -> dict[str, Any]:
    """By symbol; empty where that run kept no positions, or its intents have been put aside."""
    found: dict[str, str] = {}
    current = ""
    try:
        for record in read(path):
            if isinstance(record, BootRecord):
                current = record.boot
            elif isinstance(record, MemoryRecord) and current == boot:
                found[record.symbol] = record.text
    except (OSError, IntentsCorrupt):
        return {}
    return {symbol: msgspec.json.decode(text) for symbol, text in found.items()}


def lines(positions: Mapping[str, Any]) -> list[str]:
    """For a person."""
    pending = [line for symbol, one in positions.items() for line in remembered_lines(symbol, one)]
    return [line for symbol, one in positions.items() for line in tally_lines(symbol, one["tally"], one["quote"])] + pending
