"""core.engine and its conduct: halts, bans, strangers, adoption, proof, stop."""

import pytest

from core.books import Timing
from core.commands import Cancel, CancelAll, Place, Purpose, Query, ReadAccount
from core.events import (
    AccountSnapshot,
    BalanceUpdate,
    CancelAllAnswer,
    Operator,
    OperatorAction,
    OrderAnswer,
    StopRequested,
    Timer,
    Undecided,
)
from core.light import Colour
from core.notices import Fresh
from core.orders import Evidence
from core.types import OrderStatus, Side
from tests.core.builders import (
    BTC,
    ETH,
    LATER_BOOT,
    MS,
    OLDER_BOOT,
    START_MS,
    TAG,
    D,
    Desk,
    balances,
    error,
    facts,
    fill,
    position,
    report,
    ticker,
    want,
)

S = OrderStatus
HELD_99 = balances(usdt="9901", usdt_locked="99")


def ready() -> Desk:
    return Desk().connect()


# -- halts ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(("action", "why"), [(OperatorAction.HALT, "the operator"), (OperatorAction.CANCEL_ALL, "cancel-all")])
def test_halt_and_resume(action: OperatorAction, why: str) -> None:
    """The operator's halt cancels every order and stays red until resume."""
    desk = ready()
    desk.rest()
    desk.step(Operator(action=action))
    assert desk.one(Cancel).reason == f"halted by {why}"
    assert (desk.light().reason, desk.light().clears_when) == (f"halted by {why}", "python bot.py resume")
    assert bool(desk.sent(CancelAll)) == (action is OperatorAction.CANCEL_ALL)
    desk.step(Operator(action=OperatorAction.RESUME))
    assert not desk.books.session.halted


def test_cancel_all_takes_the_venues_word_and_asks_about_the_rest() -> None:
    """Orders the task canceled end with its answer; what is left open is queried."""
    desk = ready()
    first, second = desk.rest(want(slot=(0, 0))), desk.rest(want(price="98", slot=(0, 1)), order_id=12)
    desk.step(Operator(action=OperatorAction.CANCEL_ALL))
    word = facts("x", 11, "CANCELED", price="99")
    desk.reply(desk.one(CancelAll), CancelAllAnswer(canceled=(word,), failed=(second.client_order_id,)))
    assert (first.status, first.evidence) == (S.CANCELED, Evidence.ANSWER)
    assert [query.venue_order_id for query in desk.sent(Query)] == [12]
    assert desk.one(ReadAccount).purpose is Purpose.PROOF
    assert "cancel-all" not in desk.words(), "what is in the book is canceled by its id anyway"


def test_what_a_cancel_all_did_not_do_is_said() -> None:
    """No answer at all, or none about an order that the book does not hold, is told; a proof follows and finds what is left (I10)."""
    desk = ready()
    desk.step(Operator(action=OperatorAction.CANCEL_ALL))
    desk.lose(desk.one(CancelAll))
    assert "cancel-all has no answer (read timeout)" in desk.words()
    found = facts(f"{TAG}-{OLDER_BOOT}-7", 70, price="99")
    desk.reply(desk.one(ReadAccount), desk.account(open_orders=(found,)))
    assert desk.one(Cancel).venue_order_id == 70
    desk.step(Operator(action=OperatorAction.CANCEL_ALL))
    desk.reply(desk.one(CancelAll), CancelAllAnswer(canceled=(), failed=(f"{TAG}-{OLDER_BOOT}-8",)))
    assert f"no word on {TAG}-{OLDER_BOOT}-8" in desk.words()


def test_error_in_the_strategy_halts_and_cancels() -> None:
    """A fault in a strategy halts quoting and cancels in the same step; the bot stays up."""
    desk = ready()
    desk.rest()
    desk.script.fault = RuntimeError("boom")
    desk.step(Timer())
    assert desk.one(Cancel).venue_order_id == 11
    reason = desk.light().reason  # with the line that raised
    assert reason.startswith("halted by an error in the strategy: RuntimeError: boom (builders.py:")
    assert "RuntimeError: boom" in desk.words()
    desk.step(Timer())  # the lights turn red
    desk.step(Timer())
    assert "boom" not in desk.words()


def test_risk_halt() -> None:
    """The risk check's halt is judged at every Timer and names its reason."""
    desk = ready()
    desk.risk.halt_reason = "quoting has lost 11"
    desk.step(Timer())
    assert desk.light().reason == "halted by risk: quoting has lost 11"


# -- bans ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("status", [418, 429])
def test_ban_lets_nothing_leave_until_it_ends_then_cancels_first(status: int) -> None:
    """During a ban not even cancels leave; at its end the first commands are cancels (I26)."""
    desk = ready()
    desk.rest()
    desk.refuse(desk.place(want(side=Side.SELL, price="101")), error(-1003, "Too much request weight", status, retry_after_ms=5000))
    assert desk.light().reason.startswith("banned by the venue")
    desk.script.places = [want(slot=(0, 1))]
    desk.step(Operator(action=OperatorAction.HALT))
    desk.books.session.halted = ""  # resumed at once: after the ban both a cancel and a place want to leave
    desk.books.orders.by_client_id[next(iter(desk.books.orders.open_ids))].cancel_wanted = "bad"
    assert not desk.wait(4900)
    left = desk.wait(200)
    assert isinstance(left[0], Cancel)


def test_1015_stops_places_only() -> None:
    """Too many orders: places wait for the window's end, cancels and queries go on."""
    desk = ready()
    order = desk.rest()
    desk.refuse(desk.place(want(slot=(0, 1))), error(-1015, "Too many new orders", 429))
    desk.script.places = [want(slot=(0, 1))]
    desk.step(Timer(), after_ms=100)
    assert not desk.sent(Place)
    assert "-1015" in desk.engine.denials["BTCUSDT", Side.BUY][0]
    desk.script.places = []
    assert desk.cancel(order)
    desk.script.places = [want(side=Side.SELL, price="101")]
    assert [c for c in desk.wait(10_000) if isinstance(c, Place)]


# -- strangers and our own past --------------------------------------------------------------------
def test_foreign_orders_are_untouched_and_their_funds_counted() -> None:
    """An order without our tag is never canceled, and what it holds is not ours to promise."""
    desk = ready()
    desk.step(report("web-1", 50, side=Side.SELL, price="101", quantity="9.5"))
    desk.books.account.on_position(balances(btc="10"), START_MS + 1)
    desk.script.places = [want(side=Side.SELL, price="101", quantity="1")]
    desk.step(Timer())
    assert desk.engine.denials["BTCUSDT", Side.SELL][0] == "needs 1 BTC, 0.5 available"
    desk.step(Operator(action=OperatorAction.HALT))
    assert not desk.ever(Cancel)
    desk.step(report("web-1", 50, "CANCELED", side=Side.SELL, price="101", quantity="9.5"))
    assert not desk.books.account.foreign


def test_foreign_orders_of_a_snapshot_are_counted() -> None:
    """The account read replaces what strangers hold."""
    desk = Desk().connect(Desk().account(open_orders=(facts("web-1", 50, "PARTIALLY_FILLED", "4", quantity="10"),)))
    assert desk.books.account.foreign == {("BTCUSDT", 50): ("USDT", D(600))}
    assert not desk.books.orders.open_ids


def test_our_own_past_is_adopted() -> None:
    """An open order with our tag and an older boot becomes ours, keeps its place, and is canceled like any other (I10)."""
    client_id = f"{TAG}-{OLDER_BOOT}-9"
    desk = Desk().connect(Desk().account(open_orders=(facts(client_id, 50),), held=balances(usdt="9900", usdt_locked="100")))
    order = desk.order(client_id)
    assert (order.status, order.slot, desk.light().is_green) == (S.NEW, None, True)
    assert desk.cancel(order).venue_order_id == 50


def test_a_later_boot_is_a_second_bot() -> None:
    """Our tag with a later boot means a second bot: halt and say so, touch nothing of it."""
    client_id = f"{TAG}-{LATER_BOOT}-1"
    desk = Desk().connect(Desk().account(open_orders=(facts(client_id, 50),)))
    assert desk.light().reason == f"halted by a second bot with our tag ({client_id})"
    assert client_id not in desk.books.orders.by_client_id
    assert not desk.ever(Cancel)


def test_undecided_place_of_an_earlier_boot_is_resolved_first() -> None:
    """An intent without an outcome keeps its side red until the venue's answer; its funds stay reserved (I17)."""
    client_id = f"{TAG}-{OLDER_BOOT}-3"
    undecided = Undecided(symbol="BTCUSDT", side=Side.BUY, price=D(99), quantity=D(2), client_order_id=client_id, sent_ms=START_MS - 20_000)
    desk = Desk(undecided=(undecided,)).connect()
    assert (desk.light().colour, desk.light(Side.SELL).colour) == (Colour.RED, Colour.GREEN)
    assert desk.books.account.reserved("USDT", desk.books.orders) == 198
    query = desk.ever(Query)[0]
    assert query.since_ms == START_MS - 21_000
    desk.reply(query, OrderAnswer(facts=None, searched=True))
    assert desk.order(client_id).evidence is Evidence.NOT_FOUND
    assert desk.light().is_green


# -- proof ---------------------------------------------------------------------------------------
def test_proof_at_start_is_equal() -> None:
    """The first reading proves orders, fills and balances and says so."""
    desk = ready()
    assert desk.engine.audit.last is not None
    assert desk.engine.audit.last.equal
    assert desk.engine.audit.last.compared[0] == "orders 0=0"


def test_one_order_of_the_venue_is_never_two_of_ours() -> None:
    """Two undecided twins, one arrived and was renamed by a stranger: both searches under way find it by its shape. It is the first one's; the second
    is searched for again, without it, and ends as not found (seed 468 of the maker-first worlds)."""
    shape = {"symbol": "BTCUSDT", "side": Side.BUY, "price": D(99), "quantity": D(2), "sent_ms": START_MS - 20_000}
    twins = [Undecided(client_order_id=f"{TAG}-{OLDER_BOOT}-{number}", **shape) for number in (4, 5)]  # type: ignore[arg-type]
    desk = Desk(undecided=tuple(twins)).connect()
    first, second = (query for query in desk.ever(Query) if query.since_ms is not None)
    renamed = facts("web_1", 11, "CANCELED", "1", price="99", quantity="2", fills=(fill(7, 11, price="99", quantity="1"),))
    desk.reply(first, OrderAnswer(facts=renamed, searched=True))
    desk.reply(second, OrderAnswer(facts=renamed, searched=True))
    assert desk.order(twins[0].client_order_id).status is OrderStatus.CANCELED
    again = desk.query()
    assert (again.client_order_id, 11 in again.attributed) == (twins[1].client_order_id, True)
    desk.reply(again, OrderAnswer(facts=None, searched=True))
    assert desk.order(twins[1].client_order_id).evidence is Evidence.NOT_FOUND
    assert not desk.books.orders.attention



def prove(desk: Desk, account: AccountSnapshot, after_ms: int = 0) -> None:
    desk.step(Operator(action=OperatorAction.PROVE), after_ms=after_ms)
    for command in list(desk.last.commands):
        if isinstance(command, ReadAccount):
            desk.reply(command, account)


def test_a_difference_counts_only_when_seen_twice() -> None:
    """One odd reading is in motion; the same one again at least 1 s later, with nothing moved, is a difference, booked once."""
    desk = ready()
    odd = desk.account(held=balances(btc="9"), update_ms=START_MS + 5)
    prove(desk, odd)
    assert desk.engine.audit.last is not None
    assert desk.engine.audit.last.equal
    reads = [c for c in desk.wait(1100) if isinstance(c, ReadAccount)]
    assert len(reads) == 1
    desk.reply(reads[0], odd)
    verdict = desk.engine.audit.last
    assert (verdict.equal, verdict.differences) == (False, ("BTC: -1 unexplained",))
    prove(desk, odd, after_ms=1000)
    assert desk.engine.audit.last.equal


def test_motion_between_readings_is_no_difference() -> None:
    """A difference that a private event explains in between is forgotten."""
    desk = ready()
    odd = desk.account(held=balances(btc="9"), update_ms=START_MS + 5)
    prove(desk, odd)
    desk.step(BalanceUpdate(asset="BTC", delta=D(-1), time_ms=START_MS + 6), after_ms=200)
    reads = [c for c in desk.wait(1100) if isinstance(c, ReadAccount)]
    desk.reply(reads[0], odd)
    assert desk.engine.audit.last is not None
    assert desk.engine.audit.last.equal
    assert desk.books.account.movements == {"BTC": D(-1)}


def test_a_private_event_between_two_equal_readings_asks_for_a_third() -> None:
    """The same difference twice is no proof where something private moved in between."""
    desk = ready()
    odd = desk.account(held=balances(btc="9"), update_ms=START_MS + 5)
    prove(desk, odd)
    desk.step(BalanceUpdate(asset="ETH", delta=D(0), time_ms=START_MS + 6), after_ms=200)
    for equal in (True, False):
        reads = [c for c in desk.wait(1100) if isinstance(c, ReadAccount)]
        desk.reply(reads[0], odd)
        assert desk.engine.audit.last is not None
        assert desk.engine.audit.last.equal is equal


def test_proof_runs_by_itself() -> None:
    """Every N seconds the account is read and compared without anybody asking."""
    desk = Desk(timing=Timing(proof_every_ms=2000)).connect()
    reads = [c for c in desk.wait(2200) if isinstance(c, ReadAccount)]
    assert [read.purpose for read in reads] == [Purpose.PROOF]


def test_order_missing_at_the_venue_is_queried() -> None:
    """An order open in our book only is a doubt to resolve, not an ending."""
    desk = ready()
    order = desk.rest()
    desk.step(Timer(), after_ms=100)
    prove(desk, desk.account())
    assert order.is_open
    assert desk.query().venue_order_id == 11


# -- stop ----------------------------------------------------------------------------------------
def test_stop_cancels_proves_and_finishes() -> None:
    """Stop: no new orders, all canceled, the venue's word, proof of zero, finished - in this order."""
    desk = ready()
    order = desk.rest()
    desk.books.account.on_position(HELD_99, START_MS + 1)
    desk.script.places = [want(price="98", slot=(0, 1))]
    desk.step(StopRequested(reason="SIGINT"))
    cancel = desk.one(Cancel)
    assert not desk.ever(Place)[1:]
    assert not desk.last.finished
    desk.reply(cancel, OrderAnswer(facts=facts(order.client_order_id, 11, "CANCELED", price="99")))
    read = desk.one(ReadAccount)
    assert read.purpose is Purpose.STOP
    assert not desk.last.finished
    desk.reply(read, desk.account(update_ms=START_MS + 2))
    assert desk.last.finished
    assert desk.engine.audit.stop_proof is not None
    assert desk.engine.audit.stop_proof.equal


def test_stop_with_an_undecided_order_does_not_finish() -> None:
    """While one order is undecided there is no proof of zero, however long it takes."""
    desk = ready()
    desk.lose(desk.place())
    desk.step(StopRequested(reason="SIGINT"))
    left = desk.wait(10_000)
    assert not [c for c in left if isinstance(c, ReadAccount) and c.purpose is Purpose.STOP]
    assert not desk.last.finished


def test_a_stop_waits_for_the_answer_to_a_place() -> None:
    """The last reading is not asked for while a place has no answer yet: it could rest a moment later."""
    desk = ready()
    desk.place()
    desk.step(StopRequested(reason="SIGINT"))
    assert not [c for c in desk.ever(ReadAccount) if c.purpose is Purpose.STOP]


def test_nothing_is_decided_after_stop() -> None:
    """Once stopping, the strategy is not asked any more."""
    desk = ready()
    desk.step(StopRequested(reason="SIGINT"))
    desk.script.calls = 0
    desk.step(Timer())
    assert desk.script.calls == 0


def test_second_stop_changes_nothing() -> None:
    """The first reason stands."""
    desk = ready()
    desk.step(StopRequested(reason="first"))
    desk.step(StopRequested(reason="second"))
    assert desk.books.session.stopping == "first"


def test_position_message_moves_the_balances() -> None:
    """outboundAccountPosition is absolute and lets waiting places go."""
    desk = ready()
    desk.books.account.on_position(balances(usdt="0"), START_MS)
    desk.script.places = [want()]
    desk.step(Timer())
    assert not desk.sent(Place)
    desk.step(position(START_MS + 1, *balances()))
    assert desk.sent(Place)


def test_each_changed_symbol_is_decided_once_per_batch() -> None:
    """Many frames of one symbol in a batch mean one decision, and none for the other symbol."""
    desk = Desk(symbols=(BTC, ETH)).connect()
    desk.script.calls = 0
    desk.step(*(ticker(200 + n) for n in range(10)))
    assert desk.script.calls == 1


def test_no_outstanding_call_at_rest() -> None:
    """When every reply has come, nothing is pending (I8)."""
    desk = ready()
    order = desk.rest()
    desk.reply(desk.cancel(order), OrderAnswer(facts=facts(order.client_order_id, 11, "CANCELED", price="99")))
    assert not desk.engine.pending
    assert desk.ms * MS == desk.books.now_ns


def test_what_a_person_asks_for_is_said_each_time() -> None:
    """Halt, resume, halt again within ten seconds are three lines: an act of the operator is no repeat that a console may fold."""
    desk = ready()
    for action in (OperatorAction.HALT, OperatorAction.RESUME, OperatorAction.CLOSE):
        step = desk.step(Operator(action=action))
        assert [type(one) for one in step.notices if one.tag == "RISK"] == [Fresh], action
