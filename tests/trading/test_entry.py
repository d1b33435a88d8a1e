"""trading/entry.py and chase.py under the engine: an entry is a small machine that never blocks, never doubles, and thinks again before it takes."""

from msgspec.structs import replace

from core.commands import Cancel, Place, Replace
from core.events import Operator, OperatorAction
from core.ports import Capabilities
from core.types import Liquidity, OrderType, Side, TimeInForce
from core.view import View, WantPlace
from tests.core.builders import BTC, Desk, NoRisk, error, rules
from tests.trading.floor import ENTRY, REPLACEABLE, D, Floor
from trading.amend import Amending
from trading.chase import Chase, Task
from trading.entry import bounded, interval_ms, offset_bps, walk
from trading.spare import promised, spare_base


def floor(**given: object) -> Floor:
    desk = Floor(**given)  # type: ignore[arg-type]
    desk.connect()
    return desk


class Denier(NoRisk):
    def check(self, want: WantPlace, view: View) -> tuple[str, str]:
        return "too much", "never"


def test_an_entry_is_post_only_at_the_touch_and_never_two_on_one_side() -> None:
    """A signal makes one LIMIT_MAKER at the own touch; the side then answers OPEN-PENDING with its age."""
    desk = floor()
    desk.hand.side = Side.BUY
    desk.touch("99.99", "100.01")
    place = desk.one(Place)
    assert (place.type, place.price, place.quantity) == (OrderType.LIMIT_MAKER, D("99.99"), D("2.000"))
    desk.acknowledge(place)
    desk.touch("99.99", "100.01", after_ms=500)
    assert desk.sent(Place) == []
    assert "OPEN-PENDING 1, 0.5 s old" in desk.engine.idle["BTCUSDT", Side.BUY]


def test_a_fill_commits_the_lot_and_nothing_before_it() -> None:
    """The lot exists from the first fill on, is committed when the entry is over, and has the fill's price and quantity."""
    desk = floor()
    order = desk.enter()
    assert desk.trader.lots.open[Side.BUY] == []
    desk.trade(order, "0.5")
    (lot,) = desk.trader.lots.open[Side.BUY]
    assert (lot.quantity, lot.is_committed) == (D("0.5"), False)
    desk.trade(order, "1.5")
    (lot,) = desk.trader.lots.open[Side.BUY]
    assert (lot.number, lot.quantity, lot.price, lot.is_committed) == (1, D(2), D("99.99"), True)
    assert (lot.take_profit_bps, lot.reason, lot.opened_ns) == (D(10), "by hand", order.created_ns)
    assert desk.trader.entries == {}


def test_a_price_that_moved_is_followed_after_the_interval_with_a_new_id_and_what_is_left() -> None:
    """Not before the interval; one command while nothing has filled, then cancel, word, place; a partial fill is kept, the number stays."""
    desk = floor(entry=replace(ENTRY, deadline_ms=9000), amending=Amending(can=Capabilities(cancel_replace=True)))
    order = desk.enter()
    desk.touch("100.03", "100.05", after_ms=100)
    assert desk.changes() == [], "within the interval"
    desk.touch("100.03", "100.05", after_ms=700)
    pair = desk.one(Replace)
    assert (pair.place.price, pair.place.quantity, pair.place.memo) == (D("100.03"), D(2), order.memo)
    assert pair.place.client_order_id != order.client_order_id
    desk.touch("100.07", "100.09", after_ms=900)
    assert desk.changes() == [], "the last change has no answer"
    desk.replaced(pair)
    order = desk.replaced(desk.one(Replace))
    assert order.price == D("100.07")
    desk.trade(order, "0.5")
    desk.touch("100.03", "100.05", after_ms=900)
    desk.canceled(desk.one(Cancel))
    place = desk.one(Place)
    assert (place.price, place.quantity, place.memo) == (D("100.03"), D("1.5"), order.memo)
    assert desk.trader.entries[Side.BUY].reprices == 3


def test_no_further_than_the_bound_from_the_decision() -> None:
    """Decided at a mid of 100.00 with a bound of 2 bps: one that runs to 100.10 is followed to 100.02, and no further."""
    desk = floor(entry=replace(ENTRY, deadline_ms=9000, chase_bps_max=D(2)), amending=Amending(can=Capabilities(cancel_replace=True)))
    desk.enter()
    desk.touch("100.10", "100.12", after_ms=700)
    pair = desk.one(Replace)
    assert pair.place.price == D("100.02")
    desk.replaced(pair)
    desk.touch("100.20", "100.22", after_ms=700)
    assert desk.changes() == []
    assert bounded(D("99.90"), Side.SELL, D(100), D(2), D("0.01")) == D("99.98")
    assert bounded(D("99.90"), Side.SELL, D(100), D(0), D("0.01")) == D("99.90"), "no bound"


def test_a_symbol_that_allows_no_replacement_gets_a_cancel() -> None:
    """What the venue can do in general, a symbol may forbid: then the order is canceled, and the task places anew after the word."""
    desk = floor(amending=Amending(can=Capabilities(cancel_replace=True)), symbols=(BTC,))
    order = desk.enter()
    desk.touch("100.04", "100.05", after_ms=700)
    assert [change.client_order_id for change in desk.changes() if isinstance(change, Cancel)] == [order.client_order_id]
    assert not desk.ever(Replace)


def test_canceled_and_not_replaced_is_no_timeout_and_no_error() -> None:
    """409: the entry goes on without a resting order and places again at the next interval."""
    desk = floor(amending=Amending(can=Capabilities(cancel_replace=True)))
    desk.enter()
    desk.touch("100.04", "100.05", after_ms=700)
    desk.replaced(desk.one(Replace), placed=False)
    assert desk.trader.entries[Side.BUY].ending == ""
    assert desk.changes() == []
    desk.touch("100.04", "100.05", after_ms=700)
    assert desk.one(Place).price == D("100.03"), "one tick back after the venue's no"


def test_a_replacement_that_would_cross_brakes_no_side_and_is_no_error() -> None:
    """409, and then a place that would have taken too: two in a row, yet no brake; the next place, at its interval, stands two ticks further back."""
    desk = floor(entry=replace(ENTRY, deadline_ms=9000), amending=Amending(can=Capabilities(cancel_replace=True)))
    desk.enter()
    desk.touch("100.04", "100.05", after_ms=700)
    desk.replaced(desk.one(Replace), placed=False)
    assert desk.books.rejects == {} and "REJECT" not in {notice.tag for notice in desk.last.notices}
    desk.touch("100.04", "100.05", after_ms=700)
    desk.refuse(desk.one(Place), error(-2010, "Order would immediately match and take."))
    assert desk.light().is_green
    desk.touch("100.04", "100.05", after_ms=700)
    assert desk.one(Place).price == D("100.02")


def test_without_one_command_it_is_canceled_and_placed_by_the_same_entry() -> None:
    """A venue without cancelReplace: cancel, its word, place, with the entry's memo."""
    desk = floor(amending=Amending(can=Capabilities()))
    order = desk.enter()
    desk.touch("100.03", "100.05", after_ms=700)
    desk.canceled(desk.one(Cancel))
    desk.touch("100.03", "100.05", after_ms=10)
    place = desk.ever(Place)[-1]
    assert (place.price, place.memo) == (D("100.03"), order.memo)


def timed_out(desk: Floor) -> None:
    desk.enter()
    desk.touch("99.99", "100.01", after_ms=2001)
    desk.canceled(desk.one(Cancel))


def test_a_timeout_clears_the_entry_and_takes_nothing_in_its_step() -> None:
    """The deadline cancels; the venue's word ends the entry, sets the flag, and no order leaves in that step."""
    desk = floor()
    timed_out(desk)
    assert desk.trader.entries == {}
    assert desk.trader.recheck[Side.BUY].quantity == D(2)
    assert desk.sent(Place) == []
    assert "TIMEOUT" in {notice.tag for notice in desk.last.notices}


def test_the_recheck_takes_once_on_a_later_tick_at_a_protected_price() -> None:
    """A later tick with every gate open sends one IOC with a price limit under a new number; the flag is gone."""
    desk = floor()
    timed_out(desk)
    desk.touch("99.99", "100.01", after_ms=50)
    place = desk.one(Place)
    assert (place.type, place.time_in_force, place.quantity, place.slot) == (OrderType.LIMIT, TimeInForce.IOC, D(2), (0, 2))
    assert D("100.01") <= place.price <= D("100.05")
    assert desk.trader.recheck == {}
    order = desk.acknowledge(place)
    desk.trade(order, "2", "100.01", Liquidity.TAKER)
    desk.touch("99.99", "100.01", after_ms=50)
    assert [lot.number for lot in desk.trader.lots.open[Side.BUY]] == [2]


def test_a_thin_book_is_not_taken_and_the_flag_is_used_up() -> None:
    """Where the last trade is far below the ask, the guard denies: nothing leaves and the thought is over."""
    desk = floor()
    timed_out(desk)
    desk.touch("99.99", "101.00", after_ms=50)
    assert desk.sent(Place) == []
    assert desk.trader.recheck == {}
    assert desk.trader.tally.fallbacks_denied == 1


def test_a_signal_that_changed_ends_the_entry_and_earns_no_fallback() -> None:
    """The pending entry is canceled; its end sets no flag."""
    desk = floor()
    desk.enter()
    desk.hand.side = Side.SELL
    desk.touch("99.99", "100.01", after_ms=50)
    desk.canceled(desk.one(Cancel))
    assert (Side.BUY in desk.trader.entries, desk.trader.recheck) == (False, {})


def test_an_error_ends_the_entry_and_earns_no_fallback() -> None:
    """A no of the venue that is not about crossing: the entry is over in the step of the answer, without a flag, and the reason is said."""
    desk = floor()
    desk.hand.side = Side.BUY
    desk.touch("99.99", "100.01")
    desk.refuse(desk.one(Place), error(-2010, "Account has insufficient balance for requested action."))
    assert (desk.trader.entries, desk.trader.recheck) == ({}, {})
    desk.touch("99.99", "100.01", after_ms=2001)
    assert Side.BUY not in desk.trader.recheck
    assert not [place for place in desk.ever(Place) if place.type is OrderType.LIMIT]


def test_an_entry_that_no_gate_let_out_is_no_timeout() -> None:
    """Our own limits deny its order until the deadline: nothing was offered to a maker, so nothing may be taken; the line says why."""
    desk = floor()
    desk.engine.risk = Denier()
    desk.hand.side = Side.BUY
    desk.touch("99.99", "100.01")
    assert (desk.sent(Place), "denied: too much" in desk.words()) == ([], True)
    desk.touch("99.99", "100.01", after_ms=2001)
    assert "nothing filled: no order could leave in time" in desk.words()
    assert (desk.trader.entries, desk.trader.recheck, desk.trader.tally.timeouts) == ({}, {}, 0)


def test_the_operators_close_ends_a_pending_entry_too() -> None:
    """close: leave every lot, enter none; an entry that still waits is canceled and earns nothing."""
    desk = floor()
    order = desk.enter()
    desk.step(Operator(action=OperatorAction.CLOSE), after_ms=50)
    cancel = desk.one(Cancel)
    assert cancel.client_order_id == order.client_order_id
    desk.canceled(cancel)
    assert (desk.trader.entries, desk.trader.recheck) == ({}, {})


def test_a_flag_is_not_used_up_while_funds_are_short_and_falls_when_it_is_too_old() -> None:
    """Spare funds are a gate like the signal: the flag waits behind it; beyond recheck_ms_max it is dropped and that is said."""
    desk = floor()
    timed_out(desk)
    desk.books.account.holdings["USDT"].free = D(4)
    desk.touch("99.99", "100.01", after_ms=50)
    assert desk.sent(Place) == []
    assert Side.BUY in desk.trader.recheck
    desk.touch("99.99", "100.01", after_ms=30_001)
    assert desk.trader.recheck == {}
    assert "not thought over any more" in desk.words()


def test_a_flag_of_an_earlier_run_earns_nothing_once_the_fallback_is_switched_off() -> None:
    """The flag is remembered; the setting of now decides."""
    desk = floor()
    timed_out(desk)
    desk.maker.settings = replace(desk.maker.settings, entry=replace(ENTRY, fallback=False))
    desk.touch("99.99", "100.01", after_ms=50)
    assert (desk.sent(Place), desk.trader.recheck) == ([], {})


def test_a_recheck_waits_for_the_signal() -> None:
    """Every gate must pass again: without the signal the flag stays and nothing leaves."""
    desk = floor()
    timed_out(desk)
    desk.hand.side = None
    desk.touch("99.99", "100.01", after_ms=50)
    assert desk.sent(Place) == []
    assert Side.BUY in desk.trader.recheck


def test_a_fill_that_races_the_deadline_cancel_is_kept() -> None:
    """The cancel of the deadline finds the order filled: the lot is whole, and nothing is taken on top of it."""
    desk = floor()
    order = desk.enter()
    desk.touch("99.99", "100.01", after_ms=2001)
    desk.one(Cancel)
    desk.touch("99.99", "100.01", after_ms=10)
    assert Side.BUY in desk.trader.entries, "it may still fill"
    desk.trade(order, "2")
    desk.touch("99.99", "100.01", after_ms=50)
    (lot,) = desk.trader.lots.open[Side.BUY]
    assert (lot.quantity, lot.is_committed, desk.trader.recheck) == (D(2), True, {})
    assert (desk.trader.tally.filled, desk.trader.tally.timeouts) == (1, 0), "it was no timeout"


def test_a_remainder_below_the_minimum_ends_the_entry_with_what_was_filled() -> None:
    """1.96 of 2.000 filled, the rest is worth 4 USDT: at the deadline the lot is what was filled, and no flag is set."""
    desk = floor()
    order = desk.enter()
    desk.trade(order, "1.96")
    desk.touch("99.99", "100.01", after_ms=2001)
    desk.canceled(desk.one(Cancel))
    (lot,) = desk.trader.lots.open[Side.BUY]
    assert (lot.quantity, desk.trader.recheck) == (D("1.96"), {})


def test_a_remainder_that_cannot_follow_the_price_ends_the_entry_at_once() -> None:
    """4 USDT are left when the price moves away: the entry ends with what was filled, long before its deadline, and earns nothing."""
    desk = floor(entry=replace(ENTRY, deadline_ms=60_000))
    order = desk.enter()
    desk.trade(order, "1.96")
    desk.touch("100.03", "100.05", after_ms=700)
    desk.canceled(desk.one(Cancel))
    (lot,) = desk.trader.lots.open[Side.BUY]
    assert (lot.quantity, lot.is_committed, desk.trader.entries, desk.trader.recheck) == (D("1.96"), True, {}, {})


def test_below_the_least_order_an_entry_is_denied_with_the_reason() -> None:
    """Four USDT are no order."""
    desk = floor(entry=replace(ENTRY, quote_amount=D(4)))
    desk.hand.side = Side.BUY
    desk.touch("99.99", "100.01")
    assert desk.sent(Place) == []
    assert "below the venue's least order" in desk.engine.idle["BTCUSDT", Side.BUY]


def test_a_sell_entry_leaves_the_base_of_buy_lots_alone() -> None:
    """With 2.5 BTC held and a BUY lot of 2, a SELL entry of 2 may use only the half that is spare."""
    desk = floor()
    desk.lot()
    usdt, btc, eth = Desk.account(desk).balances
    desk.books.account.holdings["BTC"].free = D("2.5")
    desk.hand.side = Side.SELL
    desk.touch("99.99", "100.01", after_ms=5000)
    assert desk.one(Place).quantity == D("0.5")


def test_what_a_pending_sale_may_need_is_spare_nowhere_else() -> None:
    """A SELL entry without an order at the venue (409) keeps its base from every symbol that would sell it, and from one that would pay with it."""
    desk = floor(symbols=(REPLACEABLE, rules("BTCEUR", "BTC", "EUR"), rules("ETHBTC", "ETH", "BTC")))
    view, traders = View(desk.books), desk.maker.traders
    free = view.available("BTC")
    task = Task(
        task="entry", symbol="BTCUSDT", side=Side.SELL, number=1, quantity=D("0.5"), created_ns=0, deadline_ns=0, reason="", reference=D(100)
    )
    traders["BTCUSDT"].entries[Side.SELL] = Chase.of(task)
    assert spare_base(view, traders, "BTCEUR", Side.SELL, D(100), D(10)) == free - D("0.5")
    assert spare_base(view, traders, "ETHBTC", Side.BUY, D(1), D(0)) == free - D("0.5")


def test_a_sale_at_the_venue_does_not_hide_what_a_buy_lot_has_still_to_sell() -> None:
    """Its order locks the sale's base; that of the BUY lot stays promised beside it."""
    desk = floor()
    desk.lot()
    desk.touch("99.99", "100.01", after_ms=1100)
    desk.enter(Side.SELL)
    assert promised(View(desk.books), desk.maker.traders, "BTC", D(0)) == D(2)


def test_the_interval_stretches_where_the_order_budget_is_small_and_says_so() -> None:
    """50 orders in 10 s, 30 % of them for reprices: one entry may move every 666 ms, two every 1333 ms, and the line says it."""
    desk = floor()
    desk.hand.side = Side.BUY
    desk.touch("99.99", "100.01")
    assert "follows every 666 ms, not 400: order budget" in desk.words()
    assert interval_ms(400, D("0.3"), D(5), 2) == 1333
    assert interval_ms(400, D("0.3"), D(100), 2) == 400


def test_the_stretched_interval_holds_from_the_first_change_on_and_without_one_command() -> None:
    """One entry may move every 666 ms: not the first change either comes earlier, nor the change of what was placed after a cancel."""
    desk = floor(entry=replace(ENTRY, deadline_ms=9000), amending=Amending(can=Capabilities()))
    desk.enter()
    desk.touch("100.03", "100.05", after_ms=600)
    assert desk.changes() == [], "666 ms for one"
    desk.touch("100.03", "100.05", after_ms=70)
    desk.canceled(desk.one(Cancel))
    desk.acknowledge(desk.one(Place))
    desk.touch("100.06", "100.08", after_ms=600)
    assert desk.changes() == []
    desk.touch("100.06", "100.08", after_ms=70)
    assert desk.one(Cancel)


def test_the_offset_follows_spread_and_volatility() -> None:
    """base + k_spread * spread + k_vol * vol, in bps."""
    adaptive = replace(ENTRY, offset_bps=D("0.5"), offset_per_spread=D("0.25"), offset_per_vol=D(2))
    assert offset_bps(adaptive, D(4), D("1.5")) == D("4.5")


def test_the_guard_takes_what_the_book_has_up_to_the_protected_price() -> None:
    """Two of three wanted stand within the bound: two are taken there, not three beyond it."""
    levels = [(D("100.01"), D(1)), (D("100.03"), D(1)), (D("100.20"), D(5))]
    assert walk(levels, Side.BUY, D("100.05"), D(3)) == (D(2), D("200.04"))
    assert walk(levels, Side.BUY, D("100.05"), D(1)) == (D(1), D("100.01"))
    assert walk([(D("99"), D(1))], Side.SELL, D("99.5"), D(1))[0] == 0


def test_a_partly_filled_entry_that_reaches_its_stop_ends_and_the_lot_is_left() -> None:
    """A pending entry holds no lot back from its stop-loss: the rest is canceled, the lot committed, and its exit placed; no flag is set."""
    desk = floor(entry=replace(ENTRY, deadline_ms=9000))
    order = desk.enter()
    desk.trade(order, "1")
    desk.hand.side = None
    desk.touch("99.60", "99.62", after_ms=50)
    desk.canceled(desk.one(Cancel))
    desk.touch("99.60", "99.62", after_ms=10)
    place = desk.ever(Place)[-1]
    assert (place.side, place.quantity, desk.trader.recheck) == (Side.SELL, D(1), {})
