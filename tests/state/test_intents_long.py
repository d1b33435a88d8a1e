"""The intents of a run of weeks: reading them takes time, not memory."""

import tracemalloc
from pathlib import Path

from core.events import OrderAnswer, Outcome, Reply
from state.intents import Intents
from state.ledger import recover
from tests.core.builders import facts
from tests.state.test_intents import HERE, boot, cancel, place

ORDERS = 1000


def test_a_start_does_not_hold_the_whole_file(tmp_path: Path) -> None:
    """I25: adding up a file of any length takes the memory of what is undecided in it, not that of the file."""
    intents = Intents(tmp_path / "intents.log")
    intents.start()
    intents.boot(boot(), 1)
    for number in range(1, ORDERS):
        name = f"gl-1-{number}"
        intents.intent(place(number))
        intents.result(Reply(command_id=number, outcome=Outcome.DONE, answer=OrderAnswer(facts=facts(name, number))))
        intents.intent(cancel(ORDERS + number))
        intents.end(name, "CANCELED", "answer to the request")
    intents.stop(0)
    size = intents.path.stat().st_size
    recover(intents.path, HERE)  # what is made once, at the first reading
    tracemalloc.start()
    try:
        recovery = recover(intents.path, HERE)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (recovery.records, recovery.undecided) == (4 * (ORDERS - 1) + 1, ())
    assert peak < size / 2
