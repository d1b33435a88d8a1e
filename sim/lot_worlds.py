"""Worlds of the maker-first trader: its settings, a seeded signal, and the judge of its positions.

Who calls it: sim.fuzz (--maker-first), sim.bot, sim.oracle, the tests. The judge sees the matching engine's trades and what leaves, and compares the
trader's lots with them. Never: a belief of the bot taken as truth.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from random import Random

import msgspec

from core.commands import Place, places_of
from core.engine import Engine, Step
from core.lots import Lots
from core.ports import Strategy
from core.types import Side, SymbolRules
from exchange.paper.matching import Matching
from exchange.paper.model import PaperTrade
from sim.faults import AMEND, REPLACE, Kind
from sim.setup import AMENDING, Setup
from strategy import MarketMaker
from trading.amend import Amending
from trading.chase import ENTRY, Task, task_of
from trading.entry import EntrySettings
from trading.exits import ExitSettings
from trading.maker_first import MakerFirst
from trading.recipe import MakerFirstSettings
from trading.signals import Reading

D = Decimal
WITHOUT_REPLACE = Amending()
Check = Callable[[str, bool, str], None]


class SliceSignal:
    """For each slice of time and each symbol a side or none, drawn from the seed: the same whatever the bot does."""

    def __init__(self, seed: int, slice_ms: int) -> None:
        self._seed, self._slice_ns = seed, slice_ms * 1_000_000

    def read(self, symbol: str, mid: Decimal, now_ns: int) -> Reading:
        side = Random(f"signal-{self._seed}-{symbol}-{now_ns // self._slice_ns}").choice((Side.BUY, Side.BUY, Side.SELL, Side.SELL, None))
        return Reading(side=side, reason="drawn", vol_bps=D(1))

    def save(self) -> object:
        return None

    def load(self, saved: object) -> None:
        """Nothing to take back."""


def drawn(seed: int) -> Setup:
    """The world of that seed with the maker-first trader in it; every other one without cancelReplace."""
    setup, rng = Setup.drawn(seed), Random(f"lots-{seed}")
    settings = MakerFirstSettings(
        entry=EntrySettings(
            quote_amount=D(rng.choice((12, 25, 40))),
            lots_max=rng.choice((1, 2, 3)),
            offset_bps=D(rng.choice(("0", "0", "0.5"))),
            chase_bps_max=D(Random(f"bound-{seed}").choice(("0", "0.5", "2"))),
            deadline_ms=rng.choice((600, 1200, 2500)),
            reprice_ms=rng.choice((100, 300, 500)),
            reprice_budget_share=D(1),
            rest_ms=rng.choice((0, 200)),
            slippage_bps_max=D(rng.choice((1, 5))),
        ),
        exits=ExitSettings(
            stop_loss_bps=D(4),
            trail_from_bps=D(1),
            trail_bps=D("0.5"),
            time_limit_s=rng.choice((2, 4)),
            runner=rng.random() < 0.5,
            share=D(rng.choice(("1", "0.5"))),
            deadline_ms=rng.choice((300, 1000)),
            stop_deadline_ms=rng.choice((100, 300)),
            reprice_ms=rng.choice((100, 300)),
        ),
    )
    replaces = seed % 2 == 1
    left_out = set(AMEND) | (set() if replaces else set(REPLACE))
    return replace(
        setup,
        maker_first=settings,
        with_pairs=False,
        orders_min=15,  # an entry waits for its signal and rests after it
        timing=msgspec.structs.replace(setup.timing, cooldown_ms=0),
        amending=AMENDING if replaces else WITHOUT_REPLACE,
        allowed=tuple(kind for kind in Kind if kind not in left_out and (kind in setup.allowed or kind in REPLACE)),
    )


def strategy_of(setup: Setup) -> Strategy:
    """The strategy of a world."""
    if setup.maker_first is None:
        return MarketMaker(setup.quoting, setup.amending)
    return setup.trader(setup.maker_first, setup.amending, SliceSignal(setup.seed, setup.signal_slice_ms))


class LotJudge:
    """I9, I12, I13 of positions. `check` is the oracle's."""

    def __init__(self, check: Check) -> None:
        self.check = check

    def beside(self, place: Place, other: Place, replaced: str) -> None:
        """One task has one order at a time, and a side one entry: also across restarts. `other` may live; `replaced` is canceled with it."""
        task, theirs = task_of(place.memo), task_of(other.memo)
        if other.client_order_id == replaced or task is None or theirs is None or other.symbol != place.symbol or theirs.side is not task.side:
            return
        is_twin = theirs.task == task.task and (task.task == ENTRY or theirs.number == task.number)
        self.check("I9", not is_twin, f"{place.client_order_id} ({task.name}) beside {other.client_order_id} ({theirs.name})")

    def after_step(self, engine: Engine, step: Step) -> None:
        """No taker entry leaves in the step in which an entry of that side timed out; no exit asks for more than its lot and dust."""
        strategy = engine.strategy
        if not isinstance(strategy, MakerFirst):
            return
        timed_out = {(notice.symbol, notice.words()[:4]) for notice in step.notices if notice.tag == "TIMEOUT" and " entry " in notice.words()}
        for place in (place for command in step.commands for place in places_of(command)):
            task = task_of(place.memo)
            if task is not None and task.task == ENTRY and task.is_taker:
                self.check("I12", (task.symbol, f"{task.side:<4}") not in timed_out, f"{task.name} takes in the step of a timeout")
            elif task is not None and task.task != ENTRY:
                self._judge_exit(strategy, place, task)

    def _judge_exit(self, strategy: MakerFirst, place: Place, task: Task) -> None:
        lots = strategy.traders[task.symbol].lots
        lot = lots.find(task.side, task.number)
        most = (lot.quantity if lot is not None else D(0)) + lots.dust[task.side].quantity
        self.check("I13", place.quantity <= most, f"{task.name} asks for {place.quantity}, the lot and its dust have {most}")

    def at_rest(self, engine: Engine, matching: Matching, own: Sequence[tuple[str, PaperTrade]]) -> None:
        """No post-only order took. What lots and dust hold is what our trades at the venue add up to, over all boots; nothing was left twice.

        The maker-first trader may place others; of the market maker's world every order is one, but for the stop of a pair.
        """
        strategy = engine.strategy
        made = ((trade, matching.archives[symbol].orders[trade.order_id]) for symbol, trade in own)
        takes = isinstance(strategy, MakerFirst)
        post_only = (trade for trade, order in made if (order.type == "LIMIT_MAKER" if takes else not order.is_algo))
        self.check("I12", all(trade.is_maker for trade in post_only), "a post-only order took")
        if not isinstance(strategy, MakerFirst) or engine.books is None:
            return
        net: dict[str, Decimal] = {}
        for symbol, trade in own:
            amount = trade.quantity if trade.is_buyer else -trade.quantity
            fee = trade.commission if trade.commission_asset == strategy.traders[symbol].lots.base else D(0)
            net[symbol] = net.get(symbol, D(0)) + amount - fee
        for symbol, trader in strategy.traders.items():
            lots = trader.lots
            self.check("LOTS", lots.net == net.get(symbol, D(0)), f"{symbol} lots and dust make {lots.net}, our trades {net.get(symbol, D(0))}")
            for side in Side:
                dust = lots.dust[side].quantity + _to_be_swept(lots, side, engine.books.rules[symbol])
                self.check("LOTS", dust >= 0, f"{symbol} {side} dust {dust}: more was left than there was")


def _to_be_swept(lots: Lots, side: Side, rules: SymbolRules) -> Decimal:
    """Lots of which nothing may be left: the next decision gives them to the dust, which owes them.

    After a kill an exit may be heard before the entry that made its lot.
    """
    return sum((lot.quantity for lot in lots.open[side] if not lots.leavable(lot, rules)), D(0))
