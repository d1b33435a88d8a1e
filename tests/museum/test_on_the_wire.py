"""Rows marked W over real sockets: the bot in this process, the paper exchange in another, faults between and inside. Rows 1, 4, 7, 10, 17, 21,
27, 32, 36, 38, 39 of the field cases."""

import contextlib
import threading
import time
from collections.abc import Callable
from decimal import Decimal

from core.events import Operator, OperatorAction
from core.types import Side
from state.intents import IntentRecord, read
from tests.drills.harness import SYMBOL, Late, LateClock, Row, wait_until
from tests.drills.limits import banned_until_ns
from tests.drills.rig import Rig
from tests.timing import SOON_S

D = Decimal
TRIES = 5


def stir(live: Rig) -> None:
    """A stranger takes the best levels of both sides: quotes fill and move."""
    bid = D(live.venue.exchange.touch()["bidPrice"])
    for side, factor in (("SELL", D("0.9997")), ("BUY", D("1.0003"))):
        live.venue.exchange.take(side, f"{bid * factor:.2f}", "1.5")


def stir_until(live: Rig, struck: Callable[[], object]) -> None:
    for _ in range(int(SOON_S / 0.3)):
        stir(live)
        try:
            wait_until(struck, 0.3)
            return
        except Late:
            continue
    raise Late("the fault never struck")


def struck(live: Rig, kind: str) -> int:
    return int(live.venue.exchange.control("GET", "faults")["struck"].get(kind, 0))


def orders(live: Rig) -> object:
    assert live.bot.session.engine.books is not None
    return live.bot.session.engine.books.orders


def shows(live: Rig, since_ns: int, text: str, colour: str = "red") -> bool:
    return any(text in reason for reason in live.bot.reasons(since_ns, colour))


def test_row_01_lost_create_and_cancel_all(live: Rig) -> None:
    """hummingbot #493 (2019, again in 2026 builds): create times out, marked FAILED, the order rests, cancel-all skips it. Ours: red, and a
    cancel-all in that very moment leaves nothing at the venue; after resume the bot quotes on."""
    mark, wire = live.bot.mark(), live.venue.user_wire
    live.venue.exchange.fault("events_delay", delay_ms=700)
    live.bot.said.clear()
    before = wire.counts.get("drop_after_apply", 0)
    wire.drop_after_apply(b'"order.place"')
    stir_until(live, lambda: wire.counts.get("drop_after_apply", 0) > before)
    wait_until(lambda: any("no answer to the place" in said for said in list(live.bot.said)), SOON_S, "the place is unknown")
    wait_until(lambda: shows(live, mark, "outcome unknown") or shows(live, mark, "user stream down"), SOON_S, "red: the socket of both is gone")
    live.bot.session.inbox.post(Operator(action=OperatorAction.CANCEL_ALL))
    wait_until(lambda: not live.venue.open_orders() and not live.bot.books()["open_orders"], live.bound_known_s, "nothing rests")
    live.bot.session.inbox.post(Operator(action=OperatorAction.RESUME))
    live.check()


def test_row_04_a_fill_behind_not_open(live: Rig) -> None:
    """hummingbot #4738: a cancel is answered "not open" and the order untracked before its fill arrives: the fill is lost. Ours: with the report
    700 ms behind, the side is red until the query brings the fill, and the books equal the venue's."""
    mark, fills = live.bot.mark(), len(live.venue.trades())
    live.venue.exchange.fault("events_delay", delay_ms=700)
    live.venue.exchange.fault("cancel_race", fraction=1, count=2)
    before = struck(live, "cancel_race")
    stir_until(live, lambda: struck(live, "cancel_race") > before)
    wait_until(lambda: shows(live, mark, "outcome unknown"), SOON_S, "red until asked")
    live.check()
    assert len(live.venue.trades()) > fills


def test_row_07_no_hammering(live: Rig) -> None:
    """hummingbot #462, #1291; Krypto #1070: unaffordable orders are re-sent until the address is banned. Ours: at most a handful of tries in 3 s
    although the market moves, the reason in the light; after a 418 not one request reaches the door until it ends."""
    mark, after = live.bot.mark(), live.came()
    text = "Account has insufficient balance for requested action."
    live.venue.exchange.fault("reject", code=-2010, text=text, match={"operation": "order.place"})
    began_s = time.monotonic()
    while time.monotonic() - began_s < 0.9 or not shows(live, mark, "equal refusals (-2010)", "amber"):
        assert time.monotonic() - began_s < SOON_S, "amber, with its reason"
        stir(live)
        time.sleep(0.1)
    tries = [row for row in live.door(after) if row["method"] == "order.place"]
    assert 2 <= len(tries) <= 12, len(tries)
    live.venue.clear()
    live.check(bound_s=8.0)
    mark = live.bot.mark()
    live.venue.exchange.fault("banned", count=1, ban_s=1, match={"transport": "rest"})
    live.bot.session.inbox.post(Operator(action=OperatorAction.PROVE))
    wait_until(lambda: shows(live, mark, "banned by the venue"), SOON_S, "red, banned")
    quiet_ns, quiet_from = live.bot.mark(), live.came()
    ends_ns = banned_until_ns(live)
    wait_until(lambda: live.bot.mark() > ends_ns, SOON_S, "the end of the ban")
    assert [row for row in live.door(quiet_from) if quiet_ns < row["time_ns"] < ends_ns] == [], "something left during the ban"
    live.check(bound_s=8.0)


def read_before_placing(live: Rig) -> bool:
    """Since `said` was cleared: the account was read for the resync before the first place after the user stream came up (I23)."""
    said = list(live.bot.said)
    up = max((at for at, words in enumerate(said) if "user stream connected" in words), default=len(said))
    reads = [at for at, words in enumerate(said) if words.startswith("resync") and words.endswith("ReadAccount")]
    places = [at for at, words in enumerate(said) if at > up and words.startswith("PLACE")]
    return bool(reads) and min(reads) < min(places, default=len(said))


def test_row_10_close_after_close(live: Rig) -> None:
    """hummingbot #8250, #5896: never recovers after a close; Krypto #374: cancels for ever what is gone. Ours: three closes in a row, each time
    resync and green within the bound; no order is canceled more than twice."""
    after = live.came()
    for _ in range(3):
        mark = live.bot.mark()
        live.bot.said.clear()
        for wire in (live.venue.user_wire, live.venue.stream_wire):
            wire.reset_all()
        wait_until(lambda mark=mark: shows(live, mark, "stream down: "), SOON_S, "red with its reason")  # type: ignore[misc]
        live.check()
        assert read_before_placing(live)
        for stream in (live.bot.session.market, live.bot.session.user):
            stream._backoff.reset()
    cancels = [row["order_id"] for row in live.door(after) if row["method"] == "order.cancel"]
    assert cancels
    assert max(cancels.count(order_id) for order_id in cancels) <= 2


def test_row_17_unknown_then_asked(live: Rig) -> None:
    """nautilus #4215: -1007, accepted, retried, duplicate id, phantom reject. Ours: the id reaches create once, nothing else is placed on that side
    until the query's answer, then the order is in the book."""
    mark, after = live.bot.mark(), live.came()
    live.venue.exchange.fault("events_delay", delay_ms=600)
    live.venue.exchange.fault("unknown", executed=True, count=1, match={"operation": "order.place"})
    before = struck(live, "unknown")
    stir_until(live, lambda: struck(live, "unknown") > before)
    wait_until(lambda: shows(live, mark, "outcome unknown"), SOON_S, "red, outcome unknown")
    took_s = live.check()
    placed = [row for row in live.door(after) if row["method"] == "order.place"]
    victim = next(row for row in placed if row["outcome"] != "200" or row["reply"] != "sent")
    assert [row["client_order_id"] for row in placed].count(victim["client_order_id"]) == 1
    found = live.venue.exchange.query(orderId=order_id_of(live, victim["client_order_id"])).json
    assert found["clientOrderId"].startswith("gldril-")
    assert took_s <= live.bound_known_s


def order_id_of(live: Rig, client_order_id: str) -> int:
    assert live.bot.session.engine.books is not None
    order = live.bot.session.engine.books.orders.by_client_id[client_order_id]
    assert order.venue_order_id is not None, "adopted: the venue's id is known"
    return order.venue_order_id


def test_row_21_an_outage_of_the_private_stream(live: Rig) -> None:
    """nautilus #4991: updates during a private-stream outage are lost for ever. Ours: quotes fill while nobody can hear; after the reconnect every
    trade, balance and order is in the books (I2)."""
    before = len(live.venue.trades())
    for _ in range(TRIES):  # on a slow machine the deafness may be noticed, and the quotes pulled, before they are taken
        live.bot.said.clear()
        live.venue.user_wire.silence("down")  # first deaf, so that the quotes still stand when they are taken
        stir(live)
        stir(live)
        if len(live.venue.trades()) > before:
            break
        live.settle()
    assert len(live.venue.trades()) > before, "the row needs fills nobody reported"
    live.venue.user_wire.refuse()
    live.venue.user_wire.reset_all()
    time.sleep(0.5)
    live.venue.user_wire.clear()
    live.check(bound_s=live.bound_s)
    assert read_before_placing(live)


def test_row_27_a_stale_book_and_post_only(live: Rig) -> None:
    """Krypto #934: a stale book makes endless post-only rejects. Ours: from red to green no place leaves, and a market that refuses every quote is
    asked a handful of times, not thousands."""
    mark = live.bot.mark()
    live.venue.stream_wire.silence("down")
    wait_until(lambda: shows(live, mark, "market stream down: "), SOON_S, "red with its reason")
    after = live.came()
    time.sleep(0.7)
    assert not [row for row in live.door(after) if row["method"] == "order.place"]
    live.venue.stream_wire.clear()
    live.check()
    after = live.came()
    text = "Order would immediately match and take."
    live.venue.exchange.fault("reject", code=-2010, text=text, match={"operation": "order.place"})

    def tries() -> int:
        return len([row for row in live.door(after) if row["method"] == "order.place"])

    for _ in range(4):
        stir(live)
        time.sleep(0.1)
    stir_until(live, lambda: tries() >= 2)
    made = tries()
    live.venue.clear()
    assert made <= 10, made
    live.check(bound_s=8.0)


def lose_one_update(live: Rig, noticed: Callable[[], bool]) -> None:
    """An update lost while the book is read anew is no gap: then another one."""
    for _ in range(TRIES):
        live.venue.exchange.fault("depth_gap", count=1)
        with contextlib.suppress(Late):
            wait_until(noticed, 5.0, "the gap is noticed")
            return
    raise Late("no gap was noticed")


def test_row_32_after_a_lost_update_the_books_agree(live: Rig) -> None:
    """hummingbot book: a gap unchecked, a ghost bid 100 while the best was 95, resync hourly. Ours: three lost updates, each noticed, and after them
    every level equals the venue's (I24)."""
    assert live.bot.session.engine.books is not None
    market = live.bot.session.engine.books.market[SYMBOL]
    gaps = market.depth.gaps
    for number in range(1, 4):
        lose_one_update(live, lambda number=number: market.depth.gaps >= gaps + number)  # type: ignore[misc]
        wait_until(lambda: live.bot.is_quoting, SOON_S, "in step again")
    live.venue.pause(True)

    def equal() -> bool:
        said = live.venue.exchange.public("GET", "/api/v3/depth", symbol=SYMBOL, limit=500).json
        ours = market.depth.depth(500)
        theirs = tuple(tuple((D(price), D(size)) for price, size in said[side]) for side in ("bids", "asks"))
        return market.depth.in_step and market.depth.update_id == said["lastUpdateId"] and ours == theirs

    wait_until(equal, SOON_S, "every level equal at the same update id")
    assert market.depth.crossed == 0
    live.venue.pause(False)
    live.check()


def test_row_36_a_new_socket_is_subscribed(live: Rig) -> None:
    """python-binance: the user socket reconnects without resubscribing: events stop silently. Ours: after the reconnect exactly one subscription
    lives at the venue, and new orders are reported by the stream."""
    mark = live.bot.mark()
    live.venue.user_wire.reset_all()
    wait_until(lambda: shows(live, mark, "user stream down: "), SOON_S, "red with its reason")
    live.check()
    wait_until(lambda: live.venue.exchange.control("GET", "stats")["user_subscriptions"] == 1, SOON_S, "the old subscription is gone")
    assert live.bot.session.engine.books is not None
    known = set(live.bot.session.engine.books.orders.by_client_id)
    stir(live)

    def reported() -> bool:
        assert live.bot.session.engine.books is not None
        fresh = [order for name, order in list(live.bot.session.engine.books.orders.by_client_id.items()) if name not in known]
        return bool(fresh) and all(order.reported for order in fresh)

    wait_until(reported, SOON_S, "new orders are reported by the stream")


def test_row_38_half_a_private_frame(live: Rig) -> None:
    """websocket-client: half a frame hangs the reader for ever. Ours: of a private event only half arrives; the socket is left within the silence
    limit, and the resync brings what the other half would have said."""
    mark = live.bot.mark()
    live.venue.user_wire.half_frame("down", "stall")
    stir(live)
    wait_until(lambda: shows(live, mark, "user stream down: "), SOON_S, "red with its reason")
    live.check()


def test_row_39_a_stuck_save_stops_nobody(live: Rig) -> None:
    """The lock convoy: one mutex shared by the step and the state save froze SELL and EXIT while ticks went on. Ours: with the recorder stuck in a
    save both sides place and cancel on, and no step waits; every place is in the intents before it reached the door."""
    recorder, steps = live.bot.session.recorder, live.bot.session.loop.step_times
    real, is_stuck, may_go_on = recorder._intents.fill, threading.Event(), threading.Event()

    def stuck(fill: object) -> None:
        is_stuck.set()
        may_go_on.wait(2 * SOON_S)
        real(fill)  # type: ignore[arg-type]

    recorder._intents.fill = stuck  # type: ignore[method-assign]
    try:
        stir_until(live, is_stuck.is_set)
        after = live.came()
        steps.worst_ms, count = 0.0, steps.count

        def placed() -> list[Row]:
            return [row for row in live.door(after) if row["method"] == "order.place"]

        with LateClock() as control:
            stir_until(live, lambda: {row["params"]["side"] for row in placed()} == {side.value for side in Side} and steps.count - count > 10)
        rows = placed()
        assert steps.worst_ms - control.worst_ms < 300, "a step waited for the save"
    finally:
        may_go_on.set()
        recorder._intents.fill = real  # type: ignore[method-assign]
    kept = {record.command.client_order_id for record in read(live.bot.session.intents.path) if isinstance(record, IntentRecord)
            and hasattr(record.command, "client_order_id")}
    assert {row["client_order_id"] for row in rows} <= kept
    live.check(bound_s=10.0)
