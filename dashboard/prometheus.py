"""The numbers of a snapshot as Prometheus reads them (text format 0.0.4).

Who calls it: dashboard.server, on its thread. Never: a label that grows with the data: symbols, sides, colours and codes are closed sets.
"""

from collections.abc import Iterable, Mapping

from core.snapshot import Snapshot

KIND = "text/plain; version=0.0.4; charset=utf-8"
COLOURS = ("green", "amber", "red")
Sample = tuple[Mapping[str, str], object]


def metrics(snapshot: Snapshot | None, is_alive: bool, latency: Mapping[str, float | int]) -> str:
    """Before Boot there is only `greenlight_up`."""
    rows = list(_family("up", "gauge", "1 while the trading thread beats", [({}, int(is_alive))]))
    if snapshot is None:
        return "\n".join(rows) + "\n"
    whole = (
        ("pnl_quote", "gauge", "profit and loss of this run", snapshot.pnl_quote),
        ("pnl_hold_quote", "gauge", "what holding the start balances would have made", snapshot.pnl_hold_quote),
        ("orders_placed_total", "counter", "orders placed", snapshot.orders_placed),
        ("orders_canceled_total", "counter", "orders canceled", snapshot.orders_canceled),
        ("orders_open", "gauge", "orders live or undecided", snapshot.orders_open),
        ("fills_total", "counter", "fills booked", snapshot.fills),
        ("calls_pending", "gauge", "calls without an answer", snapshot.calls_pending),
        ("request_weight_used", "gauge", "request weight of the running window", snapshot.weight_used),
        ("request_weight_limit", "gauge", "its limit", snapshot.weight_limit),
        ("proofs_equal_total", "counter", "proofs that found both books equal", snapshot.proofs_equal),
        ("contradictions_total", "counter", "words of the venue that cannot be", snapshot.contradictions),
        ("halted", "gauge", "1 while quoting is halted", int(bool(snapshot.halted))),
    )
    for name, kind, what, value in whole:
        rows += _family(name, kind, what, [({}, value)])
    rows += _sides(snapshot)
    rows += _symbols(snapshot)
    rows += _family("rejects_total", "counter", "refusals by code", [({"code": code}, count) for code, count in snapshot.rejects.items()])
    if latency.get("count"):
        quantiles: list[Sample] = [({"quantile": "0.5"}, latency["p50_ms"]), ({"quantile": "0.99"}, latency["p99_ms"])]
        rows += _family("place_to_ack_ms", "summary", "decision to the venue's word, newest places", quantiles)
        rows.append(f"greenlight_place_to_ack_ms_count {latency['count']}")
    return "\n".join(rows) + "\n"


def _sides(snapshot: Snapshot) -> Iterable[str]:
    named = [({"symbol": side.symbol, "side": side.side}, side) for side in snapshot.sides]
    lights = [({**labels, "colour": colour}, int(side.colour == colour)) for labels, side in named for colour in COLOURS]
    yield from _family("light", "gauge", "1 for the colour that is shown", lights)
    yield from _family("light_age_seconds", "gauge", "since it shows that colour", [(labels, side.age_ms / 1000) for labels, side in named])
    yield from _family("quote_uptime_ratio", "gauge", "share of the time with a quote", [(labels, side.uptime) for labels, side in named])
    yield from _family("orders_pending", "gauge", "places without an answer", [(labels, side.pending_places) for labels, side in named])
    yield from _family("cancels_pending", "gauge", "cancels without an answer", [(labels, side.pending_cancels) for labels, side in named])
    yield from _family("orders_unknown", "gauge", "orders of unknown outcome", [(labels, side.unknown) for labels, side in named])


def _symbols(snapshot: Snapshot) -> Iterable[str]:
    named = [({"symbol": shown.symbol}, shown) for shown in snapshot.symbols]
    yield from _family("inventory_base", "gauge", "bought less sold since the start", [(labels, shown.inventory) for labels, shown in named])
    ages = [(labels, shown.book_age_ms / 1000) for labels, shown in named if shown.book_age_ms >= 0]
    yield from _family("book_age_seconds", "gauge", "since the market book last gave a sign of life", ages)
    yield from _family("book_gaps_total", "counter", "gaps in the depth stream", [(labels, shown.book_gaps) for labels, shown in named])


def _family(name: str, kind: str, what: str, samples: Iterable[Sample]) -> Iterable[str]:
    yield f"# HELP greenlight_{name} {what}"
    yield f"# TYPE greenlight_{name} {kind}"
    for labels, value in samples:
        inside = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        yield f"greenlight_{name}{'{' + inside + '}' if inside else ''} {value}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
