"""What the venue says of a symbol may change while we trade it: its status, its tick, its smallest order.

Who calls it: core.engine for a RulesChanged, on the trading thread. From this step on every order is made by the new rules; what stands is the
strategy's to judge, as ever.
Never: a symbol that is not traded; an order canceled.
"""

from core.books import Books
from core.events import AnyEvent, RulesChanged
from core.money import plain
from core.notices import Said
from core.types import SymbolRules

TRADING = "TRADING"


def on_rules(books: Books, event: AnyEvent) -> None:
    assert isinstance(event, RulesChanged)
    for rules in event.rules:
        before = books.rules.get(rules.symbol)
        if before is None or before == rules:
            continue
        books.rules[rules.symbol] = rules
        books.session.symbols[rules.symbol].trading = rules.status == TRADING
        books.notices.append(Said(tag="RISK", symbol=rules.symbol, text=f"the venue changed its rules: {_words(before, rules)}"))


def _words(before: SymbolRules, after: SymbolRules) -> str:
    changes = []
    for name in SymbolRules.__struct_fields__:
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            is_plain = not isinstance(old, str | tuple | bool | int)
            changes.append(f"{name} {plain(old)} -> {plain(new)}" if is_plain else f"{name} {old} -> {new}")
    return ", ".join(changes)
