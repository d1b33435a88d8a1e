"""A second bot with our tag, from another state folder, against the same venue: it is refused and the first one trades on (DESIGN 3)."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

import assembly
from runtime.clock import EngineClock
from runtime.control import ask
from tests.drills.harness import CREATES, LONG, Row, Venue, venue, wait_until
from tests.drills.process import BotProcess
from tests.drills.rig import bot as rig_bot
from tests.timing import SOON_S

LONG_ONLY = pytest.mark.skipif(not LONG, reason="8 s, in the long set")
TAG = "gltwin"


def bot(at: Venue, home: Path) -> BotProcess:
    places = zip(("rest", "stream", "ws_api"), (at.urls.rest, at.urls.stream, at.urls.ws_api), strict=True)
    addresses = [f"--set=exchange.urls.{name}={url}" for name, url in places]
    folders = [f"--set=state.dir={home}", f"--set=log.dir={home / 'logs'}", f"--set=exchange.order_tag={TAG}"]
    keys = {"GREENLIGHT_API_KEY": at.keys.api_key, "GREENLIGHT_API_SECRET": at.keys.api_secret}
    return BotProcess("--ui=plain", "--set=quoting.cooldown_ms=50", *folders, *addresses, env=keys)


@contextmanager
def ended(process: BotProcess) -> Iterator[BotProcess]:
    """Ended as by Ctrl-C, whatever happened."""
    try:
        yield process
    finally:
        if process.process.poll() is None:
            process.interrupt_group()
        process.wait(SOON_S)


@contextmanager
def trading(at: Venue, home: Path) -> Iterator[BotProcess]:
    with ended(bot(at, home)) as process:
        wait_until(lambda: process.first_s("PLACE"), SOON_S, "the first quotes")
        yield process


def created(at: Venue) -> list[Row]:
    return [row for row in at.log() if row["method"] in CREATES]


@pytest.mark.parametrize("is_copied", [pytest.param(False, marks=LONG_ONLY), pytest.param(True, marks=pytest.mark.side_by_side)])
def test_a_second_bot_is_refused(tmp_path: Path, is_copied: bool) -> None:
    """Own empty folder or a copy of the first one's: exit 2 with what to do, nothing placed or canceled by it, and the first one trades on."""
    with venue() as at, trading(at, tmp_path / "first") as first:
        if is_copied:
            shutil.copytree(tmp_path / "first", tmp_path / "second", ignore=shutil.ignore_patterns("*.sock", "logs", "tape"))
            count = len(created(at))
            wait_until(lambda: len(created(at)) > count, SOON_S, "an order that the copy does not know")
        second = bot(at, tmp_path / "second")
        assert second.wait(SOON_S) == 2, "\n".join(second.lines)
        assert any(f"another bot trades on this account with the tag {TAG}" in line and "exchange.order_tag" in line for line in second.lines)
        placed = created(at)
        boots = {row["client_order_id"].split("-")[1] for row in placed}
        assert len(boots) == 1, "only the first one ever placed"
        wait_until(lambda: len(created(at)) > len(placed), SOON_S, "the first one trades on")
        status = ask(tmp_path / "first" / "control.sock", {"verb": "status"}, 1.0)
        assert status is not None and status["snapshot"]["halted"] == ""  # type: ignore[index]
        assert first.process.poll() is None
    assert first.process.returncode == 0


def is_trading(process: BotProcess, home: Path) -> bool:
    """It runs and is not halted."""
    status = ask(home / "control.sock", {"verb": "status"}, 1.0) if process.process.poll() is None else None
    return status is not None and bool(status["snapshot"]) and status["snapshot"]["halted"] == ""  # type: ignore[index]


@LONG_ONLY
def test_two_bots_of_one_second(tmp_path: Path) -> None:
    """Started at once with one tag, when neither can see the other yet: they share no client id, and exactly one of them goes on."""
    homes = (tmp_path / "one", tmp_path / "two")
    with venue() as at, ExitStack() as stack:
        both = [stack.enter_context(ended(bot(at, home))) for home in homes]
        for process in both:
            wait_until(lambda process=process: process.first_s("PLACE") or process.process.poll() is not None, SOON_S, "quotes, or refused")  # type: ignore[misc]
        wait_until(lambda: sum(is_trading(process, home) for process, home in zip(both, homes, strict=True)) == 1, SOON_S, "one of them gives way")
        count = len(created(at))
        wait_until(lambda: len(created(at)) > count, SOON_S, "the other trades on")
        assert at.created_twice() == []


class EarlierClock(EngineClock):
    """The wall clock after it was set back by an hour."""

    def __call__(self) -> int:
        return super().__call__() - 3600 * 1_000_000_000


def test_a_clock_that_was_set_back_is_no_second_bot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next run's id is later than that of the orders before it all the same, so they are its own past and it quotes."""
    resting = {"type": "LIMIT_MAKER", "side": "BUY", "quantity": "0.001", "price": "50000"}
    with venue() as at:
        with rig_bot(at, tmp_path / "bot") as first:
            wait_until(lambda: first.is_quoting, SOON_S, "the first quotes")
        left = f"gldril-{first.session.boot}-3"  # the first order it made; one like it stayed
        at.exchange.place(newClientOrderId=left, **resting)
        monkeypatch.setattr(assembly, "EngineClock", EarlierClock)
        with rig_bot(at, tmp_path / "bot") as second:
            assert int(second.session.boot, 36) > int(first.session.boot, 36)
            wait_until(lambda: second.is_quoting, SOON_S, "quotes after the clock was set back")
            assert second.snapshot.halted == ""
        assert at.open_orders() == {}, "what stayed was its own"
