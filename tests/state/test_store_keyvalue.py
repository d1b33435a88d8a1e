"""Key-value pairs: reads from memory, every change handed to the recorder until it is written, limits that speak."""

import pytest

from state import keyvalue
from state.keyvalue import KeyValue, KeyValueFull


def test_what_is_set_is_read_at_once() -> None:
    """set, get, delete, get_all and get_last_update answer from memory."""
    keys = KeyValue({"old": ("1", 5)})
    assert keys.get("old") == "1" and keys.get_last_update() == 5
    keys.set("lot/1", "a", 10)
    keys.set("lot/2", "b", 11)
    assert keys.get_all("lot/") == {"lot/1": "a", "lot/2": "b"} and keys.get_all() == {"old": "1", "lot/1": "a", "lot/2": "b"}
    assert (keys.get_last_update("lot/1"), keys.get_last_update(), keys.get_last_update("none")) == (10, 11, 0)
    keys.delete("lot/2", 12)
    keys.delete("none", 13)
    assert keys.get("lot/2") is None and keys.get("lot/2", "x") == "x" and keys.get_last_update() == 12


def test_changes_are_taken_once() -> None:
    """The recorder gets the newest form of each change once; a failed write is marked again."""
    keys = KeyValue({"kept": ("1", 1), "gone": ("2", 2)})
    assert keys.changes() == ({}, [])
    keys.set("kept", "3", 3)
    keys.set("kept", "4", 4)
    keys.delete("gone", 5)
    assert keys.changes() == ({"kept": ("4", 4)}, ["gone"])
    assert keys.changes() == ({}, [])
    keys.mark_again(["kept", "gone"])
    assert keys.changes() == ({"kept": ("4", 4)}, ["gone"])


def test_a_new_database_gets_everything() -> None:
    """After a rebuild all pairs are written again."""
    keys = KeyValue({"a": ("1", 1), "b": ("2", 2)})
    keys.mark_all()
    assert keys.changes() == ({"a": ("1", 1), "b": ("2", 2)}, [])


def test_there_is_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """More keys, or longer values, than the limit are refused aloud; a known key may still change."""
    monkeypatch.setattr(keyvalue, "KEYS_MAX", 1)
    monkeypatch.setattr(keyvalue, "VALUE_CHARS_MAX", 5)
    keys = KeyValue({})
    keys.set("a", "12345", 1)
    keys.set("a", "1", 2)
    with pytest.raises(KeyValueFull):
        keys.set("b", "1", 3)
    with pytest.raises(KeyValueFull):
        keys.set("a", "123456", 4)
