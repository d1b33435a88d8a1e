"""Small facts that outlive a run: text by name. Reads are a dict in memory; writes reach the disk through the recorder.

Who calls it: the trading thread sets and deletes, the recorder its own key (state.settings); any thread reads. The recorder takes what changed
(`changes`) with its next group.
Never: a read from disk after start; a lost write while the recorder lives (what changed stays marked until it was taken).
"""

from collections.abc import Iterable, Mapping

KEYS_MAX = 10_000
VALUE_CHARS_MAX = 100_000
Entry = tuple[str, int]  # value, updated_ns


class KeyValueFull(Exception):
    """More keys, or a longer value, than the limit."""


class KeyValue:
    def __init__(self, loaded: Mapping[str, Entry]) -> None:
        self._entries: dict[str, Entry] = dict(loaded)
        self._changed: dict[str, None] = {}  # filled by the trading thread, emptied by the recorder; each step of either is one dict operation
        self._last_ns = max((updated_ns for _, updated_ns in self._entries.values()), default=0)

    # -- the trading thread ----------------------------------------------------------------------
    def set(self, key: str, value: str, now_ns: int) -> None:
        """Raises KeyValueFull."""
        if len(value) > VALUE_CHARS_MAX or (key not in self._entries and len(self._entries) >= KEYS_MAX):
            raise KeyValueFull(f"{key}: at most {KEYS_MAX} keys of {VALUE_CHARS_MAX} characters")
        self._entries[key] = (value, now_ns)
        self._last_ns = max(self._last_ns, now_ns)
        self._changed[key] = None

    def delete(self, key: str, now_ns: int) -> None:
        """A key that is not there is no fault."""
        if self._entries.pop(key, None) is not None:
            self._last_ns = max(self._last_ns, now_ns)
            self._changed[key] = None

    # -- any thread ------------------------------------------------------------------------------
    def get(self, key: str, otherwise: str | None = None) -> str | None:
        entry = self._entries.get(key)
        return entry[0] if entry is not None else otherwise

    def get_all(self, prefix: str = "") -> dict[str, str]:
        return {key: value for key, (value, _) in self._entries.copy().items() if key.startswith(prefix)}

    def get_last_update(self, key: str | None = None) -> int:
        """When the key, or any key, last changed, in ns; 0 for never."""
        if key is None:
            return self._last_ns
        entry = self._entries.get(key)
        return entry[1] if entry is not None else 0

    # -- the recorder ----------------------------------------------------------------------------
    def changes(self) -> tuple[dict[str, Entry], list[str]]:
        """(what was set, what was deleted) since the last call."""
        put: dict[str, Entry] = {}
        dropped: list[str] = []
        while self._changed:
            key, _ = self._changed.popitem()  # first unmarked, then read: a change in between marks it again
            entry = self._entries.get(key)
            if entry is None:
                dropped.append(key)
            else:
                put[key] = entry
        return put, dropped

    def mark_again(self, keys: Iterable[str]) -> None:
        """Their write failed."""
        self._changed.update(dict.fromkeys(keys))

    def mark_all(self) -> None:
        """The database is new: write everything again."""
        self._changed.update(dict.fromkeys(self._entries.copy()))
