"""Sides that may quote and do not: green, no order, and a reason. Told once each time it lasts, so that a silent console is never a riddle.

Who calls it: run.py, on the main thread, a few times a second, with the newest snapshot. Never: a decision, a red or amber side (its light says why).
"""

from core.snapshot import Snapshot

IDLE_S = 5.0


class Idle:
    def __init__(self) -> None:
        self._since_s: dict[tuple[str, str], float] = {}
        self._told: set[tuple[str, str]] = set()

    def judge(self, snapshot: Snapshot, now_s: float) -> list[tuple[str, str]]:
        """(symbol, words) of each side that has been idle for 5 s and was not told yet."""
        found = []
        for side in snapshot.sides:
            key = side.symbol, side.side
            if side.colour != "green" or not side.no_quote_because:
                self._since_s.pop(key, None)
                self._told.discard(key)
            elif now_s - self._since_s.setdefault(key, now_s) >= IDLE_S and key not in self._told:
                self._told.add(key)
                found.append((side.symbol, f"{side.side:<4} green for {IDLE_S:g} s and no quote: {side.no_quote_because}"))
        return found
