"""Does the venue still state of our symbols what it stated at the start? It opens and halts symbols and changes ticks while a bot runs.

Who calls it: assembly.py makes it, a worker of its own calls `look` every 15 s (`LOOK_EVERY_S`). Exchange info is read each minute (20 of the request
weight), and at every look while a symbol is not TRADING, whose side waits for it. Where a look raises, `failed` is called with the error.
Never: a verdict; an event where nothing has changed.
Source: binance-wire 2 (status, filters), 8 (-1013: recompute, with exchangeInfo read again).
"""

from collections.abc import Callable, Iterable

from core.events import RulesChanged
from core.ports import Post
from core.types import SymbolRules

LOOK_EVERY_S = 15.0
READ_EVERY_LOOKS = 4
FAILURES_TOLD = 3  # in a row: one lost read is nothing
TRADING = "TRADING"


class RulesWatch:
    """`rules` are those of the start."""

    def __init__(
        self, read: Callable[[], Iterable[SymbolRules]], post: Post, rules: Iterable[SymbolRules], warn: Callable[[str], None]
    ) -> None:
        self._read, self._post, self._warn = read, post, warn
        self._known = {rule.symbol: rule for rule in rules}
        self._looks = self._failures = 0

    def look(self) -> None:
        """Raises what the read raises; the next look is in 15 s."""
        self._looks += 1
        if self._looks % READ_EVERY_LOOKS and all(rule.status == TRADING for rule in self._known.values()):
            return
        stated = self._read()
        self._failures = 0
        changed = tuple(rule for rule in stated if rule != self._known.get(rule.symbol))
        if changed:
            self._known.update((rule.symbol, rule) for rule in changed)
            self._post(RulesChanged(rules=changed))

    def failed(self, error: Exception) -> None:
        """A look that raised; told once for as long as it goes on."""
        self._failures += 1
        if self._failures == FAILURES_TOLD:
            self._warn(f"the symbols' rules cannot be read again: {error} · those read last stand")
