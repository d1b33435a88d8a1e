"""What a strategy is told of its own orders, and what it wants remembered beyond a run.

Who calls it: core.engine, on the trading thread. An order may carry a memo, the strategy's word for what it is for; it stands in the intents with the
order, before that leaves. Every order made with one, and every fill of one, is told to the strategy exactly once: in the step it happens, or at the
next start, whichever comes first (fills are booked once by their trade ids, also across restarts; state.ledger tells those it finds written after the
newest memory). So a strategy's position is memory + what is told, never a second truth beside orders and fills.
Never: a decision.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from core.books import Books
from core.events import Boot, Told
from core.notices import Remembered
from core.types import SymbolRules


@runtime_checkable
class Remembering(Protocol):
    """A strategy that keeps positions. `resume` comes once, before anything else: texts by symbol, as given in Decision.memory.

    `remembered` is the text of a symbol, empty where nothing has changed since it was last given; a decision gives it too.
    `shown` is plain data for a person: what it holds now.
    """

    def resume(self, rules: Sequence[SymbolRules], memories: Mapping[str, str], told: Sequence[Told]) -> None: ...
    def hear(self, told: Told) -> None: ...
    def remembered(self, symbol: str, now_ns: int) -> str: ...
    def shown(self) -> dict[str, dict[str, Any]]: ...


def begin(strategy: object, boot: Boot) -> None:
    """What earlier runs left."""
    if isinstance(strategy, Remembering):
        strategy.resume(boot.rules, dict(boot.memories), boot.told)


def tell(strategy: object, books: Books) -> None:
    """Orders made and fills booked since the last call."""
    if not books.told:  # nearly always, and the question below is a slow one
        return
    told, books.told = books.told, []
    if isinstance(strategy, Remembering):
        for one in told:
            strategy.hear(one)


def conclude(strategy: object, books: Books) -> None:
    """At the end of a step: while the run is stopping nothing is decided, so what was heard is written down here."""
    if books.session.stopping and isinstance(strategy, Remembering):
        for symbol in books.rules:
            if text := strategy.remembered(symbol, books.now_ns):
                books.notices.append(Remembered(symbol=symbol, text=text))
