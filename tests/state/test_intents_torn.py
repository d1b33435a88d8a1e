"""A record that was torn, and its second try torn as well: at the end of the file this is no damage."""

from pathlib import Path

import pytest

from state.intents import SCAR, FillRecord, Intents, read
from tests.state.test_intents import boot, fill


@pytest.mark.parametrize("scar_bytes", range(1, 12))
def test_a_second_try_cut_off_at_the_end_of_the_file(tmp_path: Path, scar_bytes: int) -> None:
    """A torn record, and its second try cut off in the scar or just after it: torn, whatever the two add up to (seed 7500)."""
    intents = Intents(tmp_path / "intents.log")
    intents.start()
    intents.boot(boot(), 1)
    intents.fill(fill(1))
    at = intents.path.stat().st_size
    intents.fill(fill(2))
    data = intents.path.read_bytes()
    record = data[at:]
    second = (SCAR + record)[:scar_bytes]
    for kept in {1, 7, 8, 9, 40, *range(len(record) - 12, len(record))}:
        intents.path.write_bytes(data[:at] + record[:kept] + second)
        assert [one.fill.trade_id for one in read(intents.path) if isinstance(one, FillRecord)] == [1]
