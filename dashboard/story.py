"""What has happened, for the page: the console's lines, the last fills, how long places took, and P&L once a second.

Who writes: the console's thread (`line`, `notice`) and the dashboard's own (`point`). Who reads: the dashboard's thread. Bounded; the oldest go.
Never: a hot thread, a number that the notices do not hold.
"""

import threading
from collections import deque
from collections.abc import Iterable
from typing import Any, Protocol

from core.money import plain
from core.notices import Acked, Filled, Notice
from core.snapshot import Snapshot

LINES_KEPT, FILLS_KEPT, POINTS_KEPT, LATENCIES_KEPT = 400, 60, 900, 500
TEXT_MAX = 600  # of a line; a first picture stays far below what a client may have waiting
MS = 1_000_000
Item = tuple[int, dict[str, Any]]  # its number, and the thing as plain data


class Spoken(Protocol):
    """A line of the console (runtime.console_lines.Line is one)."""

    @property
    def at_ns(self) -> int: ...
    @property
    def tag(self) -> str: ...
    @property
    def symbol(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def order_id(self) -> str: ...
    @property
    def level(self) -> int: ...


class Story:
    """Everything in it has a number that grows, so that a client is told only what is new to it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards the members below, memory only
        self._number = 0
        self._lines: deque[Item] = deque(maxlen=LINES_KEPT)
        self._fills: deque[Item] = deque(maxlen=FILLS_KEPT)
        self._points: deque[Item] = deque(maxlen=POINTS_KEPT)
        self._place_ms: deque[float] = deque(maxlen=LATENCIES_KEPT)
        self._places = 0

    # -- the console's thread --------------------------------------------------------------------
    def line(self, line: Spoken) -> None:
        """One line as the console said it, repeats folded and secrets masked."""
        text, level = line.text[:TEXT_MAX], line.level
        told = {"at_ms": line.at_ns // MS, "tag": line.tag, "symbol": line.symbol, "text": text, "id": line.order_id, "level": level}
        self._keep(self._lines, told)

    def notice(self, notice: Notice) -> None:
        """Fills and acknowledgements as facts; whatever else is noticed comes as a line."""
        if isinstance(notice, Acked):
            with self._lock:
                self._place_ms.append(notice.elapsed_ms)
                self._places += 1
        elif isinstance(notice, Filled):
            fill = notice.fill
            told = {
                "at_ms": fill.time_ms,
                "symbol": fill.symbol,
                "side": fill.side.value,
                "quantity": plain(fill.quantity),
                "price": plain(fill.price),
                "liquidity": fill.liquidity.value,
                "fee": plain(fill.fee),
                "fee_asset": fill.fee_asset,
                "done_percent": notice.done_percent,
                "inventory": plain(notice.inventory),
                "pnl": f"{notice.pnl:.4f}",
                "id": fill.client_order_id,
            }
            self._keep(self._fills, told)

    # -- the dashboard's thread ------------------------------------------------------------------
    def point(self, snapshot: Snapshot) -> None:
        """P&L and inventory as they are now, for the chart."""
        inventory = {shown.symbol: shown.inventory for shown in snapshot.symbols}
        told = {"at_ms": snapshot.at_ns // MS, "pnl": snapshot.pnl_quote, "hold": snapshot.pnl_hold_quote, "inventory": inventory}
        self._keep(self._points, told)

    @property
    def number(self) -> int:
        """Of the newest thing; 0 before the first."""
        with self._lock:
            return self._number

    def since(self, number: int) -> tuple[int, dict[str, list[dict[str, Any]]]]:
        """The newest number, and what came after `number`, oldest first."""
        with self._lock:
            kept = {"lines": self._lines, "fills": self._fills, "points": self._points}
            return self._number, {name: _after(items, number) for name, items in kept.items()}

    def place_latency(self) -> dict[str, float | int]:
        """From decision to the venue's word, in ms, over the newest places."""
        with self._lock:
            times, places = sorted(self._place_ms), self._places
            last = self._place_ms[-1] if times else 0.0
        if not times:
            return {"count": 0}
        named = {"p50_ms": times[len(times) // 2], "p99_ms": times[len(times) * 99 // 100], "max_ms": times[-1], "last_ms": last}
        return {"count": places, "of": len(times), **{name: round(value, 1) for name, value in named.items()}}

    def _keep(self, items: deque[Item], told: dict[str, Any]) -> None:
        with self._lock:
            self._number += 1
            items.append((self._number, told))


def _after(items: Iterable[Item], number: int) -> list[dict[str, Any]]:
    """From the newest backwards: most of the time nothing or one is new."""
    assert isinstance(items, deque)
    new = []
    for at, told in reversed(items):
        if at <= number:
            break
        new.append(told)
    return new[::-1]
