"""Answers of Binance that may speak of several orders -> core facts: a list placed, a cancel, a cancel of everything. Pure.

Who calls it: venue.py on lane threads, user_stream.py on the reader thread. A leg and its list are one thing to the venue: the cancel of a leg ends
its list, and the answer is then list-shaped. Never: a clock, a network call. A body that does not fit raises BadBody.
Source: binance-wire 2 (DELETE /openOrders, OCO).
"""

import msgspec

from core.commands import PlaceOco
from core.events import OcoAnswer
from core.types import OrderFacts
from exchange.binance import wire
from exchange.binance.wire import BadBody, decode


class _Listed(msgspec.Struct, frozen=True, rename="camel"):
    """An order list; its `orderReports` are answers about one order each."""

    order_reports: tuple[msgspec.Raw, ...] | None = None


class _Named(msgspec.Struct, frozen=True, rename="camel"):
    client_order_id: str


_named = msgspec.json.Decoder(_Named)
_raws = msgspec.json.Decoder(tuple[msgspec.Raw, ...])
_listed = msgspec.json.Decoder(_Listed)


def canceled(raw: bytes | msgspec.Raw, venue_order_id: int) -> tuple[OrderFacts, tuple[OrderFacts, ...]]:
    """The answer to DELETE /order: what it says of that order, and of the others that went with it."""
    reports = _reports(raw)
    wanted = [facts for facts in reports if facts.venue_order_id == venue_order_id]
    if not wanted:
        raise BadBody(f"the answer to the cancel of order {venue_order_id} does not speak of it")
    return wanted[0], tuple(facts for facts in reports if facts is not wanted[0])


def placed(raw: bytes | msgspec.Raw, command: PlaceOco, by_socket: bool = False) -> OcoAnswer:
    """The answer to orderList/oco: both legs by their names."""
    legs = {leg.client_order_id: leg for leg in command.legs}
    found: dict[str, OrderFacts] = {}
    for report in decode(raw, _listed).order_reports or ():
        name = decode(report, _named).client_order_id
        if name in legs:
            found[name] = wire.placed(report, legs[name])
    if found.keys() != legs.keys():
        raise BadBody(f"the answer to list {command.list_id} does not speak of both legs")
    return OcoAnswer(stop=found[command.stop.client_order_id], profit=found[command.profit.client_order_id], by_socket=by_socket)


def cancel_reports(raw: bytes | msgspec.Raw) -> tuple[OrderFacts, ...]:
    """DELETE /openOrders: cancel reports, with those of order lists unpacked."""
    return tuple(facts for part in decode(raw, _raws) for facts in _reports(part))


def _reports(raw: bytes | msgspec.Raw) -> tuple[OrderFacts, ...]:
    listed = decode(raw, _listed).order_reports
    return tuple(wire.order_facts(report) for report in (listed if listed is not None else (raw,)))
