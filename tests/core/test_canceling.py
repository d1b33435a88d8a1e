"""A cancel that the venue refuses: its order stands, the cancel is tried again, and the request weight is not spent on it."""

from core.commands import AnyCommand, Cancel
from core.events import StopRequested
from tests.core.builders import Desk, error

MAY_NOT = error(-2010, "This account may not place or cancel orders.")
MINUTE_MS = 60_000


def cancels(commands: list[AnyCommand]) -> list[Cancel]:
    return [command for command in commands if isinstance(command, Cancel)]


def refused_for(desk: Desk, cancel: Cancel, for_ms: int) -> list[int]:
    """Every cancel is refused; when each left, in ms from now."""
    left_ms = []
    desk.refuse(cancel, MAY_NOT)
    for at_ms in range(0, for_ms, 100):
        for again in cancels(desk.wait(100)):
            left_ms.append(at_ms)
            desk.refuse(again, MAY_NOT)
    return left_ms


def test_a_cancel_refused_for_good_is_tried_ever_more_seldom() -> None:
    """Two hundred calls a minute of one order would spend the weight of all in a minute (a refused call is no free call); twelve do not."""
    desk = Desk().connect()
    order = desk.rest()
    left_ms = refused_for(desk, desk.cancel(order), MINUTE_MS)
    gaps = [after - before for before, after in zip(left_ms, left_ms[1:], strict=False)]
    assert 8 <= len(left_ms) <= 14 and gaps == sorted(gaps) and max(gaps) <= 8_200
    assert order.is_leaving


def test_each_refusal_is_told_with_its_reason() -> None:
    """The person reads the venue's words and when it is tried again."""
    desk = Desk().connect()
    desk.refuse(desk.cancel(desk.rest()), MAY_NOT)
    assert "cancel refused: This account may not place or cancel orders (-2010) · again in 0.25 s" in desk.words()


def test_a_stop_does_not_wait_out_what_was_put_off() -> None:
    """A stop has five seconds: its cancels leave at once, and each quarter of a second while they are refused."""
    desk = Desk().connect()
    refused_for(desk, desk.cancel(desk.rest()), MINUTE_MS)
    desk.step(StopRequested(reason="test"))
    (cancel,) = cancels(desk.sent(Cancel)) or cancels(desk.wait(100))
    assert len(refused_for(desk, cancel, 2_000)) >= 5


def test_a_limit_puts_no_cancel_off() -> None:
    """A limit says by itself when it ends: afterwards the cancel leaves as soon as ever."""
    desk = Desk().connect()
    order = desk.rest()
    for _ in range(6):
        desk.refuse(desk.cancel(order) if not order.is_leaving else cancels(desk.wait(2_000))[0], error(-1003, http_status=429, retry_after_ms=1_000))
    assert order.cancel_refusals == 0
