"""Where an order of ours stands in its price level: how much is ahead of it, by what trades and the depth book tell.

Who calls it: core.hearing when an order rests, core.booking when it fills, core.market with every trade and every change of the book, on the trading
thread. Venues do not tell queue places; this is an estimate, and the tests say how good it is. Prints take from the front. What leaves a level
without a print was canceled, and cancels are spread over the level in proportion. A print may come before or after the change that it explains.
Never: an order, a decision.
"""

from decimal import Decimal

import msgspec
from msgspec.structs import replace

from core.money import ZERO


class QueuePlace(msgspec.Struct, frozen=True):
    """Quantities in base. `others` is the level without our own order. Never changed, only replaced: checkpoints hold it without a copy."""

    ahead: Decimal
    others: Decimal
    joining: Decimal = ZERO  # of our own, not seen in the level yet
    printed: Decimal = ZERO  # traded there, not yet gone from the level
    left: Decimal = ZERO  # gone from the level and taken for cancels; a print may still explain it
    left_share: Decimal = ZERO  # the part of it that was taken from ahead of us


def joined(level: Decimal, level_before: Decimal, own: Decimal) -> QueuePlace:
    """An order of ours has come to rest at the end of its level, which held `level_before` when it was sent and holds `level` now."""
    is_seen = level - level_before >= own
    others = level - own if is_seen else level
    return QueuePlace(ahead=others, others=others, joining=ZERO if is_seen else own)


def on_level(place: QueuePlace, level: Decimal, own: Decimal) -> QueuePlace:
    """The book has the level at this quantity now; `own` is what is left of our order."""
    joining = ZERO if level >= place.others + own else place.joining
    others = max(ZERO, level - (ZERO if joining else own))
    fallen = place.others - others
    if fallen <= 0:
        if not fallen and joining == place.joining:
            return place
        return replace(place, others=others, joining=joining)
    explained = min(fallen, place.printed)
    canceled = fallen - explained
    share = place.ahead / place.others if canceled else ZERO
    return replace(
        place,
        ahead=min(others, place.ahead - canceled * share),
        others=others,
        joining=joining,
        printed=place.printed - explained,
        left=canceled,
        left_share=share,
    )


def on_print(place: QueuePlace, quantity: Decimal) -> QueuePlace:
    """The market traded at our price and took from the front of our side."""
    known = min(quantity, place.left)
    ahead = max(ZERO, place.ahead - (quantity - known) - known * (1 - place.left_share))
    return replace(place, ahead=ahead, left=place.left - known, printed=place.printed + quantity - known)


def first(place: QueuePlace) -> QueuePlace:
    """Whoever is filled stands first."""
    return replace(place, ahead=ZERO)
