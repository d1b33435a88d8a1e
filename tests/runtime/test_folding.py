"""runtime.folding: lights that turn together are one line, an outage at most three for a cause, with its end; the files keep every line."""

from pathlib import Path

import pytest

from core.commands import ReadAccount, ReadDepth, Request
from core.engine import Step
from core.events import Outcome, Reply, StoreHealth, StreamDown, StreamUp, Timer
from core.light import Colour, Light
from core.notices import LightChanged, Sent
from core.types import Connection, Side
from runtime.console import Console
from runtime.console_lines import Line
from runtime.folding import SameLights
from tests.core.builders import BTC, ETH, MS, Desk, depth_snapshot, diff, error, report, want
from tests.runtime.bench import Bench

WORDS = slice(13, None)  # without the time


class Told:
    """A desk whose steps are told to a console, as run.py does it."""

    def __init__(self, folder: Path, **options: object) -> None:
        self.bench = Bench(folder, **options)  # type: ignore[arg-type]
        self.desk = Desk(symbols=(BTC, ETH)).connect()
        self.bench.console._beat_at_ns = 2**63  # no status between the lines
        self.orders = [self.desk.rest(want(side=Side.BUY, price="99"), 11), self.desk.rest(want(side=Side.SELL, price="101"), 12)]

    def tell(self, step: Step, console: Console) -> None:
        at_ns = self.desk.ms * MS
        for notice in step.notices:
            if isinstance(notice, Sent):
                console.command(at_ns, notice.command)
            else:
                console.notice(at_ns, notice)
        for command in step.commands:
            if not isinstance(command, Request):
                console.command(at_ns, command)

    def step(self, *events: object, after_ms: int = 0) -> Step:
        step = self.desk.step(*events, after_ms=after_ms)  # type: ignore[arg-type]
        self.tell(step, self.bench.console)
        return step

    def answer(self, step: Step, newest: int = 200) -> None:
        """The venue's books, for every read of that step."""
        for command in step.commands:
            if isinstance(command, ReadDepth):
                self.step(self.desk.reply_event(command, depth_snapshot(newest, symbol=command.symbol)))
            elif isinstance(command, ReadAccount):
                self.step(self.desk.reply_event(command, self.desk.account()))

    def cancel(self) -> None:
        """The venue's word on both orders."""
        for number, order in enumerate(self.orders):
            self.step(report(order.client_order_id, 11 + number, "CANCELED", side=order.side, price=str(order.price)))

    def turn(self) -> list[str]:
        """What the console has made of it, without times and ids."""
        self.bench.clock.now_ns = self.desk.ms * MS
        self.bench.console._turn()
        shown = list(self.bench.console._terminal._waiting)
        self.bench.console._terminal._waiting.clear()
        return [line[WORDS].partition("  gltest")[0].rstrip() for line in shown]


@pytest.fixture
def told(tmp_path: Path) -> Told:
    made = Told(tmp_path)
    made.bench.console._files.open()
    return made


LOST = "DOWN    all      market stream connection lost · all red · 2 orders to cancel · reconnect in 0.2 s"


def lose(told: Told, connection: Connection = Connection.MARKET) -> Step:
    return told.step(StreamDown(connection=connection, reason="connection lost", retry_in_ms=200))


def test_an_outage_of_a_stream_is_its_start_and_its_end(told: Told) -> None:
    """Four sides and two orders: one line when it goes, one when every side is back, with what was folded."""
    lose(told)
    assert told.turn() == [LOST]
    up = told.step(StreamUp(connection=Connection.MARKET), after_ms=400)
    told.answer(up)
    (end,) = told.turn()
    assert end == "DOWN    all      over after 0.4 s: market stream · 4 sides no longer red · 2 cancels"
    log = told.bench.text_log
    assert log.count(" LIGHT ") == 8 and log.count(" CANCEL ") == 2 and "market stream connected" in log


def test_a_long_one_says_once_that_it_lasts(told: Told) -> None:
    """After 10 s one line, and no other however long it takes."""
    lose(told)
    told.cancel()
    said = told.turn()
    for number in range(600):
        told.step(Timer(), after_ms=100)
        if number % 10 == 0:
            told.step(StreamDown(connection=Connection.MARKET, reason=f"refused {number}", retry_in_ms=200))
        said += told.turn()
    assert said[0] == LOST and len(said) == 2
    assert said[1].startswith("DOWN    all      still, after 10.0 s: market stream · 2 cancels · 10 more tries · last: market stream refused 90")
    told.bench.console.line("EXIT", "", "Ctrl-C")
    assert told.turn()[0].startswith("DOWN    all      not over at the end, after 60.0 s: market stream")


def test_calls_lost_with_the_connection_are_told_with_it(told: Told) -> None:
    """The lost calls are noticed a moment before the lost stream; they are its consequences all the same."""
    cancel = told.desk.cancel(told.orders[0])
    lost = Reply(command_id=cancel.command_id, outcome=Outcome.UNKNOWN, note="connection lost", sent_ns=1, received_ns=1)
    told.step(lost, StreamDown(connection=Connection.USER, reason="connection lost", retry_in_ms=200))
    said = told.turn()
    assert said == [LOST.replace("market", "user")]
    assert " TIMEOUT " in told.bench.text_log


def test_a_second_cause_is_said_and_joins(told: Told) -> None:
    """Both streams gone: two lines for two causes, one end, and not before both are back."""
    lose(told)
    told.cancel()
    lose(told, Connection.USER)
    assert [line.partition(" connection")[0] for line in told.turn()] == ["DOWN    all      market stream", "DOWN    all      user stream"]
    told.answer(told.step(StreamUp(connection=Connection.MARKET), after_ms=300))
    assert told.turn() == []
    told.answer(told.step(StreamUp(connection=Connection.USER), after_ms=300))
    assert told.turn() == ["DOWN    all      over after 0.6 s: market stream, user stream · 4 sides no longer red · 2 cancels"]


@pytest.mark.parametrize(("status", "code"), [(429, -1003), (418, -1003)])
def test_a_ban_is_two_lines(told: Told, status: int, code: int) -> None:
    """The venue's word with how long, and the end; the refused order is part of it."""
    place = told.desk.place(want(price="98", slot=(9, 0)))
    told.step(told.desk.reply_event(place, outcome=Outcome.REFUSED, error=error(code, "too much", http_status=status, retry_after_ms=5000)))
    assert told.turn() == [f"RISK    all      the venue says {status} ({code}): nothing leaves for 5 s, then cancels first"]
    told.step(Timer(), after_ms=5001)
    assert told.turn() == ["RISK    all      over after 5.0 s: ban · 4 sides no longer red · 1 order refused"]


def test_a_gap_in_a_book_is_two_lines(told: Told) -> None:
    """The gap and its end, at that symbol."""
    asked = told.step(diff(900, 901), Timer())
    told.desk.ms += 300
    told.answer(asked, newest=901)
    said = told.turn()
    assert said[0] == "WS      BTCUSDT  book gap at update 900 · reading a new snapshot"
    assert said[1:] == ["WS      BTCUSDT  over after 0.3 s: book BTCUSDT · 2 sides no longer red"]


def test_a_database_that_is_gone_is_three_lines(told: Told) -> None:
    """No new orders, whole again, and what that was; the lights that follow are part of it."""
    told.step(StoreHealth(reason="store.db: the database is gone"))
    told.step(StoreHealth(reason=""), after_ms=200)
    assert told.turn() == [
        "RISK    all      store.db: the database is gone · no new orders, cancels go on · writing is tried again",
        "RISK    all      the database is whole again",
        "RISK    all      over after 0.2 s: database · 4 sides no longer red",
    ]


def test_sides_that_stay_red_have_another_reason(told: Told) -> None:
    """The stream is back and a halt keeps every side red: the outage ends all the same, and says so."""
    lose(told)
    told.cancel()
    told.turn()
    told.desk.risk.halt_reason = "loss 3 above 2"
    told.step(Timer())
    told.answer(told.step(StreamUp(connection=Connection.MARKET), after_ms=400))
    said = told.turn()
    assert said == ["RISK    all      halted by risk: loss 3 above 2 · canceling 0 orders"]
    told.step(Timer(), after_ms=3001)
    assert told.turn() == ["DOWN    all      over after 3.4 s: market stream · 4 of 4 sides still red: python bot.py why · 2 cancels"]


def test_lights_that_turn_together_are_one_line(told: Told) -> None:
    """One reason in one step: one line, naming the sides of one symbol or counting those of many; another reason is a line of its own."""
    told.desk.risk.halt_reason = "loss 3 above 2"
    told.step(Timer())
    lights = [line for line in told.turn() if line.startswith("LIGHT")]
    assert lights == ["LIGHT   all      4 sides of BTCUSDT, ETHUSDT green -> red · halted by risk: loss 3 above 2"]
    assert told.bench.events_log.count('"tag":"LIGHT"') == 4


def test_details_show_every_line(tmp_path: Path) -> None:
    """With -v nothing of an outage is folded."""
    told = Told(tmp_path, verbose=True)
    told.bench.console._files.open()
    lose(told)
    said = told.turn()
    assert sum(line.startswith("LIGHT") for line in said) == 4 and sum(line.startswith("CANCEL") for line in said) == 2


def test_lights_of_two_steps_are_two_lines() -> None:
    """The same turn a step later is another fact."""
    red, green = (Light(colour, "halted" if colour is Colour.RED else "fresh", 0, "") for colour in (Colour.RED, Colour.GREEN))
    change = LightChanged(tag="LIGHT", symbol="BTCUSDT", side=Side.BUY, before=green, light=red, waited_ms=0)
    first, second = (Line(at_ns=at_ns, tag="LIGHT", symbol="BTCUSDT", text=change.words(), level=20) for at_ns in (1, 2))
    lights = SameLights()
    assert lights.takes(first, change) and not lights.takes(second, change)
    assert lights.flush() == [first] and lights.flush() == []
