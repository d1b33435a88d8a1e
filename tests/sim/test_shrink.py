"""Shrinking a failing schedule: what is left still breaks the same invariant, nothing of it can be left out, and the printed command replays it."""

from dataclasses import replace

import pytest

from core import hearing, resolver
from core.books import Books
from core.orders import Evidence, Order
from core.types import OrderStatus
from sim.faults import Faults, Kind
from sim.fuzz import main
from sim.setup import Setup
from sim.shrink import invariant_of, shrink
from sim.world import Result, run_safely

SEED = 2
HONEST = hearing.mark_unknown


def test_leaving_a_fault_out_changes_no_other() -> None:
    """Kind, time and randomness of a fault hang on its number alone, whatever else came up."""
    whole, part = Faults(5, 3000), Faults(5, 3000, only=frozenset({3}))
    for number in range(1, 6):
        (wait_ms, fault), (_, same) = whole.next(), part.next()
        assert wait_ms > 0 and (fault.number, fault.kind, fault.at_ms) == (number, same.kind, same.at_ms)
        if part.is_due(same):
            assert number == 3 and fault.rng.random() == same.rng.random()


def told(setup: Setup, breaks: bool) -> Result:
    struck = tuple(sorted(setup.only if setup.only is not None else range(1, 31)))
    failures = ("I5 at 1 ms: broken",) if breaks else ()
    return Result(setup.seed, failures, {}, {}, 0, 0.0, struck=struck, quoted_ns=7)


@pytest.mark.parametrize("needed", [set(), {17}, {3, 4}, {1, 15, 30}])
def test_what_is_left_is_what_is_needed(needed: set[int]) -> None:
    """Delta debugging finds exactly the faults that matter, within a bounded number of runs, and never another length of the quoting."""
    asked: list[Setup] = []

    def run(setup: Setup) -> Result:
        asked.append(setup)
        return told(setup, breaks=setup.only is None or needed <= setup.only)

    found = shrink(Setup.drawn(SEED), run)
    assert set(found.result.struck) == needed and found.invariant == "I5" and found.before == 30
    assert len(asked) == found.runs <= 120 and all(setup.quote_ns == 7 for setup in asked[1:])


def test_another_failure_is_not_the_same() -> None:
    """A smaller schedule that breaks another invariant is not taken."""

    def run(setup: Setup) -> Result:
        first = told(setup, breaks=True)
        return first if setup.only is None or 9 in setup.only else replace(first, failures=("I8 at 1 ms: something else",))

    assert shrink(Setup.drawn(SEED), run).result.struck == (9,)
    assert invariant_of("RAISED ValueError: x at y") == "RAISED ValueError:"


def timeout_is_reject(books: Books, order: Order, what: str, note: str) -> None:
    """The planted bug: a place without an answer counts as refused (field case 1)."""
    if what == "place" and order.status is OrderStatus.UNSEEN:
        books.orders.refuse(order, OrderStatus.REJECTED, Evidence.REFUSED, books.now_ns)
    else:
        HONEST(books, order, what, note)


def test_a_planted_bug_shrinks_and_replays(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A time-out treated as a refusal needs one lost answer: a fault or two are left, and the printed command fails in the same way."""
    monkeypatch.setattr(hearing, "mark_unknown", timeout_is_reject)
    monkeypatch.setattr(resolver, "mark_unknown", timeout_is_reject)
    seed = next(seed for seed in range(20) if any(line.startswith("I5 ") for line in run_safely(Setup.drawn(seed)).failures[:1]))
    found = shrink(Setup.drawn(seed))
    assert found.before >= 8 and 1 <= len(found.result.struck) <= 2
    command = found.lines()[-1]
    assert command.startswith("python -m sim.fuzz ")
    words = command.removeprefix("python -m sim.fuzz ").replace("'", "").split()
    assert main([word for word in words if word != "-v"]) == 1
    assert found.result.failures[0] in capsys.readouterr().out


def test_kinds_left_out_are_left_out() -> None:
    """A world of which only two numbers are due is struck by no other fault."""
    result = run_safely(replace(Setup.drawn(SEED), only=frozenset({2, 5}), quote_ns=20_000_000_000))
    assert set(result.struck) <= {0, 2, 5} and not result.failures
    assert sum(result.faults.values()) <= 3 and all(name in {kind.value for kind in Kind} for name in result.faults)
