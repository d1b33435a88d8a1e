"""Money, limits, memory and the market's book: rows 6, 7, 13, 23, 27, 32, 33 of the field cases, in virtual time."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest

from core.books import Timing
from core.commands import Cancel, Place, ReadAccount
from core.depth import DepthBook
from core.events import BookTicker, DepthDiff, OrderAnswer, StreamGap, Timer
from core.light import Colour
from core.money import plain
from core.orders import Order
from core.types import Balance, Connection, Fill, Liquidity, Side, SymbolRules, VenueError
from exchange.binance import wire
from runtime.inbox import PRIVATE_MAX, TRADES_MAX, Inbox
from sim.faults import Kind
from state.intents import IntentRecord, Intents, read
from strategy import MarketMaker
from tests.core.builders import BTC, MS, D, Desk, balances, depth_snapshot, diff, error, facts, fill, report, rules, ticker, want
from tests.museum.scenes import Stage, listed, maker, ready, setup
from trading.bands import Band
from trading.quoting import SymbolQuoting

POOR = error(-2010, "Account has insufficient balance for requested action.")
WOULD_TAKE = error(-2010, "Order would immediately match and take.")


# -- row 6 ---------------------------------------------------------------------------------------
def test_row_06_a_tight_purse_is_never_overdrawn() -> None:
    """hummingbot #2416, #601, #337: insufficient balance right after a cancel, duplicate orders. Ours: funds are asked of the venue, not assumed:
    zero -2010 in a clean run whose orders take nearly all there is (I13)."""
    tight = {"USDT": D(1250), "ETH": D("0.4"), "SOL": D("6")}
    stage = Stage(setup(balances=tight, timing=Timing(cooldown_ms=0)), drift_ms=90).opened()
    stage.pass_s(40)
    assert stage.books.canceled > 40
    assert not stage.books.rejects, stage.books.rejects
    stage.ends_well()
    assert stage.oracle.checks["I13"] > 40


def test_row_06_freed_funds_come_from_the_venue() -> None:
    """hummingbot #2416: what a pending cancel holds is named and waited for; it is free when the venue says so, not when the cancel was sent."""
    desk = ready()
    order = desk.rest(want(price="99", quantity="100"))
    cancel = desk.cancel(order)
    desk.script.places = [want(price="98", quantity="60", slot=(0, 1))]
    assert not [command for command in desk.wait(900) if isinstance(command, Place)]
    assert desk.light().colour is Colour.AMBER
    desk.reply(cancel, OrderAnswer(facts=listed(order, "CANCELED")))  # type: ignore[arg-type]
    assert len(desk.sent(Place)) == 1


# -- row 7 ---------------------------------------------------------------------------------------
def test_row_07_equal_refusals_brake() -> None:
    """hummingbot #462, #1291; Krypto #1070: unaffordable orders were re-sent until the ban. Ours: after two equal refusals the side waits, longer
    each time up to 8 s, and says why: at most eleven tries in a minute."""
    desk = ready(maker(), timing=Timing(book_age_ms_max=3_600_000))
    reasons: set[str] = set()
    answered = 0
    for _ in range(600):
        answered = refuse_all(desk, POOR, answered)
        reasons.add(desk.light().reason)
        desk.step(Timer(), after_ms=100)
    tries = [place for place in desk.ever(Place) if place.side is Side.BUY]
    assert 4 <= len(tries) <= 11, len(tries)
    assert any(reason.startswith("brake: ") and "(-2010)" in reason for reason in reasons)


def refuse_all(desk: Desk, why: VenueError, answered: int) -> int:
    """Refuse every place that left since; returns how far the log is answered."""
    while answered < len(desk.log):
        command = desk.log[answered]
        answered += 1
        if isinstance(command, Place):
            desk.refuse(command, why)
    return answered


@pytest.mark.parametrize("kind", [Kind.BAN_429, Kind.BAN_418])
def test_row_07_silence_until_retry_after(kind: Kind) -> None:
    """Krypto #1070: after 429 or 418 nothing leaves until Retry-After ends, on no lane; then the bot goes on by itself (I26, by the oracle)."""
    stage = Stage(drift_ms=120).opened()
    for _ in range(3):
        stage.strike(kind)
        stage.recovers()
    assert stage.oracle.checks["I26"] > 50
    stage.ends_well()


# -- row 13 --------------------------------------------------------------------------------------
def containers(thing: object, path: str = "books", depth: int = 6) -> dict[str, int]:
    """The length of every map and list below an object, by path."""
    found: dict[str, int] = {}
    if isinstance(thing, str | bytes) or depth == 0:
        return found
    if isinstance(thing, Mapping):
        found[path] = len(thing)
        for key in list(thing)[:3]:
            found.update(containers(thing[key], f"{path}[{key}]" if len(thing) <= 3 else f"{path}[*]", depth - 1))
    elif is_dataclass(thing):
        for each in fields(thing):
            found.update(containers(getattr(thing, each.name), f"{path}.{each.name}", depth - 1))
    elif hasattr(thing, "__len__"):
        found[path] = len(thing)
    elif hasattr(thing, "__dict__"):
        for name, value in vars(thing).items():
            found.update(containers(value, f"{path}.{name}", depth - 1))
    return found


def busy(desk: Desk, rounds: int, first: int) -> None:
    """Every way an order can go, again and again: filled, canceled, refused, unknown; strangers trade beside it."""
    for number in range(first, first + rounds):
        order_id = number * 10
        order = desk.rest(order_id=order_id)
        name = order.client_order_id
        if number % 4 == 0:
            trade = fill(number * 3, order_id, name, price="99", time_ms=desk.ms)
            desk.step(report(name, order_id, "FILLED", "1", trade=trade, price="99"))
        elif number % 4 == 1:
            desk.reply(desk.cancel(order), OrderAnswer(facts=listed(order, "CANCELED")))  # type: ignore[arg-type]
        elif number % 4 == 2:
            desk.refuse(desk.cancel(order), error(-2011, "Unknown order sent."))
            desk.reply(desk.query(), OrderAnswer(facts=listed(order, "CANCELED")))  # type: ignore[arg-type]
        else:
            stray = fill(number * 3, order_id + 5, time_ms=desk.ms)
            desk.step(StreamGap(connection=Connection.USER, reason="backlog"), after_ms=10)
            answer_reads(desk, order, stray)
            desk.reply(desk.query(), OrderAnswer(facts=facts(f"web_{number}", order_id + 5, "FILLED", "1")))
            desk.reply(desk.cancel(order), OrderAnswer(facts=listed(order, "CANCELED")))  # type: ignore[arg-type]
        answer_reads(desk, order)
        desk.step(ticker(1000 + number), diff(number + 101 - first, number + 101 - first), after_ms=600)


def answer_reads(desk: Desk, order: Order, *strays: Fill) -> None:
    """Every account read under way shows what is open, the strangers' trades, and balances that have all of it."""
    for command in list(desk.engine.pending.values()):
        if isinstance(command, ReadAccount):
            moved = {"USDT": -sum((fill.price * fill.quantity for fill in strays), D(0)), "BTC": sum((fill.quantity for fill in strays), D(0))}
            held = tuple(Balance(asset=name, free=desk.books.account.expected(name) + delta, locked=D(0)) for name, delta in moved.items())
            desk.reply(command, desk.account((listed(order),) if order.is_open else (), strays, held, desk.ms))  # type: ignore[arg-type]


def test_row_13_memory_reaches_a_plateau() -> None:
    """hummingbot #7462, nautilus #4533: memory grows until killed. Ours: every map is bounded (I25): with small caps set, the third thousand
    orders adds nothing anywhere. (The plateau of a whole day's process memory waits for the soak run.)"""
    desk = Desk(timing=Timing(book_age_ms_max=3_600_000, proof_every_ms=3_600_000))
    desk.connect(desk.account(held=balances(usdt="1000000")))
    orders, books = desk.books.orders, desk.books
    orders.closed_max, orders.booked_max = 200, 100
    books.fills = type(books.fills)(maxlen=100)
    sizes = []
    for turn in range(3):
        desk.log.clear()
        busy(desk, 700, first=1 + turn * 700)
        desk.wait(2000)
        assert desk.light().colour is not Colour.RED, desk.light()
        sizes.append({**containers(books), "pending": len(desk.engine.pending), **containers(desk.engine.audit, "audit")})
    ours_to_keep = {"books.foreign_trades"}  # capped at 50,000: shown by its own rule below
    grown = {path: (sizes[1].get(path, 0), size) for path, size in sizes[2].items() if size > sizes[1].get(path, 0) + 40 and path not in ours_to_keep}
    assert not grown, grown
    assert sizes[2]["books.orders.by_client_id"] <= 230


def test_row_13_foreign_trades_are_forgotten_too() -> None:
    """hummingbot #7462: what strangers trade on the account is remembered for 50,000 trades, not for ever."""
    from core.booking import note_foreign_fill

    desk = ready()
    for number in range(50_050):
        note_foreign_fill(desk.books, fill(number, 5))
    assert len(desk.books.foreign_trades) == 50_000


# -- row 23 --------------------------------------------------------------------------------------
def test_row_23_the_newest_quote_is_kept() -> None:
    """nautilus #2117: a full queue kept the OLDEST 100,000 quotes. Ours: one slot per symbol, the newest wins; depth diffs are merged, none lost."""
    inbox = Inbox(lambda: 1)
    last = 20_000
    for number in range(1, last + 1):
        inbox.post(ticker(number, bid=str(D(number) / 100)))
        inbox.post(diff(number, number, bids=[(str(D(number % 50) + 1), "1")]))
    assert len(inbox) == 2
    events = inbox.take(0)
    tickers = [event for event in events if isinstance(event, BookTicker)]
    diffs = [event for event in events if isinstance(event, DepthDiff)]
    assert [event.update_id for event in tickers] == [last]
    assert [(event.first_id, event.last_id, len(event.bids)) for event in diffs] == [(1, last, 50)]


def test_row_23_a_private_backlog_is_a_gap_not_a_hole() -> None:
    """nautilus #2117: private events are never dropped singly: at the cap the backlog becomes one StreamGap, and the resync restores the truth."""
    inbox = Inbox(lambda: 1)
    for number in range(PRIVATE_MAX + 5000):
        inbox.post(report(f"gltest-m0-{number}", number))
    events = inbox.take(0)
    assert [type(event) for event in events] == [StreamGap]
    assert TRADES_MAX < PRIVATE_MAX


def test_row_23_nothing_stale_decides() -> None:
    """nautilus #2117: a decision that waited too long does not leave: a place carries the time after which it is stale."""
    desk = ready()
    place = desk.place()
    assert place.not_after_ns == (desk.ms + desk.engine.timing.place_not_after_ms) * MS
    assert desk.engine.timing.place_not_after_ms <= 250


# -- row 27 --------------------------------------------------------------------------------------
def test_row_27_a_stale_book_places_nothing() -> None:
    """Krypto #934: a stale book gave endless post-only rejects. Ours: the book's age gates quoting: silent market, quotes gone, no place (I22)."""
    stage = Stage(drift_ms=150).opened()
    stage.links[Connection.MARKET].is_mute = True
    pulled = False
    for _ in range(80):
        stage.pass_s(0.2)
        pulled = pulled or not stage.matching.open_orders()
    assert pulled, "the quotes of a silent market are pulled"
    assert not stage.oracle.failures, stage.oracle.failures
    stage.links[Connection.MARKET].unmute()
    stage.recovers()


def test_row_27_the_age_itself_gates() -> None:
    """Krypto #934: where not even a snapshot confirms the book, its age alone turns the light red, pulls the quotes and places nothing."""
    desk = ready(maker())
    for place in desk.ever(Place):
        desk.step(report(place.client_order_id, place.command_id, side=place.side, price=str(place.price)))
    desk.wait(10_500)
    cancels = desk.ever(Cancel)
    assert [cancel.reason.startswith("book is stale") for cancel in cancels] == [True, True]
    for cancel in cancels:
        desk.reply(cancel, OrderAnswer(facts=listed(desk.order(cancel.client_order_id), "CANCELED")))  # type: ignore[arg-type]
    left = desk.wait(5000)
    assert not [command for command in left if isinstance(command, Place)]
    assert desk.light().reason.startswith("book is stale")
    desk.step(diff(101, 101))
    assert len(desk.sent(Place)) == 2


def test_row_27_post_only_refusals_step_back_and_brake() -> None:
    """Krypto #934: each "would immediately match" moves the next quote one tick back, and equal ones brake the side."""
    strategy = MarketMaker({"BTCUSDT": SymbolQuoting(bid_bands=(Band(min=D(0), target=D(0), max=D(20), quantity=D(1)),), ask_bands=())})
    desk = ready(strategy, timing=Timing(book_age_ms_max=3_600_000))
    answered = 0
    for _ in range(400):
        answered = refuse_all(desk, WOULD_TAKE, answered)
        desk.step(Timer(), after_ms=100)
    prices = [place.price for place in desk.ever(Place)]
    assert 3 <= len(prices) <= 9
    assert prices == sorted(prices, reverse=True)
    assert len(set(prices[:3])) == 3


# -- row 32 --------------------------------------------------------------------------------------
def test_row_32_no_ghost_level_survives() -> None:
    """hummingbot book: U/u gaps unchecked, a ghost bid of 100 while the best was 95. Ours: a lost diff stops the book in the same step (I24)."""
    desk = ready()
    desk.step(diff(101, 101, bids=[("100.00", "3")]))
    assert desk.books.market["BTCUSDT"].touch.bid[0] == D("100.00")
    desk.step(diff(103, 103, bids=[("95.00", "1")]))  # 102, which deleted the bid of 100.00, is lost
    book = desk.books.market["BTCUSDT"].depth
    assert not book.in_step
    assert desk.light().reason == "book not in step"
    desk.step(diff(104, 104, asks=[("96.00", "1")]))
    desk.reply(next(command for command in desk.log[::-1] if type(command).__name__ == "ReadDepth"),
               depth_snapshot(103, bids=[("95.00", "1")], asks=[("99.00", "1")]))
    assert book.in_step
    assert (book.best(Side.BUY), book.best(Side.SELL)) == ((D("95.00"), D(1)), (D("96.00"), D(1)))


def test_row_32_older_diffs_are_not_applied() -> None:
    """hummingbot book: diffs older than the snapshot were applied on top of it."""
    book = DepthBook("BTCUSDT")
    book.on_diff(diff(90, 95, bids=[("99.99", "0")]))
    book.on_diff(diff(96, 101, bids=[("99.97", "7")]))
    assert book.on_snapshot(depth_snapshot(98))
    assert (book.quantity_at(Side.BUY, D("99.99")), book.quantity_at(Side.BUY, D("99.97"))) == (D(5), D(7))


def test_row_32_a_world_of_gaps() -> None:
    """hummingbot book: twenty lost frames; whenever the book says it is in step it equals the venue's, level by level (I24)."""
    stage = Stage(drift_ms=100).opened()
    for _ in range(20):
        stage.strike(Kind.MARKET_GAP)
        stage.pass_s(1.5)
        stage.look()
    assert sum(market.depth.gaps for market in stage.books.market.values()) >= 5
    stage.recovers()


# -- row 33 --------------------------------------------------------------------------------------
PENNY = rules("PEPEBTC", "PEPE", "BTC")


def test_row_33_small_prices_survive(tmp_path: Path) -> None:
    """hummingbot store: 0.00000912 became 0.000009. Ours: exact decimal text through command, intents, wire and back.

    (The database's columns wait for the store issue.)"""
    price, quantity = D("0.00000912"), D("123456789.00000001")
    assert (plain(price), plain(quantity), plain(D("9.12E-6"))) == ("0.00000912", "123456789.00000001", "0.00000912")
    shape = {name: getattr(PENNY, name) for name in PENNY.__struct_fields__}
    tiny = SymbolRules(**{**shape, "tick": D("1E-8"), "step": D("1E-8"), "max_quantity": D(0), "min_price": D("1E-8"), "min_notional": D(0)})
    desk = Desk(symbols=(BTC, tiny)).connect()
    desk.script.places = [want(Side.BUY, "0.00000912", "100000000.00000001", symbol="PEPEBTC")]
    desk.books.account.on_position([Balance(asset="BTC", free=D(100_000), locked=D(0))], desk.ms + 1)
    desk.step(Timer())
    place = desk.one(Place)
    journal = Intents(tmp_path / "intents.log")
    journal.start()
    journal.intent(place)
    journal.fill(Fill("PEPEBTC", 1, 2, place.client_order_id, Side.BUY, price, quantity, D("0.00000001"), "BTC", Liquidity.MAKER, 3))
    journal.stop(0)
    records = list(read(journal.path))
    kept = next(record.command for record in records if isinstance(record, IntentRecord))
    assert isinstance(kept, Place)
    assert (kept.price, kept.quantity) == (place.price, place.quantity) == (price, D("100000000.00000001"))
    assert (records[-1].fill.price, records[-1].fill.fee) == (price, D("1E-8"))  # type: ignore[union-attr]
    raw = b'{"lastUpdateId":1,"bids":[["0.00000912","123456789.00000001"]],"asks":[["0.00000913","1.00000000"]]}'
    assert wire.depth(raw, "PEPEBTC").bids == ((price, quantity),)

