"""The maker-first trader: takes positions in lots on a signal, enters as a maker, takes only after thinking again; how it leaves is trading.leaving.

Who calls it: core.engine, on the trading thread, once per changed symbol and step; `hear` and `resume` through core.memory. In every step results
come first (they were heard before), then exits, then pending entries, then the thought of a new one.
Never: a wait; a taker entry in the step of a timeout; two entries on one side.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec

from core.events import Told
from core.lots import LOTS_MAX
from core.money import ONE, ZERO, plain
from core.notices import Fresh
from core.types import SIDES, Side, SymbolRules
from core.view import Decision, View
from trading import entry as entering
from trading import story
from trading.amend import Amending
from trading.chase import ENTRY, MS, TAKER_MS, Act, Chase, Move, Task
from trading.entry import Recheck
from trading.exits import gain_bps
from trading.leaving import Leaving
from trading.quoting import fit_quantity
from trading.recipe import MakerFirstSettings, Recipe
from trading.signals import EwmaCross, Reading, Signal
from trading.spare import spare_base
from trading.trader import Trader
from trading.wanted import Wanted

CENT = Decimal("0.01")


class MakerFirst:
    def __init__(
        self, settings: MakerFirstSettings, amending: Amending | None = None, signal: Signal | None = None, notional_max: Decimal = ZERO
    ) -> None:
        """`notional_max` is the person's largest single order (trading.risk denies a larger one); zero for none."""
        self.settings = settings
        self.notional_max = notional_max
        self.amending = amending or Amending()
        self.signal = signal or EwmaCross(settings.signal)
        self.traders: dict[str, Trader] = {}

    def adopt(self, settings: bytes) -> None:
        """Lots, entries and exits go on: a task under way keeps what its memo says."""
        recipe = Recipe.read(settings)
        self.settings, self.amending = recipe.maker_first or self.settings, recipe.amending
        self.notional_max = recipe.limits.order_notional_max
        if isinstance(self.signal, EwmaCross):
            self.signal.settings = self.settings.signal

    # -- memory (core.memory, core.checkpoint) ---------------------------------------------------
    def resume(self, rules: Sequence[SymbolRules], memories: Mapping[str, str], told: Sequence[Told]) -> None:
        for rule in rules:
            text = memories.get(rule.symbol)
            self.traders[rule.symbol] = msgspec.json.decode(text, type=Trader) if text else Trader.of(rule)
            self.traders[rule.symbol].is_changed = True
            self.traders[rule.symbol].beats.clear()
        for one in told:
            self.hear(one)

    def hear(self, told: Told) -> None:
        if (trader := self.traders.get(told.symbol)) is not None:
            trader.hear(told, self.settings.entry.fee_bps)

    def remembered(self, symbol: str, now_ns: int) -> str:
        trader = self.traders[symbol]
        if not trader.is_changed:
            return ""
        trader.is_changed, trader.saved_ns = False, now_ns
        for lot in (lot for side in SIDES for lot in trader.lots.open[side]):
            lot.best_written = lot.best
        text = msgspec.json.encode(trader).decode()
        trader.lots.records.clear()
        trader.lots.closed.clear()  # they are told; a memory that is lost with a crash is followed by their fills once more
        return text

    def rests_on(self, view: View, symbol: str) -> tuple[Decimal | None, ...]:
        """Best prices that are not ours alone, and the touch. Deadlines, intervals and the signal's samples come with the timer."""
        best = (view.best(symbol, Side.BUY), view.best(symbol, Side.SELL))
        return (*best, view.touch_price(symbol, Side.BUY), view.touch_price(symbol, Side.SELL))

    def save(self) -> object:
        return {"traders": msgspec.to_builtins(self.traders), "signal": self.signal.save()}

    def load(self, saved: object) -> None:
        both = msgspec.convert(saved, dict[str, object])
        self.traders = msgspec.convert(both.get("traders"), dict[str, Trader])
        self.signal.load(both.get("signal"))

    # -- a decision ------------------------------------------------------------------------------
    def decide(self, view: View, symbol: str) -> Decision:
        trader, wanted, mid = self.traders[symbol], Wanted(self.amending, view, symbol, self.notional_max), view.mid(symbol)
        reading = self.signal.read(symbol, mid, view.now_ns) if mid is not None else Reading(side=None, reason="no touch known yet")
        wanted.leave_nobodys({chase.memo for chase in (*trader.entries.values(), *trader.exits.values())})
        Leaving(view, trader, wanted, self.settings.exits, partial(self._interval_ms, view)).advance(mid)
        for side in SIDES:
            wanted.idle[side] = self._entry(view, trader, symbol, side, reading, mid, wanted) or "nothing to do"
            trader.beat(f"{side.value} entries", view.now_ns)
        wanted.tell_closed(trader)
        return Decision(
            cancels=tuple(wanted.cancels),
            amends=tuple(wanted.amends),
            places=tuple(wanted.places),
            idle=tuple(wanted.idle.items()),
            said=tuple(wanted.said),
            memory=self.remembered(symbol, view.now_ns),
        )

    # -- entries ---------------------------------------------------------------------------------
    def _entry(self, view: View, trader: Trader, symbol: str, side: Side, reading: Reading, mid: Decimal | None, wanted: Wanted) -> str:
        """Advance the pending entry of the side, or think of a new one; the reason where neither has an order."""
        self._forget_recheck(view, trader, side, wanted)
        chase = trader.entries.get(side)
        if chase is None:
            if mid is None or reading.side is not side:
                return reading.reason if reading.side is None else f"the signal says {reading.side.value}: {reading.reason}"
            denial, chase = self._open(view, trader, symbol, side, reading, mid, wanted)
            if chase is None:
                return denial
        chase.ending = chase.ending or self._why_stop(view, trader, chase, reading)
        move = self._entry_move(view, trader, chase, reading)
        if move.act is Act.OVER:
            self._entry_over(view, trader, chase, wanted)
            return f"the last entry is over: {story.ending(chase.ending)}"
        if side in wanted.urgent and move.act in (Act.CANCEL, Act.REPRICE):
            return "an exit goes first"
        wanted.carry_out(chase, move)
        age = story.seconds(view.now_ns - chase.task.created_ns)
        return f"OPEN-PENDING {chase.task.number}, {age} old{' · ' + move.reason if move.reason else ''}"

    def _why_stop(self, view: View, trader: Trader, chase: Chase, reading: Reading) -> str:
        """Why a pending entry is not wanted any more. Where what is filled has reached its stop it ends, so that the lot can be left."""
        side = chase.task.side
        if view.is_closing:
            return "operator"
        if reading.side is side.opposite or (chase.task.is_taker and reading.side is not side):
            return "signal"
        lot, price = trader.lots.find(side, chase.task.number), view.touch_price(chase.task.symbol, side)
        stop_bps = self.settings.exits.stop_loss_bps
        return "stop" if lot is not None and price is not None and stop_bps and gain_bps(lot, price) <= -stop_bps else ""

    def _entry_move(self, view: View, trader: Trader, chase: Chase, reading: Reading) -> Move:
        settings, task = self.settings.entry, chase.task
        rules = view.rules(task.symbol)
        if task.is_taker:
            guard = entering.protect(view, task.symbol, task.side, chase.left, settings.slippage_bps_max)
            if guard is None and not chase.placed and not chase.ending:
                chase.ending = "the price left its guard"
            return chase.step_taker(view, guard.price if guard else ZERO, guard.quantity if guard else ZERO)
        price = entering.maker_price(view, task.symbol, task.side, entering.offset_now(settings, view, task.symbol, reading.vol_bps))
        if price is not None:
            price = entering.bounded(price, task.side, task.reference, settings.chase_bps_max, rules.tick)
        interval = self._interval_ms(view, settings.reprice_ms)
        if not settings.reprice and view.orders_of(chase.memo):
            price = None  # it stands where it was placed
        return chase.step(view, rules, price, interval)

    def _interval_ms(self, view: View, reprice_ms: int) -> int:
        """All that follows the price, in every symbol, shares the order budget's part."""
        chasing = sum(len(one.entries) + len(one.exits) for one in self.traders.values())
        return entering.interval_ms(reprice_ms, self.settings.entry.reprice_budget_share, view.orders_per_s(), chasing)

    def _stretched(self, view: View, reprice_ms: int) -> str:
        return story.stretched(self._interval_ms(view, reprice_ms), reprice_ms)

    def _entry_over(self, view: View, trader: Trader, chase: Chase, wanted: Wanted) -> None:
        """The lot is what was filled. A timeout may earn a recheck, on a later tick; never a fallback in this step."""
        task, tally, settings = chase.task, trader.tally, self.settings.entry
        del trader.entries[task.side]
        trader.is_changed = True
        trader.rest_until_ns[task.side] = view.now_ns + settings.rest_ms * MS
        lot = trader.lots.commit(task.side, task.number, self.settings.exits.runner)
        took_ns = view.now_ns - task.created_ns
        tally.reprices += chase.reprices if not task.is_taker else 0
        if lot is not None:
            tally.filled += not task.is_taker
            tally.waited_ns += 0 if task.is_taker else took_ns
            price = story.at(lot.price, view.rules(task.symbol).tick)
            wanted.say("FILL", chase, story.entered(lot, price, task.is_taker, chase.reprices, chase.ending, took_ns))
        elif chase.ending != "deadline" or task.is_taker:
            wanted.say("TIMEOUT" if task.is_taker else "PENDING", chase, story.given_up(chase.ending, took_ns))
        if chase.ending == "signal":
            tally.signal_ends += 1
        if chase.ending == "deadline" and not task.is_taker:
            tally.timeouts += 1
            left = fit_quantity(chase.left, task.reference, view.rules(task.symbol)) if settings.fallback else ZERO
            if left:
                trader.recheck[task.side] = Recheck(quantity=left, number=task.number, since_ns=task.deadline_ns)
            wanted.say("TIMEOUT", chase, story.timed_out(chase.filled, task.quantity, chase.reprices, took_ns, left))

    def _open(self, view: View, trader: Trader, symbol: str, side: Side, reading: Reading, mid: Decimal, wanted: Wanted) -> tuple[str, Chase | None]:
        """A new entry where every gate passes: (why not, None) or ("", entry)."""
        settings, light = self.settings.entry, view.light(symbol, side)
        if not light.is_green or not view.may_place():
            return light.reason if not light.is_green else "the venue's order count is used up", None
        if len(trader.lots.open[side]) >= min(settings.lots_max, LOTS_MAX):
            return f"{len(trader.lots.open[side])} lots are open, of {settings.lots_max} at most", None
        if view.is_closing:
            return "lots are being closed by the operator", None
        flag = trader.recheck.get(side)
        if flag is not None and view.now_ns > flag.since_ns:
            return self._think_again(view, trader, symbol, side, reading, mid, wanted, flag)
        if view.now_ns < trader.rest_until_ns.get(side, 0):
            return "resting after the last entry", None
        price = entering.maker_price(view, symbol, side, entering.offset_now(settings, view, symbol, reading.vol_bps))
        if price is None:
            return "no touch known yet", None
        spare = spare_base(view, self.traders, symbol, side, price, settings.fee_bps)
        quantity = entering.size(settings, price, spare, view.rules(symbol))
        if not quantity:
            return f"{plain(min(settings.quote_amount, spare * price).quantize(ONE))} {trader.quote} is below the venue's least order", None
        return "", self._begin_entry(view, trader, symbol, side, reading, mid, quantity, wanted)

    def _forget_recheck(self, view: View, trader: Trader, side: Side, wanted: Wanted) -> None:
        """A flag of too long ago, or of a run whose settings were others, earns nothing any more."""
        flag, settings = trader.recheck.get(side), self.settings.entry
        if flag is None or (settings.fallback and view.now_ns - flag.since_ns <= settings.recheck_ms_max * MS):
            return
        del trader.recheck[side]
        trader.is_changed = True
        why = f"no gate was open within {settings.recheck_ms_max / 1000:g} s" if settings.fallback else "maker_first.entry.fallback is off"
        text = f"{side:<4} entry {flag.number} · not thought over any more: {why}"
        wanted.said.append(Fresh(tag="TIMEOUT", symbol=trader.lots.symbol, text=text))

    def _think_again(
        self, view: View, trader: Trader, symbol: str, side: Side, reading: Reading, mid: Decimal, wanted: Wanted, flag: Recheck
    ) -> tuple[str, Chase | None]:
        """The flag is used once, whatever comes of it: the market at a protected price, or nothing."""
        settings = self.settings.entry
        price = view.touch_price(symbol, side.opposite) or mid
        spare = spare_base(view, self.traders, symbol, side, price, settings.fee_bps)
        quantity = fit_quantity(min(flag.quantity, spare), price, view.rules(symbol))
        if not quantity:
            return f"{plain((spare * price).quantize(ONE))} {trader.quote} is below the venue's least order", None
        del trader.recheck[side]
        trader.is_changed = True
        guard = entering.protect(view, symbol, side, quantity, settings.slippage_bps_max)
        if guard is None:
            trader.tally.fallbacks_denied += 1
            text = f"{side:<4} entry {flag.number} · thought over: not at the market, it would cost more than {plain(settings.slippage_bps_max)} bps"
            wanted.said.append(Fresh(tag="TIMEOUT", symbol=symbol, text=text))
            return "the price guard denies the fallback", None
        return "", self._begin_entry(view, trader, symbol, side, reading, mid, guard.quantity, wanted, (flag, guard.expected_bps))

    def _begin_entry(
        self,
        view: View,
        trader: Trader,
        symbol: str,
        side: Side,
        reading: Reading,
        mid: Decimal,
        quantity: Decimal,
        wanted: Wanted,
        fallback: tuple[Recheck, Decimal] | None = None,  # whose, and what it is expected to cost in bps
    ) -> Chase:
        settings, within_ms = self.settings.entry, TAKER_MS if fallback else self.settings.entry.deadline_ms
        task = Task(
            task=ENTRY,
            symbol=symbol,
            side=side,
            number=trader.lots.number(side),
            quantity=quantity,
            created_ns=view.now_ns,
            deadline_ns=view.now_ns + within_ms * MS,
            reason=f"after the timeout of entry {fallback[0].number}" if fallback else reading.reason,
            reference=mid,
            quote_amount=(quantity * mid).quantize(CENT),
            take_profit_bps=settings.take_profit_bps,
            is_taker=bool(fallback),
        )
        chase = trader.entries[side] = Chase.of(task)
        trader.is_changed = True
        trader.tally.begin(task)
        if fallback:
            text = story.taking(quantity, fallback[1], settings.slippage_bps_max, task.reason, view.now_ns - fallback[0].since_ns)
        else:
            slow = self._stretched(view, settings.reprice_ms) if settings.reprice else ""
            text = story.begun(quantity, f"{plain(task.quote_amount)} {trader.quote}", within_ms, task.reason, slow)
        wanted.say("PENDING", chase, text)
        return chase

    # -- what a person may see -------------------------------------------------------------------
    def shown(self) -> dict[str, dict[str, Any]]:
        return {symbol: trader.shown() for symbol, trader in self.traders.items()}
