"""A recorded run as one HTML file: the same facts as `python bot.py report`, with the inventory and the money over time drawn.

Who calls it: bot.py, for `report --html`, on the main thread of a process of its own. Pure: a report in, text out. Every text is escaped; the file
holds no script and asks for nothing. Never: a number that is not in the report, or computed from its fills in a way the page does not say.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from html import escape
from typing import Any

from core.money import BPS, ZERO, plain
from dashboard import figures
from dashboard.drawing import STYLE, chart, table

FILLS_SHOWN, ROWS_SHOWN = 200, 200
NOT_COUNTED = " Mark-outs, up-time, lights and latencies are not known: the run is of an older version, or the store was rebuilt from the intents."
Fill = Mapping[str, Any]
Row = Sequence[str]


@dataclass(slots=True)
class Class:
    """Fills of one symbol, side and liquidity."""

    fills: int = 0
    quantity: Decimal = ZERO
    quote: Decimal = ZERO


def html(report: Mapping[str, Any], lines: Iterable[str]) -> str:
    """The whole file; `lines` are the report in words (state.report.lines)."""
    fills: Sequence[Fill] = report["fills"]
    counted = report.get("figures")
    title = f"Greenlight · run {report['run_id']}"
    end = f"ended {report['ended']} (exit {report['exit_code']}): {report['end_reason']}" if report["ended"] else "no end recorded"
    about = f"{report['venue']} account {report['instance']} · started {report['started']} · {end} · as of {report['as_of']}"
    parts = [
        f"<header><h1>{escape(title)}</h1><p>{escape(about)}</p></header>",
        _tiles(report, fills),
        _over_time(report, fills),
        *(figures.sections(counted) if counted else ()),
        table("Fills by class", ("symbol", "side", "as", "fills", "quantity", "quote", "average"), _class_rows(fills), 3),
        table("Bought and sold", ("symbol", "bought at", "sold at", "matched", "sold over bought", "in bp"), _captured_rows(fills), 1),
        table("Orders by ending", ("status", "evidence", "orders"), _ending_rows(report["orders"]), 2),
        _orders("Open orders", report["open_orders"]),
        _orders("Undecided: without an answer", report["undecided"]),
        table("Lots", ("lot", "opened as", "quantity", "price", "left", "profit before fees", "left for"), _lot_rows(report["lots"]), 2),
        table("Settings in force", ("version", "since"), [(one["version"], one["since"]) for one in report["config_versions"]], 9),
        table(f"Last fills ({min(len(fills), FILLS_SHOWN)} of {len(fills)})", FILL_COLUMNS, _fill_rows(fills), 4),
        f"<section><h2>In words</h2><pre>{escape(chr(10).join(lines))}</pre></section>",
        f"<footer>From what was recorded (store and intents).{'' if counted else NOT_COUNTED}</footer>",
    ]
    policy = "default-src 'none'; style-src 'unsafe-inline'"  # the style stands in the file; nothing else may load or run
    head = (
        f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)}</title><style>{STYLE}</style>"
    )
    body = "\n".join(part for part in parts if part)
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n{body}\n</body></html>\n'


# -- numbers -------------------------------------------------------------------------------------
def _tiles(report: Mapping[str, Any], fills: Sequence[Fill]) -> str:
    makers = sum(fill["liquidity"] == "maker" for fill in fills)
    fees = ", ".join(f"{value} {asset}" for asset, value in report["fees"].items()) or "none"
    told = [("fills", str(len(fills)), f"maker {makers} · taker {len(fills) - makers}"), ("fees", fees, "")]
    orders = len(report["orders"])
    traded = len({fill["client_order_id"] for fill in fills})
    told.append(("orders", str(orders), f"{orders / traded:.1f} for each that traded" if traded else "none traded"))
    if report["pnl_quote"] is None:
        told.insert(0, ("P&L", "not known", "the balances at the start were not recorded"))
    else:
        total, hold, quote = Decimal(report["pnl_quote"]), Decimal(report["pnl_hold_quote"]), report["quote"]
        told.insert(0, ("P&L", f"{total:+.4f}", f"{quote}, at the newest recorded mids"))
        told.insert(1, ("quoting", f"{total - hold:+.4f}", "P&L less hold"))
        told.insert(2, ("hold", f"{hold:+.4f}", "what the start balances did alone"))
    if counted := report.get("figures"):
        told += figures.tiles(counted)
    tiles = "".join(f"<div><small>{escape(name)}</small><b>{escape(value)}</b><span>{escape(note)}</span></div>" for name, value, note in told)
    return f'<section class="tiles">{tiles}</section>'


def _over_time(report: Mapping[str, Any], fills: Sequence[Fill]) -> str:
    """Per symbol: the inventory after each fill, and cash plus inventory at the price of that fill, fees left out."""
    drawn = []
    for symbol in dict.fromkeys(fill["symbol"] for fill in fills):
        held = cash = ZERO
        inventory, money = list[tuple[int, Decimal]](), list[tuple[int, Decimal]]()
        for fill in (one for one in fills if one["symbol"] == symbol):
            price, quantity = Decimal(fill["price"]), Decimal(fill["quantity"])
            signed = quantity if fill["side"] == "BUY" else -quantity
            held, cash = held + signed, cash - signed * price
            inventory.append((fill["time_ms"], held))
            money.append((fill["time_ms"], cash + held * price))
        drawn.append(f"<figure><figcaption>{escape(symbol)} inventory since the start, base</figcaption>{chart(inventory, is_step=True)}</figure>")
        what = "traded, in quote: cash and inventory at the price of each fill, before fees"
        drawn.append(f"<figure><figcaption>{escape(symbol)} {what}</figcaption>{chart(money)}</figure>")
    return f'<section><h2>Over time</h2><div class="pair">{"".join(drawn)}</div></section>' if drawn else ""


def _classes(fills: Iterable[Fill]) -> dict[tuple[str, str, str], Class]:
    found: dict[tuple[str, str, str], Class] = {}
    for fill in fills:
        one = found.setdefault((fill["symbol"], fill["side"], fill["liquidity"]), Class())
        one.fills += 1
        one.quantity += Decimal(fill["quantity"])
        one.quote += Decimal(fill["quantity"]) * Decimal(fill["price"])
    return found


def _class_rows(fills: Iterable[Fill]) -> list[Row]:
    return [
        (*name, str(one.fills), plain(one.quantity), f"{one.quote:.2f}", _price(one.quote / one.quantity))
        for name, one in sorted(_classes(fills).items())
    ]


def _captured_rows(fills: Iterable[Fill]) -> list[Row]:
    """The average sale over the average purchase, on the quantity that was both bought and sold."""
    symbols: dict[str, dict[str, Class]] = {}
    for (symbol, side, _), one in _classes(fills).items():
        summed = symbols.setdefault(symbol, {"BUY": Class(), "SELL": Class()})[side]
        summed.quantity, summed.quote = summed.quantity + one.quantity, summed.quote + one.quote
    rows = list[Row]()
    for symbol, sides in sorted(symbols.items()):
        bought, sold = sides["BUY"], sides["SELL"]
        if bought.quantity and sold.quantity:
            low, high = bought.quote / bought.quantity, sold.quote / sold.quantity
            matched = min(bought.quantity, sold.quantity)
            rows.append((symbol, _price(low), _price(high), plain(matched), f"{(high - low) * matched:+.4f}", f"{(high - low) / low * BPS:+.2f}"))
    return rows


def _ending_rows(orders: Iterable[Mapping[str, Any]]) -> list[Row]:
    counted = Counter((order["status"], order["evidence"] or "still open") for order in orders)
    return [(status, evidence, str(count)) for (status, evidence), count in counted.most_common()]


def _lot_rows(lots: Iterable[Mapping[str, Any]]) -> list[Row]:
    newest = sorted((one for one in lots if one["number"]), key=lambda one: -int(one["opened_ns"]))[:ROWS_SHOWN]
    return [
        (
            f"{one['symbol']} {one['side']} {one['number']}",
            one["reason"],
            one["quantity"],
            _price(Decimal(one["price"] or 0)),
            one["left"],
            f"{Decimal(one['profit']):+.4f}",
            "open" if one["closed_ns"] is None else one["exit_reason"] or "too little to leave",
        )
        for one in newest
    ]


FILL_COLUMNS = ("time (UTC)", "symbol", "side", "as", "quantity", "price", "fee", "order")


def _fill_rows(fills: Sequence[Fill]) -> list[Row]:
    shown = fills[: -FILLS_SHOWN - 1 : -1]
    quantities, prices = (_padded([fill[name] for fill in shown]) for name in ("quantity", "price"))
    return [
        (
            datetime.fromtimestamp(fill["time_ms"] // 1000, UTC).strftime("%H:%M:%S") + f".{fill['time_ms'] % 1000:03d}",
            fill["symbol"],
            fill["side"],
            fill["liquidity"],
            quantity,
            price,
            f"{fill['fee']} {fill['fee_asset']}",
            fill["client_order_id"],
        )
        for fill, quantity, price in zip(shown, quantities, prices, strict=True)
    ]


def _orders(title: str, orders: Sequence[Mapping[str, Any]]) -> str:
    rows = [(one["client_order_id"], one["symbol"], one["side"], one["quantity"], one["price"]) for one in orders[:ROWS_SHOWN]]
    return table(title, ("order", "symbol", "side", "quantity", "price"), rows, 3)


# -- words ---------------------------------------------------------------------------------------
def _price(value: Decimal) -> str:
    return f"{value:.4f}"


def _padded(texts: Sequence[str]) -> list[str]:
    """The same numbers with as many decimals as the longest: points stand under each other."""
    places = max((len(text.partition(".")[2]) for text in texts), default=0)
    return [f"{text}{'' if '.' in text or not places else '.'}{'0' * (places - len(text.partition('.')[2]))}" for text in texts]
