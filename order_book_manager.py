"""OUR orders on their way: place, cancel, read - without waiting.

Who calls it: the trading loop, on the trading thread, with commands the engine has already marked. Each call is handed to a lane
(`submit(func, arg)`, never `submit(func(arg))`) and returns at once; exactly one Reply is posted, whatever happened: by the done-callback, or, where
the request only left (Underway), by `settle`, which the venue's reader calls.
Never: a wait, a decision, an exception to the caller, a command sent twice.
"""

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError, Future
from functools import partial
from typing import Any, Protocol, TypeVar

from core.commands import Amend, AnyCommand, Cancel, CancelAll, Place, PlaceOco, Query, ReadAccount, ReadCommand, ReadDepth, Replace, Request
from core.events import Answer, OcoAnswer, OrderAnswer, Outcome, ReplaceAnswer, Reply, RequestAnswer
from core.light import Light
from core.orders import Orders
from core.ports import Answered, ClockNs, Journal, NotSent, Post, Refused, Underway, Venue
from core.types import Side

BATCH_FROM = 5  # commands of one decision; fewer are on the wire sooner from a worker each
RANKS = {Cancel: 0, CancelAll: 1, Amend: 2, Replace: 3, PlaceOco: 4, Place: 5, Query: 6, ReadAccount: 6, ReadDepth: 6}  # what leaves first
T = TypeVar("T")
R = TypeVar("R")
C = TypeVar("C", bound=AnyCommand)
A = TypeVar("A", bound=Answer)


class Lane(Protocol):
    """One ThreadPoolExecutor with its own pre-started workers; a full lane refuses by raising."""

    def submit(self, call: Callable[[T], R], what: T, /) -> "Future[R]": ...


class OrderBookManager:
    """The hands. `orders` and `light_of` are questions about the engine's books; nothing is counted here, so nothing can leak."""

    def __init__(
        self,
        venue: Venue,
        journal: Journal,
        post: Post,
        clock_ns: ClockNs,
        lanes: tuple[Lane, Lane, Lane],
        orders: Callable[[], Orders],
        light_of: Callable[[str, Side], Light],
    ) -> None:
        """`lanes` are (cancel, place, query), in this order."""
        self._venue, self._journal, self._post, self._clock_ns = venue, journal, post, clock_ns
        self._cancel_lane, self._place_lane, self._query_lane = lanes
        self._orders, self._light_of = orders, light_of
        self._stop_at_ns: int | None = None
        self._takers: tuple[Callable[[list[Any]], None], ...] = (
            self.cancel_orders,
            self._cancel_all_each,
            self.amend_orders,
            self.replace_orders,
            self.place_ocos,
            self.place_orders,
            self.read,
        )
        self.unwritten_results = 0

    # -- questions -------------------------------------------------------------------------------
    @property
    def has_pending_cancels(self) -> bool:
        """True while any order of ours has a cancel without the venue's word: the seed of the whole design."""
        return self._orders().has_pending_cancels()

    def light(self, symbol: str, side: Side) -> Light:
        return self._light_of(symbol, side)

    # -- calls, each returns at once -------------------------------------------------------------
    def place_orders(self, commands: Iterable[Place]) -> None:
        self._submit_all(self._place_lane, self._run_place, commands)

    def amend_orders(self, commands: Iterable[Amend]) -> None:
        self._submit_all(self._place_lane, self._run_amend, commands)

    def replace_orders(self, commands: Iterable[Replace]) -> None:
        self._submit_all(self._place_lane, self._run_replace, commands)

    def place_ocos(self, commands: Iterable[PlaceOco]) -> None:
        for command in commands:
            self._submit(self._place_lane, self._run_place_oco, command)

    def cancel_orders(self, commands: Iterable[Cancel]) -> None:
        self._submit_all(self._cancel_lane, self._run_cancel, commands)

    def cancel_all_orders(self, command: CancelAll) -> None:
        """One background task that reads, filters by tag and cancels by id; no loop here."""
        self._submit(self._cancel_lane, self._run_cancel_all, command)

    def _cancel_all_each(self, commands: Iterable[CancelAll]) -> None:
        for command in commands:
            self.cancel_all_orders(command)

    def read(self, commands: Iterable[ReadCommand]) -> None:
        asked_ns = self._clock_ns()
        for command in commands:
            self._submit(self._query_lane, partial(self._run_read, asked_ns), command)

    def hand_over(self, commands: Iterable[AnyCommand]) -> None:
        """Cancels first, then amendments, replacements, places, reads. A Reconnect is not ours: the loop gives it to its stream."""
        batches: dict[int, list[AnyCommand]] = {}
        for command in commands:
            batches.setdefault(RANKS[type(command)], []).append(command)
        for rank in sorted(batches):
            self._takers[rank](batches[rank])

    def stop_by(self, deadline_ns: int) -> None:
        """From now on every call's time-out ends half a second before this time (engine clock), so that no worker outlives the stop."""
        self._stop_at_ns = deadline_ns

    # -- one command, one event ------------------------------------------------------------------
    def _submit_all(self, lane: Lane, call: Callable[[C], Reply | None], commands: Iterable[C]) -> None:
        """Each command has a worker of its own, but where a worker only sends, one of them sends many: waking the others takes longer than that."""
        batch = deque(commands)
        if len(batch) >= BATCH_FROM and self._venue.only_sends:
            self._submit_batch(lane, call, batch)
            return
        for command in batch:
            self._submit(lane, call, command)

    def _submit_batch(self, lane: Lane, call: Callable[[C], Reply | None], left: deque[C]) -> None:
        """`left` are the commands without an event: whoever takes one out speaks for it."""
        try:
            future = lane.submit(partial(self._run_batch, lane, call), left)
        except Exception as refusal:
            self._take_back(left, f"lane refused: {refusal}")
            return
        future.add_done_callback(partial(self._on_batch_done, left))

    def _run_batch(self, lane: Lane, call: Callable[[C], Reply | None], left: deque[C]) -> None:
        """On one worker. As soon as an answer was waited for (REST), nobody waits behind it any more."""
        while left:
            command, future = left.popleft(), Future[Reply | None]()
            try:
                future.set_result(call(command))
            except BaseException as error:
                future.set_exception(error)
            self._on_done(command, future)
            if future.exception() or future.result():
                while left:
                    self._submit(lane, call, left.popleft())

    def _on_batch_done(self, left: deque[C], future: "Future[None]") -> None:
        if future.cancelled():
            self._take_back(left, "taken back before a worker had it")

    def _take_back(self, left: deque[C], note: str) -> None:
        while left:
            self._deliver(Reply(command_id=left.popleft().command_id, outcome=Outcome.NOT_SENT, note=note))

    def _submit(self, lane: Lane, call: Callable[[C], Reply | None], command: C) -> None:
        try:
            future = lane.submit(call, command)
        except Exception as refusal:  # a refusing executor is a NotSent event, never an exception on the trading thread
            self._deliver(Reply(command_id=command.command_id, outcome=Outcome.NOT_SENT, note=f"lane refused: {refusal}"))
            return
        future.add_done_callback(partial(self._on_done, command))

    def _on_done(self, command: AnyCommand, future: "Future[Reply | None]") -> None:
        """Runs on any thread. Whatever happened, exactly one event leaves: hence `finally`. None: it is underway, `settle` will post it."""
        reply: Reply | None = Reply(command_id=command.command_id, outcome=Outcome.UNKNOWN, note="the worker ended without a word")
        try:
            reply = future.result()
        except CancelledError:
            reply = Reply(command_id=command.command_id, outcome=Outcome.NOT_SENT, note="taken back before a worker had it")
        except BaseException as error:  # a fault in a worker must not swallow the event; the outcome is unknown
            reply = Reply(command_id=command.command_id, outcome=Outcome.UNKNOWN, note=f"{type(error).__name__} in the worker")
        finally:
            if reply is not None:
                self._deliver(reply)

    def _deliver(self, reply: Reply) -> None:
        self._post(reply)

    def settle(self, command: Request, outcome: Answered[RequestAnswer] | Exception, sent_ns: int, received_ns: int) -> None:
        """The outcome of a request that was underway (core.ports.Settle). On the venue's reader thread: posts, and leaves the writing to a lane."""
        reply = self._outcome(command, outcome, sent_ns, received_ns)
        self._deliver(reply)
        lane = self._cancel_lane if isinstance(command, Cancel) else self._place_lane
        try:
            lane.submit(self._journal.result, reply)
        except Exception:  # a lane that is full or stopped: the order is asked about at the next start unless its ending is written
            self.unwritten_results += 1

    # -- on the lanes ----------------------------------------------------------------------------
    def _run_place(self, command: Place) -> Reply | None:
        if self._clock_ns() > command.not_after_ns:
            return self._outcome(command, NotSent("stale: the decision is too old"), 0, self._clock_ns())
        return self._call(command, self._place_in_time, journaled=True)

    def _place_in_time(self, command: Place, timeout_s: float) -> Answered[OrderAnswer] | Underway:
        """On a slow disk the decision may have become too old while its intent was written."""
        if self._clock_ns() > command.not_after_ns:
            raise NotSent("stale: its intent took too long to write")
        return self._venue.place(command, timeout_s)

    def _run_replace(self, command: Replace) -> Reply | None:
        if self._clock_ns() > command.not_after_ns:
            return self._outcome(command, NotSent("stale: the decision is too old"), 0, self._clock_ns())
        return self._call(command, self._replace_in_time, journaled=True)

    def _replace_in_time(self, command: Replace, timeout_s: float) -> Answered[ReplaceAnswer] | Underway:
        if self._clock_ns() > command.not_after_ns:
            raise NotSent("stale: its intent took too long to write")
        return self._venue.replace(command, timeout_s)

    def _run_place_oco(self, command: PlaceOco) -> Reply | None:
        if self._clock_ns() > command.not_after_ns:
            return self._outcome(command, NotSent("stale: the decision is too old"), 0, self._clock_ns())
        return self._call(command, self._place_oco_in_time, journaled=True)

    def _place_oco_in_time(self, command: PlaceOco, timeout_s: float) -> Answered[OcoAnswer] | Underway:
        if self._clock_ns() > command.not_after_ns:
            raise NotSent("stale: its intent took too long to write")
        return self._venue.place_oco(command, timeout_s)

    def _run_amend(self, command: Amend) -> Reply | None:
        if self._clock_ns() > command.not_after_ns:
            return self._outcome(command, NotSent("stale: the decision is too old"), 0, self._clock_ns())
        return self._call(command, self._venue.amend, journaled=True)

    def _run_cancel(self, command: Cancel) -> Reply | None:
        return self._call(command, self._venue.cancel, journaled=True)

    def _run_cancel_all(self, command: CancelAll) -> Reply | None:
        return self._call(command, self._venue.cancel_all, journaled=True)

    def _run_read(self, asked_ns: int, command: ReadCommand) -> Reply | None:
        """What waited for a worker as long as it may take is not asked any more: the engine asks again, and a silent venue would fill the lane."""
        if self._clock_ns() - asked_ns >= command.timeout_ms * 1_000_000:
            return self._outcome(command, NotSent("no worker was free in time"), 0, self._clock_ns())
        if isinstance(command, Query):
            return self._call(command, self._venue.query, journaled=False)
        if isinstance(command, ReadAccount):
            return self._call(command, self._venue.read_account, journaled=False)
        return self._call(command, self._venue.read_depth, journaled=False)

    def _call(self, command: C, send: Callable[[C, float], Answered[A] | Underway], journaled: bool) -> Reply | None:
        """Intent, then the call, then the result; None where the call only sent."""
        sent_ns = 0
        outcome: Answered[A] | Underway | Exception
        try:
            timeout_s = self._timeout_s(command)
            if journaled:
                self._journal.intent(command)
            sent_ns = self._clock_ns()
            outcome = send(command, timeout_s)
        except Exception as error:
            outcome = error
        if isinstance(outcome, Underway):
            return None
        reply = self._outcome(command, outcome, sent_ns, self._clock_ns())
        if journaled:
            self._journal.result(reply)
        return reply

    @staticmethod
    def _outcome(command: AnyCommand, outcome: Answered[A] | Exception, sent_ns: int, received_ns: int) -> Reply:
        """Anything raised but NotSent and Refused means: outcome unknown."""
        number = command.command_id
        if isinstance(outcome, Answered):
            answer, limits = outcome.answer, outcome.limits
            return Reply(command_id=number, outcome=Outcome.DONE, answer=answer, limits=limits, sent_ns=sent_ns, received_ns=received_ns)
        if isinstance(outcome, NotSent):
            return Reply(command_id=number, outcome=Outcome.NOT_SENT, note=str(outcome), error=outcome.error, received_ns=received_ns)
        if isinstance(outcome, Refused):
            error, limits = outcome.error, outcome.limits
            return Reply(command_id=number, outcome=Outcome.REFUSED, error=error, limits=limits, sent_ns=sent_ns, received_ns=received_ns)
        note = f"{type(outcome).__name__}: {outcome}"
        return Reply(command_id=number, outcome=Outcome.UNKNOWN, note=note, sent_ns=sent_ns, received_ns=received_ns)

    def _timeout_s(self, command: AnyCommand) -> float:
        timeout_s = command.timeout_ms / 1000
        if self._stop_at_ns is None:
            return timeout_s
        left_s = (self._stop_at_ns - self._clock_ns()) / 1e9 - 0.5
        if left_s <= 0:
            raise NotSent("no time left before the stop")
        return min(timeout_s, left_s)
