"""Intents of a list: one record for two orders of which one cancels the other, and what the next start reads from it."""

from decimal import Decimal
from pathlib import Path

import pytest
from msgspec import structs

from core.commands import PlaceOco
from core.events import OcoAnswer, Outcome, Reply
from core.types import OrderFacts, OrderType, Side
from state.intents import Intents
from state.ledger import recover
from tests.state.test_intents import HERE, boot, place


def oco(number: int) -> PlaceOco:
    names = {"stop": f"gl-1-{number + 1}", "profit": f"gl-1-{number + 2}"}
    stop = structs.replace(place(number + 1), type=OrderType.STOP_LOSS_LIMIT, stop_price=Decimal(59_000), partner=names["profit"], is_listed=True)
    profit = structs.replace(place(number + 2), partner=names["stop"], is_listed=True)
    return PlaceOco(command_id=number, reason="pair", timeout_ms=3000, list_id=f"gl-1-{number}l", stop=stop, profit=profit)


@pytest.mark.parametrize("outcome", ["done", "refused", "unknown"])
def test_a_list_is_two_places(tmp_path: Path, outcome: str) -> None:
    """One intent names both legs and that they are a pair; an answer gives each its venue id, a refusal ends both, no answer leaves both unknown."""
    path = tmp_path / "intents"
    intents = Intents(path)
    intents.start()
    intents.boot(boot("a"), 0)
    intents.intent(oco(1))
    said = [
        OrderFacts(
            symbol="BTCUSDT", venue_order_id=venue_id, client_order_id=name, side=Side.BUY, type="LIMIT_MAKER", time_in_force="GTC",
            price=Decimal(1), quantity=Decimal(1), executed=Decimal(0), cumulative_quote=Decimal(0), status="NEW", created_ms=0, updated_ms=0,
        )
        for venue_id, name in ((30, "gl-1-2"), (31, "gl-1-3"))
    ]  # fmt: skip
    answer = OcoAnswer(stop=said[0], profit=said[1]) if outcome == "done" else None
    intents.result(Reply(command_id=1, outcome=Outcome(outcome), answer=answer))
    intents.stop(0)
    found = {one.client_order_id: one for one in recover(path, HERE).undecided}
    if outcome == "refused":
        assert not found
        return
    stop, profit = found["gl-1-2"], found["gl-1-3"]
    assert (stop.partner, profit.partner, stop.is_listed, stop.stop_price) == ("gl-1-3", "gl-1-2", True, Decimal(59_000))
    assert (stop.venue_order_id, profit.venue_order_id) == ((30, 31) if outcome == "done" else (None, None))
