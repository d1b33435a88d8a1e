"""Ten minutes without a word from the venue, with a place and cancels outstanding (issue 3, "Must be seen" 3; field case 14)."""

from core.commands import Query
from core.engine import Step
from core.light import Colour
from core.notices import Ended
from core.types import Side
from sim.faults import Kind
from tests.museum.scenes import MS, SECOND, Stage

MINUTES = 10


class Silence(Stage):
    """Counts queries and endings."""

    queries = endings = 0

    def _listen(self, engine: object, events: object, step: Step) -> None:
        super()._listen(engine, events, step)
        self.queries += sum(isinstance(command, Query) for command in step.commands)
        self.endings += sum(isinstance(notice, Ended) for notice in step.notices)


def ages_s(stage: Stage) -> list[float]:
    return [(stage.books.now_ns - light.since_ns) / SECOND for light in stage.books.lights.shown.values()]


def test_ten_minutes_of_silence() -> None:
    """Nothing ends, every side is red and its age grows, the asking goes on; when it answers, books are equal and every side is green in time."""
    stage = Silence()
    stage.opened()
    stage.strike(Kind.PLACE_REPLY_LOST)
    stage.faults.is_cut_off = True
    stage.pass_s(30)
    places = [order.client_order_id for order in stage.books.orders.open() if order.place_asked is not None]
    cancels = [order.client_order_id for order in stage.books.orders.open() if order.cancel_asked is not None]
    assert places, "a place without an answer"
    assert cancels, "cancels without an answer"
    assert all(order.is_unknown for order in stage.books.orders.open())
    known, ended = list(stage.books.orders.open_ids), stage.endings
    for minute in range(1, MINUTES + 1):
        asked = stage.queries
        stage.pass_s(60)
        assert stage.colours() == {Colour.RED}
        assert min(ages_s(stage)) > 60 * minute
        assert stage.queries > asked, f"nobody asked in minute {minute}"
        assert list(stage.books.orders.open_ids) == known, "an order ended without the venue's word"
        assert stage.endings == ended

    stage.faults.is_cut_off = False
    back_ns = stage.scheduler.now_ns
    stage.scheduler.run(back_ns + stage.liveness_ms() * MS)
    assert all(stage.oracle.green_ns[symbol, side] > back_ns for symbol in stage.matching.rules for side in Side)
    stage.ends_well()
