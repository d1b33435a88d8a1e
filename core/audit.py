"""When the account is read and what the reading proves: resyncs, the proof at start, every N seconds, on demand, and at stop.

Who calls it: core.engine, on the trading thread. One account read is under way at a time. A difference counts when two readings at least 1 s apart
show the same one and nothing private moved between them; where something always moves, when it stood in every reading for `LASTING_MS`.
Never: a read while banned or beyond the budget; a verdict from a reading that was in motion.
"""

from dataclasses import dataclass, field

from core import proof
from core.books import MS, Books
from core.commands import Purpose, ReadAccount
from core.events import AccountSnapshot, Reply
from core.notices import ProofDone, Said
from core.proof import Finding, Proof
from core.types import Connection
from core.weights import ALL_SYMBOLS_ABOVE, read_weight

RETRY_MS = 500
SECOND_READING_MS = 1000
STOP_READING_MS = 250
LASTING_MS, LASTING_READINGS = 10_000, 5  # what is in motion does not look the same for so long, in so many readings in a row
LINES_WATCHED_MAX = 100
DOUBTFUL_READINGS_MAX = 60  # in a row; then the next one waits for its usual time
READ_CALLS_COUNTED_MAX = 10  # a read of many symbols still ends
RANK = {Purpose.STOP: 2, Purpose.RESYNC: 1, Purpose.PROOF: 0}


@dataclass(slots=True)
class Audit:
    wanted: Purpose | None = None
    not_before_ns: int = 0
    asked: int | None = None
    asked_deadline_ns: int = 0
    asked_purpose: Purpose = Purpose.RESYNC
    next_proof_ns: int = 0
    suspicion: tuple[str, ...] = ()  # differences of the last reading
    suspicion_ns: int = 0
    standing: dict[str, tuple[int, int]] = field(default_factory=dict)  # difference -> (readings in a row that show it, since when)
    doubts: int = 0  # readings in a row without a verdict
    last: Proof | None = None
    stop_proof: Proof | None = None
    reads: int = 0
    weight: int = 0
    weight_of_proof: int = 0  # of the readings since the last verdict
    equal_proofs: int = 0

    def want(self, purpose: Purpose, at_ns: int) -> None:
        """Ask for a read; the more urgent purpose wins. A resync wanted while a read is under way is read again after it."""
        if self.wanted is None or RANK[purpose] >= RANK[self.wanted]:
            self.wanted, self.not_before_ns = purpose, at_ns

    def ask(self, books: Books, stopping: bool) -> None:
        """Issue the read that is due, if any."""
        if self.asked is not None:
            if stopping and books.started and self.asked_purpose is not Purpose.STOP:
                self.asked = None  # a stop has no time to wait for a routine reading; without a first one nothing could be asked
            elif books.now_ns < self.asked_deadline_ns:
                return
        if self.asked is not None:
            self.asked = None
            self.want(self.asked_purpose, books.now_ns)
        if stopping:
            self._want_stop_proof(books)
        elif self.wanted is None and books.started and books.now_ns >= self.next_proof_ns:
            self.want(Purpose.PROOF, books.now_ns)
        if self.wanted is None or books.now_ns < self.not_before_ns or (not books.session.up[Connection.USER] and not stopping):
            return
        weight = read_weight(len(books.rules), self._wants_trades(books, self.wanted))
        if books.budget.reads_denied(books.now_ns, weight, is_routine=self.wanted is Purpose.PROOF):
            return
        self._read(books, self.wanted, weight)

    def _want_stop_proof(self, books: Books) -> None:
        """The last reading waits until no order is open or undecided and every fill is booked."""
        quiet = not books.orders.open_ids and not books.orders.attention and not books.orphans
        if self.stop_proof is not None:
            self.wanted = None
        elif quiet:
            self.want(Purpose.STOP, max(self.not_before_ns, 0) if self.wanted is Purpose.STOP else books.now_ns)
        elif self.wanted is Purpose.STOP:
            self.wanted = None

    def _wants_trades(self, books: Books, purpose: Purpose) -> bool:
        """Trades cost 20 per symbol: with many symbols a routine reading leaves them out unless the last one showed a difference."""
        return purpose is not Purpose.PROOF or len(books.rules) <= ALL_SYMBOLS_ABOVE or bool(self.suspicion)

    def _read(self, books: Books, purpose: Purpose, weight: int) -> None:
        with_trades = self._wants_trades(books, purpose)
        timeout_ms = books.timing.read_timeout_ms * min(read_calls(len(books.rules), with_trades), READ_CALLS_COUNTED_MAX)
        command = ReadAccount(
            command_id=books.number(),
            reason=purpose.value,
            timeout_ms=timeout_ms,
            purpose=purpose,
            trades_after=tuple(books.proven_trade_id.items()) if with_trades else (),
        )
        self.wanted = None
        self.asked, self.asked_purpose = command.command_id, purpose
        self.asked_deadline_ns = books.now_ns + (timeout_ms + 1000) * MS
        self.reads += 1
        self.weight += weight
        self.weight_of_proof += weight
        books.budget.spend(books.now_ns, weight=weight)
        books.commands.append(command)

    def on_reply(self, books: Books, command: ReadAccount, reply: Reply) -> None:
        """After the merge: lift the resync, judge the reading."""
        if self.asked != command.command_id:
            return
        self.asked = None
        if not isinstance(reply.answer, AccountSnapshot):
            why = reply.note or (f"{reply.error.http_status} {reply.error.code}" if reply.error else "no answer")
            books.notices.append(Said(tag="WS", text=f"account read ({command.purpose}) failed: {why} · again in {RETRY_MS} ms"))
            self.want(command.purpose, books.now_ns + RETRY_MS * MS)
            return
        if command.purpose is Purpose.RESYNC and self.wanted is not Purpose.RESYNC:
            books.session.resyncing = False
        self._judge(books, command.purpose, proof.compare(books, reply.answer), reply)

    def _judge(self, books: Books, purpose: Purpose, finding: Finding, reply: Reply) -> None:
        soon = books.account.has_doubtful_spending()  # funds wait for the next reading
        self.next_proof_ns = books.now_ns + (SECOND_READING_MS if soon else books.timing.proof_every_ms) * MS
        if not finding.differences:
            self._conclude(books, purpose, finding, equal=True)
            return
        moved = books.touched_ns > self.suspicion_ns
        same = bool(self.suspicion) and self.suspicion == finding.differences and not moved
        if same and books.now_ns - self.suspicion_ns >= SECOND_READING_MS * MS:
            self._conclude(books, purpose, finding, equal=False)
            return
        if not same:
            self.suspicion, self.suspicion_ns = finding.differences, books.now_ns
        for client_id in finding.doubtful:
            books.orders.want_attention(books.orders.by_client_id[client_id], books.now_ns)
        if purpose is Purpose.STOP:
            self.want(purpose, books.now_ns + STOP_READING_MS * MS)
        elif lasting := self._lasting(books, finding):
            self._conclude(books, purpose, proof.only(finding, lasting), equal=False)
        else:
            self._read_again(books, finding)

    def _lasting(self, books: Books, finding: Finding) -> frozenset[str]:
        """Differences that stand whatever moves around them. (A busy bot never holds still for two readings.)"""
        now_ns, before = books.now_ns, self.standing
        self.standing = {}
        for line in finding.differences[:LINES_WATCHED_MAX]:
            times, since_ns = before.get(line, (0, now_ns))
            self.standing[line] = times + 1, since_ns
        return frozenset(
            line for line, (times, since_ns) in self.standing.items() if times >= LASTING_READINGS and now_ns - since_ns >= LASTING_MS * MS
        )

    def _read_again(self, books: Books, finding: Finding) -> None:
        self.doubts += 1
        if self.doubts < DOUBTFUL_READINGS_MAX:
            self.want(Purpose.PROOF, books.now_ns + SECOND_READING_MS * MS)
            return
        text = f"no verdict after {self.doubts} readings, something always moved · the last one: {finding.differences[0]}"
        books.notices.append(Said(tag="PROOF", symbol="all", text=text))
        self.doubts = 0

    def _conclude(self, books: Books, purpose: Purpose, finding: Finding, equal: bool) -> None:
        first = self.last is None
        label = "start" if first and purpose is Purpose.RESYNC else purpose.value
        weight, self.weight_of_proof = self.weight_of_proof, 0
        verdict = Proof(
            purpose=label, equal=equal, compared=finding.lines, differences=finding.differences, at_ns=books.now_ns, request_weight=weight
        )
        self.last = verdict
        self.equal_proofs += equal
        self.suspicion, self.standing, self.doubts = (), {}, 0
        books.figures.add_proof(label, books.now_ns, equal, finding.lines if equal else finding.differences)
        if purpose is Purpose.STOP:
            self.stop_proof = verdict
        if not equal:
            for asset, delta in finding.unexplained:
                books.account.move(asset, delta)
        books.tell_holdings()
        if first or not equal or purpose is not Purpose.RESYNC:
            lines = finding.lines if equal else finding.differences
            books.notices.append(ProofDone(tag="PROOF", purpose=label, equal=equal, lines=lines, request_weight=weight))


def read_calls(symbols: int, with_trades: bool = True) -> int:
    """Calls of one account read, one after the other: each may take its whole time-out, or a slow venue is never read to the end."""
    return (symbols if symbols <= ALL_SYMBOLS_ABOVE else 1) + 1 + symbols * with_trades
