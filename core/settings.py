"""New settings of a person, taken at a tick: which parts take them, and which versions were in force since when.

Who calls it: core.engine for a ConfigChanged, on the trading thread, and core.checkpoint after a load: settings are no state, but the change that
brought them is. One document holds them all (the msgpack of trading.recipe.Recipe); each part reads its own share of it.
Never: a judgement of the settings (runtime.reload made it), a file; an order, task or deadline that is changed because of them.
"""

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

import msgspec

from core.books import Books, Timing
from core.events import ConfigChanged
from core.notices import ConfigTaken, Said

VERSIONS_KEPT = 100


@runtime_checkable
class Adopting(Protocol):
    """A strategy or risk whose settings may change between two steps. What it remembers stays."""

    def adopt(self, settings: bytes) -> None: ...


class _Timed(msgspec.Struct, frozen=True):
    timing: Timing


def adopt(parts: Iterable[object], books: Books, change: ConfigChanged) -> Timing:
    """Every part takes its share; the engine's own is returned."""
    timing = msgspec.msgpack.decode(change.settings, type=_Timed).timing
    for part in parts:
        if isinstance(part, Adopting):
            part.adopt(change.settings)
    books.timing = timing
    books.session.book_age_ms_max = timing.book_age_ms_max
    books.config = change
    return timing


def note(books: Books, version: str, changes: tuple[str, ...] = ()) -> None:
    """From this step on this version is in force: for the person, the store and the end of the run."""
    before = f"{books.config_versions[-1][0]} -> " if books.config_versions else ""
    books.config_versions.append((version, books.now_ns))
    del books.config_versions[:-VERSIONS_KEPT]
    books.notices.append(ConfigTaken(version=version))
    books.notices.extend(Said(tag="CONFIG", text=text) for text in changes)
    if changes:
        books.notices.append(Said(tag="CONFIG", text=f"settings {before}{version} in force from this tick"))
