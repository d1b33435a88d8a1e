"""The judge of a world: sees the matching engine's record and what passes the venue's door, and compares the bot's claims with them.

Who calls it: sim.world after every step and at the end, sim.venue at its door. It writes nothing but its list of failures.
Never: a repair, a belief of the bot taken as truth. Invariant numbers are those of DESIGN 11.
"""

from collections.abc import Callable, Container, Mapping, Sequence
from decimal import Decimal

from core.commands import Amend, AnyCommand, Cancel, CancelAll, Place, PlaceOco, ReadAccount, ReadDepth, Reconnect, Replace, Request, places_of
from core.depth import DepthBook
from core.engine import Engine, Step
from core.events import (
    AccountSnapshot,
    AnyEvent,
    Boot,
    Operator,
    OperatorAction,
    Outcome,
    Reply,
    StopRequested,
    StoreHealth,
    StreamDown,
    StreamGap,
    StreamUp,
)
from core.light import Colour
from core.notices import ProofDone
from core.orders import Order, Orders
from core.sizes import sizes
from core.types import Connection, Fill, Side, VenueError
from core.weights import weight_of
from exchange.paper.matching import Matching
from sim.faults import FOREIGN, Faults, Kind, Plan
from sim.lot_worlds import LotJudge
from sim.market_word import MarketWord
from sim.requests import Requests, is_written
from sim.scheduler import MS, Scheduler

FAILURES_MAX = 20
RACE_HEARD_MS = 1000  # by then the bot knows what a replacement has freed
Foreign = Callable[[Mapping[str, int] | None], dict[str, Decimal]]  # sim.stranger.foreign
STRANGER = "web_"
SILENCE_GRACE_MS = 600  # a snapshot from before the silence may still be on its way; the age is judged at the latest with the next Timer
SIZES_EVERY = 10  # looks
HEARD_KEPT = 10_000  # replies; a second one of an older call is a fault of its own
PULL_MS_MAX = 3000  # from a stale book to the venue's word on the last cancel
PRICE_FILTERS = (-1013, -1111)
INSUFFICIENT = "Account has insufficient balance for requested action."


def boot_of(client_order_id: str) -> str:
    return client_order_id.split("-")[1]


class Oracle:
    """Watches one world. `failures` are sentences that begin with the invariant's number."""

    def __init__(self, scheduler: Scheduler, matching: Matching, faults: Faults, recv_window_ms: int) -> None:
        self._scheduler, self._matching, self._faults = scheduler, matching, faults
        self.requests = Requests(matching, recv_window_ms)
        self.lots = LotJudge(self.check)
        self.failures: list[str] = []
        self.checks: dict[str, int] = {}
        self.intents = bytearray()  # the bot's, as they are on its disk
        self.market_word = MarketWord(scheduler)
        self._open: dict[str, Order] = {}
        self._banned_until_ns = 0
        self._resync_since_ns: int | None = 0  # a user stream came up, or had a gap, and the account was not merged since
        self._reads: dict[int, int] = {}
        self._raced_ns: dict[str, int] = {}  # asset -> when a replacement last freed less of it than the bot could know
        self._heard: dict[int, None] = {}
        self._cancels: dict[int, bool] = {}
        self._forget_words()
        self._born_ns = 0  # when the newest boot began, if it is not the first
        self.green_ns: dict[tuple[str, Side], int] = {}

    def fail(self, invariant: str, text: str) -> None:
        if len(self.failures) < FAILURES_MAX:
            self.failures.append(f"{invariant} at {self._scheduler.now_ms % 1_000_000} ms: {text}")

    def check(self, invariant: str, holds: bool, text: str = "") -> None:
        self.checks[invariant] = self.checks.get(invariant, 0) + 1
        if not holds:
            self.fail(invariant, text)

    def reborn(self) -> None:
        """A new process: what the old one knew or waited for is gone; what it sent is not."""
        self.requests.orphan()
        self._open.clear()
        self._reads.clear()
        self.market_word.forget_reads()
        self._heard.clear()
        self._cancels.clear()
        self._forget_words()
        self._born_ns = self._scheduler.now_ns
        self._banned_until_ns = 0
        self._resync_since_ns = self._scheduler.now_ns

    def _forget_words(self) -> None:
        """What the process was told from outside."""
        self._halted = self._no_record = ""
        self._is_stopping = False
        self._cancel_alls = 0

    def recovered(self, boot: Boot) -> None:
        """I17: every place that left an earlier process and may live is handed to the next one as undecided."""
        handed = {place.client_order_id for place in boot.undecided}
        for name, request in self.requests.alive.items():
            if request.has_left and self._may_live(name):
                self.check("I17", name in handed, f"{name} may live and the intents do not name it")

    def _may_live(self, client_order_id: str) -> bool:
        symbol = self.requests.alive[client_order_id].command.symbol
        return self.requests.may_live(symbol, client_order_id, self._scheduler.now_ns)

    def ended(self, engine: Engine) -> None:
        """I27: after a stop no order of ours is left, or the last line names it; with a proof there is none."""
        books = engine.books
        assert books is not None
        living = [name for name, request in self.requests.alive.items() if request.has_left and self._may_live(name)]
        listed = () if engine.finished else books.orders.open_ids
        left = [name for name in living if name not in listed]
        self.check("I27", not left, f"{left} left after the stop and not listed")

    # -- the venue's door ------------------------------------------------------------------------
    def left(self, command: AnyCommand, plan: Plan) -> None:
        """A place leaves only after its whole intent is on the disk (DESIGN 6)."""
        if isinstance(command, Place | Replace | PlaceOco):
            self.check("STALE", self._scheduler.now_ns <= command.not_after_ns, f"{command.client_order_id} left past its time")
            written = all(is_written(self.intents, place.client_order_id) for place in places_of(command))
            self.check("I17", written, f"{command.client_order_id} left without an intent")
        self.requests.left(command, plan, self._scheduler.now_ns)

    def arrived(self, command: AnyCommand) -> None:
        if times := self.requests.arrived(command):
            self.check("I11", times == 1, f"{getattr(command, 'client_order_id', '')} reached create {times} times")

    def decided(self, command: AnyCommand, error: VenueError | None) -> None:
        self.requests.decided(command, error)
        if isinstance(command, Place | Replace | PlaceOco):
            self._judge_refusal(command, error)

    def used(self, kind: str, count: int, limit: int) -> None:
        """I26: the venue never has to count beyond its limit, unless a new boot cannot know what the one before it sent in this window."""
        if self._scheduler.now_ns - self._born_ns < 10_000 * MS and self._born_ns:
            return
        self.check("I26", count <= limit, f"{kind} {count} of {limit}")

    def _judge_refusal(self, command: Place | Replace | PlaceOco, error: VenueError | None) -> None:
        code, message = (error.code, error.message) if error else (0, "")
        self.check("I14", code not in PRICE_FILTERS and "Filter failure" not in message, f"{command.client_order_id} {code} {message}")
        rules = self._matching.rules[command.symbol]
        asset = rules.quote if command.side is Side.BUY else rules.base
        if isinstance(command, Replace) and self._has_raced(command):
            self._raced_ns[asset] = self._scheduler.now_ns
        has_raced = self._scheduler.now_ns - self._raced_ns.get(asset, -RACE_HEARD_MS * MS) < RACE_HEARD_MS * MS
        excused = has_raced or any(kind in self._faults.counts for kind in FOREIGN)
        self.check("I13", message != INSUFFICIENT or excused, f"{command.client_order_id} asked for more than there is")

    def _has_raced(self, pair: Replace) -> bool:
        """The old order was filled, or gone, before its cancel came: it frees less than the bot could know."""
        old = self._matching.archives[pair.symbol].orders[pair.cancel.venue_order_id]
        return old.quantity - old.executed < pair.cancel.quantity

    # -- after every step ------------------------------------------------------------------------
    def after_step(self, engine: Engine, events: Sequence[AnyEvent], step: Step) -> None:
        now_ns = self._scheduler.now_ns
        self._hear(events, now_ns)
        self._judge_endings(engine)
        self.lots.after_step(engine, step)
        for command in step.commands:
            self._judge_command(engine, command, now_ns)
        for notice in step.notices:
            if isinstance(notice, ProofDone) and not notice.equal:
                self.check("PROOF", self.is_excused(notice.lines), f"a false alarm: {notice.lines}")
        books = engine.books
        if books is not None:
            for key, light in books.lights.shown.items():
                if light.colour is Colour.GREEN:
                    self.green_ns[key] = now_ns

    def _hear(self, events: Sequence[AnyEvent], now_ns: int) -> None:
        for event in events:
            if isinstance(event, StreamUp | StreamGap | StreamDown) and event.connection is Connection.USER:
                self._resync_since_ns = now_ns
            elif isinstance(event, Reply):
                self._hear_reply(event, now_ns)
            elif isinstance(event, Operator) and event.action is not OperatorAction.PROVE:
                self._halted = "" if event.action is OperatorAction.RESUME else event.action.value
                self._cancel_alls += event.action is OperatorAction.CANCEL_ALL
            elif isinstance(event, StoreHealth):
                self._no_record = event.reason
            elif isinstance(event, StopRequested):
                self._is_stopping = True

    def _hear_reply(self, reply: Reply, now_ns: int) -> None:
        if reply.command_id in self._heard:
            return
        self._heard[reply.command_id] = None
        if self._cancels.pop(reply.command_id, False) and not self._is_stopping:
            self.check("DISK", reply.outcome is not Outcome.NOT_SENT, f"cancel {reply.command_id} did not leave: {reply.note}")
        if reply.outcome is Outcome.REFUSED and reply.error is not None and reply.error.code == -1003:
            self._banned_until_ns = max(self._banned_until_ns, now_ns + reply.error.retry_after_ms * MS)
        self.market_word.answered(reply)
        asked_ns = self._reads.pop(reply.command_id, None)
        since_ns = self._resync_since_ns
        if asked_ns is not None and since_ns is not None and isinstance(reply.answer, AccountSnapshot) and asked_ns >= since_ns:
            self._resync_since_ns = None

    def _judge_command(self, engine: Engine, command: AnyCommand, now_ns: int) -> None:
        if isinstance(command, Reconnect):
            return
        self.check("I26", now_ns >= self._banned_until_ns, f"{type(command).__name__} during a ban")
        if isinstance(command, Cancel | CancelAll):
            self._cancels[command.command_id] = True
        self.market_word.asked(command)
        if isinstance(command, ReadAccount):
            self._reads[command.command_id] = now_ns
        elif isinstance(command, Place | Replace | PlaceOco):
            silent_ms, limit_ms = self.market_word.silent_ms(command.symbol), engine.timing.book_age_ms_max
            self.check("I22", silent_ms <= limit_ms + SILENCE_GRACE_MS, f"{command.client_order_id} after {silent_ms} ms of silence")
            for place in places_of(command):
                self._judge_place(place, command, now_ns)
            self.requests.emit(command)
            if isinstance(command, Replace):
                self._judge_change(command.cancel)
        elif isinstance(command, Cancel | Amend):
            self._judge_change(command)
            self.requests.emit(command)
        elif isinstance(command, CancelAll):
            self._cancel_alls -= 1
            self.check("FOREIGN", self._cancel_alls >= 0, "nobody asked for a cancel-all")

    def _judge_change(self, command: Cancel | Amend) -> None:
        order = self._matching.archives[command.symbol].orders.get(command.venue_order_id)
        theirs = order is None or (order.original_client_order_id or order.client_order_id).startswith(STRANGER)
        self.check("FOREIGN", not theirs, f"{type(command).__name__} of order {command.venue_order_id}, which is not ours")

    def _judge_place(self, place: Place, command: Request, now_ns: int) -> None:
        """A replacement is one: it may stand beside others, and in the slot of the order that it replaces."""
        replaced = command.cancel.client_order_id if isinstance(command, Replace) else ""
        why = self._halted or self._no_record or ("stopping" if self._is_stopping else "")
        self.check("HALT", not why, f"{place.client_order_id} placed though {why}")
        self.check("I23", self._resync_since_ns is None, f"{place.client_order_id} before the account was merged")
        changes = self.requests.pending_changes(place.symbol, place.side, now_ns)
        pending = next((one for one in changes if not (replaced and isinstance(one, Replace))), None)
        self.check("I6", pending is None, f"{place.client_order_id} while a change of {pending and pending.client_order_id} is undecided")
        boot = boot_of(place.client_order_id)  # an order of an earlier boot is adopted where its price falls; its slot is forgotten
        for other, request in list(self.requests.alive.items()):
            alive = request.command
            if not self.requests.may_live(alive.symbol, other, now_ns):
                if request.is_settled:
                    del self.requests.alive[other]
                continue
            beside = next(one for one in places_of(alive) if one.client_order_id == other)
            same = (beside.symbol, beside.side, beside.slot) == (place.symbol, place.side, place.slot) and boot_of(other) == boot
            self.lots.beside(place, beside, replaced)
            self.check("I9", not same or other == replaced, f"{place.client_order_id} beside {other} in slot {place.slot}")

    def _judge_endings(self, engine: Engine) -> None:
        """I5: an order the bot calls ended is ended at the venue, or can no longer come to be. I4: fills never exceed the venue's word."""
        assert engine.books is not None
        orders = engine.books.orders
        if orders.open_ids.keys() != self._open.keys():
            for client_id in [client_id for client_id in self._open if client_id not in orders.open_ids]:
                order = self._open.pop(client_id)
                lives = self.requests.may_live(order.symbol, client_id, self._scheduler.now_ns)
                self.check("I5", not lives, f"{client_id} {order.status} by {order.evidence}, but it lives or may still arrive")
                self.check("I5", order.evidence is not None, f"{client_id} {order.status} without evidence")
                self._judge_fills(order, orders)
            for client_id in orders.open_ids:
                self._open[client_id] = orders.by_client_id[client_id]
        for order in self._open.values():
            self._judge_fills(order, orders)

    def _judge_fills(self, order: Order, orders: Orders) -> None:
        if order.booked != order.executed:
            self.check("I4", order.booked <= order.executed, f"{order.client_order_id} booked {order.booked} of {order.executed}")
            self.check("I4", order.client_order_id in orders.attention, f"{order.client_order_id} is short and nobody asks")

    def is_excused(self, differences: Sequence[str]) -> bool:
        """A deposit that a silent stream did not report is rightly unexplained; an order without the venue's word is rightly undecided."""
        moved = Kind.MOVEMENT in self._faults.counts
        return all((moved and "USDT" in line and "unexplained" in line) or "undecided" in line for line in differences)

    # -- now and then ----------------------------------------------------------------------------
    def look(self, engine: Engine, calls: dict[int, None]) -> None:
        """I8, I10, I28 about once a virtual second. `calls` are those the lanes and the inbox hold."""
        books = engine.books
        assert books is not None
        self.check("I8", engine.pending.keys() == calls.keys(), f"asked {sorted(engine.pending)}, outstanding {sorted(calls)}")
        for order in books.orders.open():
            for asked in (order.place_asked, order.cancel_asked, order.amend_asked):
                if asked is not None and not asked.unknown:
                    self.check("I8", asked.command_id in engine.pending, f"{order.client_order_id} waits for call {asked.command_id}, which is over")
        for paper in self._matching.open_orders():
            if not paper.client_order_id.startswith(STRANGER) and self._resync_since_ns is None:
                known = books.orders.by_client_id.get(paper.client_order_id)
                self.check("I10", known is not None and known.is_open, f"{paper.client_order_id} is open at the venue only")
        if self.checks["I8"] % SIZES_EVERY == 1:
            self.judge_sizes(engine)
        for symbol in books.rules:
            self._judge_silence(engine, symbol)
            self._judge_depth(books.market[symbol].depth, symbol)
            for side in Side:
                self._judge_reason(engine, symbol, side)

    def judge_sizes(self, engine: Engine) -> None:
        """I25: every container of the deciding half is within its cap."""
        over = [f"{one.name} {one.size} of {one.cap}" for one in sizes(engine) if one.is_over]
        self.check("I25", not over, ", ".join(over))

    def _judge_silence(self, engine: Engine, symbol: str) -> None:
        """I22: with a silent market stream the quotes are gone soon after the book's age passes its limit."""
        silent_ms = self.market_word.silent_ms(symbol)
        if silent_ms <= engine.timing.book_age_ms_max + PULL_MS_MAX or self._banned_until_ns:
            return
        left = [paper.client_order_id for paper in self._matching.open_orders(symbol) if not paper.client_order_id.startswith(STRANGER)]
        self.check("I22", not left, f"{len(left)} quotes stand after {silent_ms} ms of silence")

    def _judge_depth(self, depth: DepthBook, symbol: str) -> None:
        """I24: a book that has caught up equals the venue's, level by level."""
        book = self._matching.books[symbol]
        if depth.in_step and depth.update_id == book.update_id and not book.changed:
            _, bids, asks = self._matching.depth(symbol, 50)
            self.check("I24", depth.depth(50) == (tuple(bids), tuple(asks)), f"{symbol} differs from the venue's book at {depth.update_id}")

    def _judge_reason(self, engine: Engine, symbol: str, side: Side) -> None:
        books = engine.books
        assert books is not None
        if any(books.orders.open(symbol, side)):
            return
        light = books.lights.shown.get((symbol, side))
        reason = ("" if light is None or light.is_green else light.reason) or engine.idle.get((symbol, side)) or engine.denials.get((symbol, side))
        self.check("I28", bool(reason), f"{symbol} {side} has no quote and no reason")

    def forget(self, known: Container[str]) -> None:
        """In a long world: what is over and no longer in the bot's books (`known`: its client ids) needs no judge any more."""
        self.requests.forget(known)
        for command_id in list(self._heard)[:-HEARD_KEPT]:
            del self._heard[command_id]

    # -- at the end ------------------------------------------------------------------------------
    def at_rest(self, engine: Engine, fills: Sequence[Fill], start: dict[str, Decimal], foreign: Foreign, calls: dict[int, None]) -> None:
        """Everything has arrived: fills (those written down, by all boots), money, calls and orders must agree to the last digit."""
        books = engine.books
        assert books is not None
        self.judge_sizes(engine)
        # What comes back after the proof is not taken any more; a routine reading that the stop did not wait for may still be under way.
        left = [number for number in calls if not isinstance(engine.pending.get(number), ReadAccount | ReadDepth)]
        self.check("I8", not left, f"calls left: {left}")
        pending = engine.pending.values()
        owed = sum(weight_of(one, len(books.rules)) for one in pending), sum(len(places_of(one)) for one in pending)
        asked = books.budget.weight_asked, books.budget.places_asked
        self.check("I8", asked == owed, f"weight and places without a reply: {asked} by the budget, {owed} under way")
        trades = [(symbol, trade) for symbol in books.rules for trade in self._matching.trades(symbol)]
        own = [(symbol, trade) for symbol, trade in trades if not self._first_name(symbol, trade.order_id).startswith(STRANGER)]
        theirs = sorted((symbol, trade.trade_id) for symbol, trade in own)
        ours = sorted(fill.key for fill in fills)
        self.check("I3", len(ours) == len(set(ours)), "a trade was booked twice")
        self.check("I2", set(theirs) <= set(ours), f"lost fills {sorted(set(theirs) - set(ours))[:5]}")
        self.check("I2", set(ours) <= set(theirs), f"fills of nobody {sorted(set(ours) - set(theirs))[:5]}")
        self.lots.at_rest(engine, self._matching, own)
        self._judge_money(engine, fills, start, foreign)
        for client_id, order in books.orders.by_client_id.items():
            self._judge_final(client_id, order)
        still = [order.client_order_id for order in self._matching.open_orders() if not order.client_order_id.startswith(STRANGER)]
        self.check("I10", not still, f"open after the stop: {still}")

    def _judge_money(self, engine: Engine, fills: Sequence[Fill], start: dict[str, Decimal], foreign: Foreign) -> None:
        """What a stranger did after the bot's last balance was read, while that answer was on its way, nobody tells a bot that has ended."""
        books = engine.books
        assert books is not None
        change = dict[str, Decimal]()
        all_of_it, unheard = foreign(None), foreign({asset: holding.update_ms for asset, holding in books.account.holdings.items()})
        for fill in fills:
            rules, sign = books.rules[fill.symbol], 1 if fill.side is Side.BUY else -1
            for asset, delta in ((rules.base, sign * fill.quantity), (rules.quote, -sign * fill.price * fill.quantity), (fill.fee_asset, -fill.fee)):
                change[asset] = change.get(asset, Decimal(0)) + delta
        for asset, (free, locked) in self._matching.balances().items():
            ours = start[asset] + change.get(asset, Decimal(0)) + all_of_it.get(asset, Decimal(0))
            self.check("I1", ours == free + locked, f"{asset}: {ours} by our fills, {free + locked} at the venue")
            expected = books.account.expected(asset) + unheard.get(asset, Decimal(0))
            self.check("I1", expected == free + locked, f"{asset}: {expected} expected, {free + locked} at the venue")

    def _judge_final(self, client_id: str, order: Order) -> None:
        order_id = self.requests.venue_ids.get(client_id)
        if order_id is None:
            self.check("I5", order.booked == 0 and not order.is_open, f"{client_id} never reached the venue, yet is {order.status}")
            return
        truth = self._matching.archives[order.symbol].orders[order_id]
        agrees = order.status.value == truth.status and order.booked == truth.executed
        self.check("I5", agrees, f"{client_id} {order.status} {order.booked} by {order.evidence}; the venue says {truth.status} {truth.executed}")

    def _first_name(self, symbol: str, order_id: int) -> str:
        """The client id an order was placed with."""
        order = self._matching.archives[symbol].orders[order_id]
        return order.original_client_order_id or order.client_order_id
