"""Where an order of ours stands in its price level: how much is ahead of it, by what trades and the depth book tell.

Who calls it: core.hearing when an order rests, core.booking when it fills, core.market with every trade and every change of the book, on the trading
thread. Venues do not tell queue places; this is an estimate, and the tests say how good it is. Prints take from the front. What leaves a level
without a print was canceled, and cancels are spread over the level in proportion. A print may come before or after the change that it explains.
Never: an order, a decision.
"""

from decimal import Decimal

import msgspec

from core.money import ZERO


class QueuePlace(msgspec.Struct):
    """Quantities in base. `others` is the level without our own order."""

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


def on_level(place: QueuePlace, level: Decimal, own: Decimal) -> None:
    """The book has the level at this quantity now; `own` is what is left of our order."""
    if place.joining and level >= place.others + own:
        place.joining = ZERO
    others = max(ZERO, level - (ZERO if place.joining else own))
    fallen = place.others - others
    if fallen > 0:
        explained = min(fallen, place.printed)
        place.printed -= explained
        _cancel(place, fallen - explained)
    place.others = others
    place.ahead = min(place.ahead, others)


def _cancel(place: QueuePlace, quantity: Decimal) -> None:
    place.left, place.left_share = quantity, ZERO
    if quantity and place.others:
        place.left_share = place.ahead / place.others
        place.ahead -= quantity * place.left_share


def on_print(place: QueuePlace, quantity: Decimal) -> None:
    """The market traded at our price and took from the front of our side."""
    known = min(quantity, place.left)
    place.left -= known
    place.printed += quantity - known
    place.ahead = max(ZERO, place.ahead - (quantity - known) - known * (1 - place.left_share))
