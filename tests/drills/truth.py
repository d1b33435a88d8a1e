"""The judge of the kill drill: what the venue knows, what the bot wrote down before it was killed, and whether the two agree.

Who calls it: kills.py. It reads the venue over REST with its own signatures, the intents and the store as plain files, and the running bot only
through the words of its status verb. It shares no code with the bot but the head of a record.
Never: a change to anything; a verdict from the bot's word alone.
"""

import json
import sqlite3
import zlib
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from state.intents import HEAD, SCAR
from tests.drills.harness import CREATES, SYMBOL, Row, Venue

PAGE = 1000
DECIDED = frozenset({"done", "refused", "not_sent"})
OVER = frozenset({"FILLED", "CANCELED", "REJECTED", "EXPIRED", "EXPIRED_IN_MATCH"})
BASE, QUOTE = "BTC", "USDT"
Trade = tuple[int, str, Decimal, Decimal]  # order id, side, price, quantity


# -- the venue -----------------------------------------------------------------------------------
@dataclass
class Known:
    """What the venue knew at one moment: every trade so far, the open orders, and which client ids it ever carried out."""

    trades: dict[int, Trade] = field(default_factory=dict)
    fees: dict[int, tuple[Decimal, str]] = field(default_factory=dict)
    open_orders: dict[int, str] = field(default_factory=dict)
    door: list[Row] = field(default_factory=list)
    carried_out: set[str] = field(default_factory=set)


def known(at: Venue, before: Known | None) -> Known:
    """Read on from what was known before; trades and door are only added to."""
    now = before or Known()
    while True:
        page = at.exchange.call("GET", "/api/v3/myTrades", symbol=SYMBOL, fromId=max(now.trades, default=-1) + 1, limit=PAGE).json
        for row in page:
            side = "BUY" if row["isBuyer"] else "SELL"
            now.trades[row["id"]] = (row["orderId"], side, Decimal(row["price"]), Decimal(row["qty"]))
            now.fees[row["id"]] = (Decimal(row["commission"]), row["commissionAsset"])
        if len(page) < PAGE:
            break
    fresh = at.exchange.control("GET", f"log?after={now.door[-1]['sequence'] if now.door else 0}")["log"]
    now.door += fresh
    now.carried_out |= {row["client_order_id"] for row in now.door if row["method"] in CREATES and row["outcome"] == "200"}
    now.open_orders = at.open_orders()
    return now


# -- what was written down -----------------------------------------------------------------------
class Tail:
    """The intents as they grow, read on from where the last reading ended."""

    def __init__(self, path: Path) -> None:
        self._path, self._at, self._boot = path, 0, ""
        self.instance = ""
        self._calls: dict[tuple[str, int], str] = {}
        self.places: dict[str, Row] = {}  # client id -> the command
        self.decided: set[str] = set()  # its request has a result
        self.ended: dict[str, str] = {}  # client id -> status, with all its fills
        self.fills: Counter[int] = Counter()  # trade id -> how often it was booked
        self.booked: dict[int, Trade] = {}
        self.boots: Counter[str] = Counter()
        self.damage: list[str] = []

    def read(self) -> None:
        data = self._path.read_bytes()[self._at :] if self._path.exists() else b""
        at = 0
        while at + HEAD.size <= len(data):
            if data.startswith(SCAR, at):
                at += len(SCAR)
                continue
            length, crc = HEAD.unpack_from(data, at)
            payload = data[at + HEAD.size : at + HEAD.size + length]
            is_whole = len(payload) == length and zlib.crc32(payload) == crc
            if not is_whole and (scar := data.find(SCAR, at)) >= 0:
                at = scar  # what stands before a scar was cut off
                continue
            if len(payload) < length:
                break  # it is being written
            if zlib.crc32(payload) != crc:
                self.damage.append(f"the intents are damaged at byte {self._at + at}")
                break
            self._take(json.loads(payload))
            at += HEAD.size + length
        self._at += at

    def _take(self, record: Row) -> None:
        kind = record["record"]
        if kind == "boot":
            self._boot, self.instance = record["boot"], record["instance"]
            self.boots[self._boot] += 1
        elif kind == "intent" and record["command"]["kind"] in ("Place", "Replace"):
            command = record["command"].get("place", record["command"])
            self.places[command["client_order_id"]] = command
            self._calls[self._boot, command["command_id"]] = command["client_order_id"]
        elif kind == "result" and record["outcome"] in DECIDED and (self._boot, record["command_id"]) in self._calls:
            self.decided.add(self._calls[self._boot, record["command_id"]])
        elif kind == "fill":
            fill = record["fill"]
            self.fills[fill["trade_id"]] += 1
            self.booked[fill["trade_id"]] = (fill["venue_order_id"], fill["side"], Decimal(fill["price"]), Decimal(fill["quantity"]))
        elif kind == "end" and record["is_complete"]:
            self.ended[record["client_order_id"]] = record["status"]

    def undecided(self) -> list[str]:
        """Places without a result and without an ending, now."""
        self.read()
        return [name for name in self.places if name not in self.decided and name not in self.ended]


def undecided_left(tail: Tail, inherited: list[str]) -> list[str]:
    """Of these, what still has no ending. (One that rests with the venue's word has no ending either: the caller asks the status for its light.)"""
    tail.read()
    return [name for name in inherited if name not in tail.ended]


# -- a life --------------------------------------------------------------------------------------
def judge(at: Venue, before: Known, tail: Tail, inherited: list[str], shown: Any) -> tuple[list[str], list[str]]:
    """(what contradicts I17, undecided places that are named on a red side) of a status taken after `before` was read.

    An order that was open then and is open now was open when the status was taken; so the comparison needs no standstill.
    """
    still_open = at.open_orders()
    tail.read()
    sides = {(side["symbol"], side["side"]): side for side in shown["sides"]}
    ours = {order["client_order_id"]: (order, side["colour"]) for side in sides.values() for order in side["orders"]}
    wrong = list(tail.damage)
    rested = [name for order_id, name in before.open_orders.items() if order_id in still_open]
    wrong += [f"open order {name} is not in the book" for name in rested if name not in ours]
    if missing := [trade for trade in before.trades if trade not in tail.fills]:
        wrong.append(f"trades not booked: {missing[:10]}")
    wrong += [f"trade {trade} is booked {count} times" for trade, count in tail.fills.items() if count > 1]
    named = []
    for name in inherited:
        if name in tail.ended:
            continue
        order, colour = ours.get(name, (None, ""))
        if order is None:
            wrong.append(f"undecided {name} is neither ended nor shown")
        elif order["status"] == "UNSEEN" and name in before.carried_out:
            wrong.append(f"{name} was carried out and is not booked")
        elif order["status"] == "UNSEEN":
            named.append(name)
            wrong += [] if colour == "red" else [f"undecided {name} is shown on a side that is {colour}"]
    return wrong, named


# -- the whole history ---------------------------------------------------------------------------
@dataclass(frozen=True)
class History:
    orders: int
    trades: int
    wrong: list[str]


def history(at: Venue, tail: Tail, home: Path, begun_with: dict[str, tuple[Decimal, Decimal]]) -> History:
    """Everything after the last life: orders, trades, store and money against the venue's own lists."""
    everything = known(at, None)
    orders = _all_orders(at)
    wrong = [f"open after the end: {everything.open_orders}"] if everything.open_orders else []
    wrong += [] if everything.door and everything.door[0]["sequence"] == 1 else ["the door log has lost its beginning"]
    wrong += [f"{name} reached the create endpoint more than once" for name in at.created_twice()]
    wrong += [f"boot {boot} was used {count} times" for boot, count in tail.boots.items() if count > 1]
    wrong += [f"order {name} has no intent" for name in orders if name not in tail.places]
    wrong += [f"place {name} never ended" for name in tail.undecided()]
    wrong += [
        f"{name}: {status} in the intents, {orders[name]['status'] if name in orders else 'unknown'} at the venue"
        for name, status in tail.ended.items()
        if _differs(orders, name, status)
    ]
    if tail.booked != everything.trades:
        ours, theirs = tail.booked.items(), everything.trades.items()
        wrong.append(f"fills: only booked {ours - theirs}, only at the venue {theirs - ours}")
    wrong += [f"trade {trade} is booked {count} times" for trade, count in tail.fills.items() if count > 1]
    wrong += _money(at, tail, everything, begun_with)
    wrong += _store(home / "store.db", orders, everything)
    return History(len(orders), len(everything.trades), wrong[:40])


def _differs(orders: dict[str, Row], name: str, status: str) -> bool:
    """The venue's word is another. What it never heard of may only have ended as not found or refused."""
    return status != orders[name]["status"] if name in orders else status == "FILLED"


def _all_orders(at: Venue) -> dict[str, Row]:
    """Every order of the account, by the client id it was placed with (a cancel renames it)."""
    found: dict[str, Row] = {}
    after = 0
    while True:
        page = at.exchange.call("GET", "/api/v3/allOrders", symbol=SYMBOL, orderId=after, limit=PAGE).json
        found.update((row["clientOrderId"].rstrip("ac"), row) for row in page)
        if len(page) < PAGE:
            return found
        after = page[-1]["orderId"] + 1


def _money(at: Venue, tail: Tail, everything: Known, begun_with: dict[str, tuple[Decimal, Decimal]]) -> list[str]:
    """I1: what was there, the trades the bot booked and the fees of them are what is there now, to the last digit."""
    held = {asset: free + locked for asset, (free, locked) in begun_with.items()}
    for trade, (_, side, price, quantity) in tail.booked.items():
        sign = 1 if side == "BUY" else -1
        held[BASE] += sign * quantity
        held[QUOTE] -= sign * price * quantity
        fee, asset = everything.fees.get(trade, (Decimal(0), QUOTE))
        held[asset] -= fee
    stated = {asset: free + locked for asset, (free, locked) in at.balances().items()}
    return [f"{asset}: {held[asset]} by the trades, {total} at the venue" for asset, total in stated.items() if held.get(asset) != total]


def _store(path: Path, orders: dict[str, Row], everything: Known) -> list[str]:
    """The store tells the same: each trade once, each order with the venue's status."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as store:
        trades = Counter(row[0] for row in store.execute("SELECT trade_id FROM execution_reports WHERE trade_id IS NOT NULL"))
        rows = {row[0]: row[1:] for row in store.execute("SELECT client_order_id, status, is_open, venue_order_id FROM orders")}
    wrong = [f"store: trade {trade} {count} times" for trade, count in trades.items() if count > 1]
    if trades.keys() != everything.trades.keys():
        missing, unknown = everything.trades.keys() - trades.keys(), trades.keys() - everything.trades.keys()
        wrong.append(f"store: trades missing {sorted(missing)}, unknown {sorted(unknown)}")
    for name, order in orders.items():
        row = rows.get(name)
        if row is None:
            wrong.append(f"store: no order {name}")
        elif (row[0], row[2]) != (order["status"], order["orderId"]) or row[1]:
            wrong.append(f"store: {name} is {row}, at the venue {order['status']} {order['orderId']}")
    wrong += [f"store: {name} is open" for name, row in rows.items() if row[1] and name not in orders]
    return wrong
