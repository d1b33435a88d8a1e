"""What a run is made of besides its events: the settings of strategy, risk and timing. A tape carries them, so that anybody can replay it.

Who uses it: assembly.py builds a run from it and puts it into the tape; sim.replay builds the same engine again; a change of the settings is
another recipe, of which strategy and risk adopt their share. Never: a key, a path, an address.
"""

import msgspec

from core.books import Timing
from trading.amend import Amending
from trading.entry import EntrySettings
from trading.exits import ExitSettings
from trading.quoting import SymbolQuoting
from trading.risk import Limits
from trading.signals import EwmaSettings


class MakerFirstSettings(msgspec.Struct, frozen=True, kw_only=True):
    entry: EntrySettings = EntrySettings()
    exits: ExitSettings = ExitSettings()
    signal: EwmaSettings = EwmaSettings()


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    quoting: dict[str, SymbolQuoting]
    limits: Limits
    timing: Timing
    amending: Amending = Amending()
    maker_first: MakerFirstSettings | None = None  # None: the market maker

    @classmethod
    def read(cls, settings: bytes) -> "Recipe":
        return msgspec.msgpack.decode(settings, type=cls)

    @property
    def written(self) -> bytes:
        return msgspec.msgpack.encode(self)
