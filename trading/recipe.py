"""What a run is made of besides its events: the settings of strategy, risk and timing. A tape carries them, so that anybody can replay it.

Who uses it: assembly.py builds a run from it and puts it into the tape; sim.replay builds the same engine again. Never: a key, a path, an address.
"""

import msgspec

from core.books import Timing
from trading.amend import Amending
from trading.maker_first import MakerFirstSettings
from trading.quoting import SymbolQuoting
from trading.risk import Limits


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    quoting: dict[str, SymbolQuoting]
    limits: Limits
    timing: Timing
    amending: Amending = Amending()
    maker_first: MakerFirstSettings | None = None  # None: the market maker
