"""A matching engine with a hand-made book, for the tests of this folder that need no server."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from exchange.paper.listing import default_rules
from exchange.paper.lists import ListRequest, OrderList
from exchange.paper.matching import Matching
from exchange.paper.model import BalanceReport, ListReport, PaperOrder, PlacedOrder, PlaceRequest, Reject, SymbolRules

BTC = "BTCUSDT"
BUY, SELL = "BUY", "SELL"
BALANCES = {"USDT": Decimal(100_000), "BTC": Decimal(10)}


def D(value: str | int) -> Decimal:
    return Decimal(value)


class Engine:
    """Bids 100 .. 99.96 and asks 100.10 .. 100.14 of 1 BTC each; time is a counter of milliseconds."""

    def __init__(self, maker_fee: str = "0", taker_fee: str = "0", empty: bool = False, **rules: object) -> None:
        made = replace(default_rules(BTC), **rules)  # type: ignore[arg-type]
        self.rules: SymbolRules = made
        self.matching = Matching([made, default_rules("ETHUSDT")], BALANCES, D(maker_fee), D(taker_fee))
        self.now_ms = 1_000
        self._names = 0
        if not empty:
            for step in range(5):
                self.background(BUY, D(100) - step * D("0.01"), 1)
                self.background(SELL, D("100.10") + step * D("0.01"), 1)

    def background(self, side: str, price: Decimal | str, quantity: Decimal | str | int) -> None:
        self.matching.set_background(BTC, side, D(str(price)), D(quantity) if not isinstance(quantity, Decimal) else quantity, self.now_ms)

    def hit(self, side: str, quantity: str, limit: str | None = None) -> Decimal:
        return self.matching.aggress(BTC, side, D(quantity), None if limit is None else D(limit), self.now_ms)

    def request(self, side: str, quantity: str | None, price: str | None, kind: str = "LIMIT", **more: str) -> PlaceRequest:
        self._names += 1
        return PlaceRequest(
            symbol=more.get("symbol", BTC),
            side=side,
            type=kind,
            time_in_force=more.get("tif", "GTC") if kind in ("LIMIT", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT") else None,
            quantity=None if quantity is None else D(quantity),
            quote_quantity=D(more["quote"]) if "quote" in more else None,
            price=None if price is None else D(price),
            client_order_id=more.get("name", f"t-{self._names}"),
            stp_mode=more.get("stp"),
            stop_price=D(more["stop"]) if "stop" in more else None,
            trailing_delta=int(more["delta"]) if "delta" in more else None,
        )

    def place(self, side: str, quantity: str | None, price: str | None = None, kind: str = "LIMIT", **more: str) -> PlacedOrder:
        self.now_ms += 1
        return self.matching.place(self.request(side, quantity, price, kind, **more), self.now_ms)

    def pair(self, side: str, quantity: str, stop: dict[str, str], profit: dict[str, str], name: str | None = None) -> OrderList:
        """A one-cancels-the-other pair; the legs are given as the keywords of `request`, `kind` among them."""
        self.now_ms += 1
        wanted = ListRequest(
            name or f"l-{self.now_ms}", *(self.request(side, quantity, **{"price": None, **leg}) for leg in (stop, profit))  # type: ignore[arg-type]
        )
        return self.matching.place_pair(wanted, self.now_ms)[0]

    def legs(self, listed: OrderList) -> tuple[PaperOrder, PaperOrder]:
        """(stop loss, the other) as they are now."""
        first, second = (self.matching.order(BTC, order_id=order_id) for order_id in listed.order_ids)
        return first, second

    def print_at(self, price: str, quantity: str = "0.001") -> None:
        """A trade of strangers at that price, whatever the book says."""
        self.now_ms += 1
        self.matching.replay_trade(BTC, BUY, int(D(price) / self.rules.tick), int(D(quantity) / self.rules.step), self.now_ms)

    def refuse(self, side: str, quantity: str | None, price: str | None = None, kind: str = "LIMIT", **more: str) -> tuple[int, str]:
        """Code and text of the refusal; nothing else may have changed."""
        before = self.matching.dump(), self.matching.depth(BTC, 100)
        with pytest.raises(Reject) as refusal:
            self.place(side, quantity, price, kind, **more)
        assert (self.matching.dump(), self.matching.depth(BTC, 100)) == before
        return refusal.value.code, refusal.value.message

    def order(self, placed: PlacedOrder) -> PaperOrder:
        return self.matching.order(BTC, order_id=placed.order.order_id)

    def balance(self, asset: str) -> tuple[Decimal, Decimal]:
        return self.matching.balances()[asset]

    def heard(self) -> list[str]:
        """The private reports since the last call, as words: `NEW:NEW`, `TRADE:FILLED`, `balances`, `list ALL_DONE:ALL_DONE`."""
        words = []
        for report in self.matching.drain_reports():
            if isinstance(report, ListReport):
                words.append(f"list {report.status_type}:{report.order_status}")
            else:
                words.append("balances" if isinstance(report, BalanceReport) else f"{report.execution_type}:{report.order.status}")
        return words
