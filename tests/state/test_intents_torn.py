"""A record that was torn, and its second try torn as well: at the end of the file this is no damage."""

from pathlib import Path

import pytest

from state.intents import SCAR, FillRecord, Intents, IntentsCorrupt, read
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


@pytest.mark.parametrize("begin", [b"# A person's own notes, not ours\n", b"SQLite format 3\x00 and so on and so on"])
def test_somebody_else_s_file_is_refused(tmp_path: Path, begin: bytes) -> None:
    """A file that does not begin like intents is no torn record: it would be put aside at the next rotation. It is named and left alone."""
    path = tmp_path / "intents.log"
    path.write_bytes(begin)
    with pytest.raises(IntentsCorrupt, match="this is no file of intents; move the file away"):
        list(read(path))


@pytest.mark.parametrize("kept", range(1, 40))
def test_a_first_record_torn_anywhere_is_no_foreign_file(tmp_path: Path, kept: int) -> None:
    """However early the very first write was cut off, alone or with what came after it, the next start reads on; so it does after zeros."""
    intents = Intents(tmp_path / "intents.log")
    intents.start()
    intents.boot(boot(), 1)
    record = intents.path.read_bytes()
    for data in (record[:kept], record[:kept] + SCAR + record, bytes(kept)):
        intents.path.write_bytes(data)
        assert len(list(read(intents.path))) == (1 if SCAR in data else 0)
