"""The words of the venue for orders, trades and the account: REST and WS API bodies, user events.

Pure. Called by the desk's operations and by the user event dispatcher. Written from binance-wire 2, 3, 6 and 7 and
from the observed messages; it shares no code with the bot's reader on purpose, so that both cannot be wrong together. Never: a decision, a clock.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal

from exchange.paper.model import BalanceReport, OrderReport, PaperOrder, PaperTrade, Prevention

Json = dict[str, object]
ZERO = "0.00000000"
NO_TRADE_GROUP = -1
_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)
EXPIRED_STATES = ("EXPIRED", "EXPIRED_IN_MATCH")


def encode(value: object) -> bytes:
    """Compact JSON in the key order given."""
    return _ENCODER.encode(value).encode()


def amount(value: Decimal | None) -> str:
    """A price or quantity as the venue writes it: 8 decimals, no exponent."""
    return ZERO if value is None else f"{value:.8f}"


def ack(order: PaperOrder) -> Json:
    """The ACK answer of a placement."""
    return {
        "symbol": order.symbol,
        "orderId": order.order_id,
        "orderListId": order.list_id,
        "clientOrderId": order.client_order_id,
        "transactTime": order.created_ms,
    }


def _prevented(order: PaperOrder) -> Json:
    return {"preventedMatchId": order.prevented_match_id, "preventedQuantity": amount(order.prevented)} if order.prevented else {}


def _prevented_matches(preventions: Iterable[Prevention]) -> Json:
    rows = [
        {"preventedMatchId": each.match_id, "makerOrderId": each.maker_order_id, "price": amount(each.price), **_lost(each)}
        for each in preventions
    ]
    return {"preventedMatches": rows} if rows else {}


def _lost(prevention: Prevention) -> Json:
    """The quantities the two orders lost; one that lost nothing is not named."""
    lost = {"takerPreventedQuantity": prevention.taker_lost, "makerPreventedQuantity": prevention.maker_lost}
    return {name: amount(quantity) for name, quantity in lost.items() if quantity}


def prevented_match(prevention: Prevention) -> Json:
    """One row of myPreventedMatches; the account is in no trade group."""
    return {
        "symbol": prevention.symbol,
        "preventedMatchId": prevention.match_id,
        "takerOrderId": prevention.taker_order_id,
        "makerSymbol": prevention.symbol,
        "makerOrderId": prevention.maker_order_id,
        "tradeGroupId": NO_TRADE_GROUP,
        "selfTradePreventionMode": prevention.mode,
        "price": amount(prevention.price),
        **_lost(prevention),
        "transactTime": prevention.time_ms,
    }


def _expiry(order: PaperOrder) -> Json:
    if order.status in EXPIRED_STATES and order.expiry_reason:
        return {"expiryReason": order.expiry_reason}
    return {}


def _stop(order: PaperOrder) -> Json:
    """Of orders that wait for a price only; `trailingTime` is -1 until it follows the market."""
    fields: Json = {"stopPrice": amount(order.stop_price)} if order.is_algo else {}
    if order.trailing_delta:
        fields.update({"trailingDelta": order.trailing_delta, "trailingTime": order.trailing_ms})
    return fields


def _strategy(order: PaperOrder) -> Json:
    named = {"strategyId": order.strategy_id, "strategyType": order.strategy_type}
    return {name: value for name, value in named.items() if value is not None}


def _state(order: PaperOrder) -> Json:
    return {
        "price": amount(order.price),
        "origQty": amount(order.quantity),
        "executedQty": amount(order.executed),
        "origQuoteOrderQty": amount(order.quote_quantity),
        "cummulativeQuoteQty": amount(order.cumulative_quote),
        "status": order.status,
        "timeInForce": order.time_in_force,
        "type": order.type,
        "side": order.side,
        **_stop(order),
        **_strategy(order),
    }


def placed(order: PaperOrder, trades: Iterable[PaperTrade], response_type: str, preventions: Iterable[Prevention] = ()) -> Json:
    """The answer of a placement as ACK, RESULT or FULL."""
    body = ack(order)
    if response_type == "ACK":
        return body
    body.update(_state(order))
    body["workingTime"] = order.working_ms
    if response_type == "FULL":
        body["fills"] = [
            {
                "price": amount(trade.price),
                "qty": amount(trade.quantity),
                "commission": amount(trade.commission),
                "commissionAsset": trade.commission_asset,
                "tradeId": trade.trade_id,
            }
            for trade in trades
        ]
    body.update(_prevented_matches(preventions))
    body["selfTradePreventionMode"] = order.stp_mode
    return {**body, **_prevented(order), **_expiry(order)}


def canceled(order: PaperOrder) -> Json:
    """The answer of a cancel: the order under its new name, with the name it had."""
    return {
        "symbol": order.symbol,
        "origClientOrderId": order.original_client_order_id,
        "orderId": order.order_id,
        "orderListId": order.list_id,
        "clientOrderId": order.client_order_id,
        "transactTime": order.updated_ms,
        **_state(order),
        "selfTradePreventionMode": order.stp_mode,
        **_prevented(order),
    }


def queried(order: PaperOrder) -> Json:
    """One order as queries and lists show it."""
    return {
        "symbol": order.symbol,
        "orderId": order.order_id,
        "orderListId": order.list_id,
        "clientOrderId": order.client_order_id,
        "price": amount(order.price),
        "origQty": amount(order.quantity),
        "executedQty": amount(order.executed),
        "cummulativeQuoteQty": amount(order.cumulative_quote),
        "status": order.status,
        "timeInForce": order.time_in_force,
        "type": order.type,
        "side": order.side,
        "stopPrice": ZERO,
        **_stop(order),
        "icebergQty": ZERO,
        "time": order.created_ms,
        "updateTime": order.updated_ms,
        "isWorking": order.working_ms >= 0,
        "workingTime": order.working_ms,
        "origQuoteOrderQty": amount(order.quote_quantity),
        "selfTradePreventionMode": order.stp_mode,
        **_strategy(order),
        **_prevented(order),
        **_expiry(order),
    }


def amended(order: PaperOrder, previous_client_order_id: str, execution_id: int) -> Json:
    """The answer of amend keepPriority (here Binance spells `cumulativeQuoteQty` and `qty`)."""
    return {
        "transactTime": order.updated_ms,
        "executionId": execution_id,
        "amendedOrder": {
            "symbol": order.symbol,
            "orderId": order.order_id,
            "orderListId": order.list_id,
            "origClientOrderId": previous_client_order_id,
            "clientOrderId": order.client_order_id,
            "price": amount(order.price),
            "qty": amount(order.quantity),
            "executedQty": amount(order.executed),
            "preventedQty": amount(order.prevented),
            "quoteOrderQty": amount(order.quote_quantity),
            "cumulativeQuoteQty": amount(order.cumulative_quote),
            "status": order.status,
            "timeInForce": order.time_in_force,
            "type": order.type,
            "side": order.side,
            **_stop(order),
            "workingTime": order.working_ms,
            "selfTradePreventionMode": order.stp_mode,
        },
    }


def own_trade(trade: PaperTrade, list_id: int) -> Json:
    """One row of myTrades."""
    return {
        "symbol": trade.symbol,
        "id": trade.trade_id,
        "orderId": trade.order_id,
        "orderListId": list_id,
        "price": amount(trade.price),
        "qty": amount(trade.quantity),
        "quoteQty": amount(trade.quote_quantity),
        "commission": amount(trade.commission),
        "commissionAsset": trade.commission_asset,
        "time": trade.time_ms,
        "isBuyer": trade.is_buyer,
        "isMaker": trade.is_maker,
        "isBestMatch": True,
    }


def account(
    balances: Mapping[str, tuple[Decimal, Decimal]],
    maker_fee: Decimal,
    taker_fee: Decimal,
    updated_ms: int,
    uid: int,
    omit_zero: bool,
) -> Json:
    """GET account. Fees as fractions; the old commission fields are in basis points."""
    rows = [
        {"asset": asset, "free": amount(free), "locked": amount(locked)}
        for asset, (free, locked) in balances.items()
        if not omit_zero or free or locked
    ]
    return {
        "makerCommission": int(maker_fee * 10_000),
        "takerCommission": int(taker_fee * 10_000),
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": _rates(maker_fee, taker_fee),
        "canTrade": True,
        "canWithdraw": False,
        "canDeposit": True,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": updated_ms,
        "accountType": "SPOT",
        "balances": rows,
        "permissions": ["SPOT"],
        "uid": uid,
    }


def _rates(maker_fee: Decimal, taker_fee: Decimal) -> Json:
    return {"maker": amount(maker_fee), "taker": amount(taker_fee), "buyer": ZERO, "seller": ZERO}


def commission(symbol: str, maker_fee: Decimal, taker_fee: Decimal) -> Json:
    """GET account/commission: no special, no tax, no BNB discount here."""
    nothing = {"maker": ZERO, "taker": ZERO, "buyer": ZERO, "seller": ZERO}
    return {
        "symbol": symbol,
        "standardCommission": _rates(maker_fee, taker_fee),
        "specialCommission": dict(nothing),
        "taxCommission": dict(nothing),
        "discount": {
            "enabledForAccount": False,
            "enabledForSymbol": False,
            "discountAsset": "BNB",
            "discount": ZERO,
        },
    }


def execution_report(report: OrderReport, now_ms: int) -> Json:
    """The executionReport event, fields in the order seen on the wire.

    Not a trade: t -1, N null, n "0". `w` is false on every TRADE (observed), `M` true on it. An order that waits has no `W`.
    """
    order, trade = report.order, report.trade
    event: Json = {
        "e": "executionReport",
        "E": now_ms,
        "s": order.symbol,
        "c": report.client_order_id,
        "S": order.side,
        "o": order.type,
        "f": order.time_in_force,
        "q": amount(order.quantity),
        "p": amount(order.price),
        "P": amount(order.stop_price),
        **({"d": order.trailing_delta, "D": order.trailing_ms} if order.trailing_delta else {}),
        "F": ZERO,
        "g": order.list_id,
        "C": report.original_client_order_id,
        "x": report.execution_type,
        "X": order.status,
        "r": "NONE",
        "i": order.order_id,
        "l": amount(trade.quantity) if trade else ZERO,
        "z": amount(order.executed),
        "L": amount(trade.price) if trade else ZERO,
        "n": amount(trade.commission) if trade else "0",
        "N": trade.commission_asset if trade else None,
        "T": report.time_ms,
        "t": trade.trade_id if trade else -1,
        **({"v": report.prevention.match_id} if report.prevention else {}),
        "I": report.execution_id,
        "w": report.on_book and trade is None,
        "m": trade.is_maker if trade else False,
        "M": trade is not None,
        "O": order.created_ms,
        "Z": amount(order.cumulative_quote),
        "Y": amount(trade.quote_quantity) if trade else ZERO,
        "Q": amount(order.quote_quantity),
        **({"W": order.working_ms} if order.working_ms >= 0 else {}),
        "V": order.stp_mode,
    }
    event.update(_report_extras(report))
    return event


def _report_extras(report: OrderReport) -> Json:
    order = report.order
    extras: Json = {name: value for name, value in (("j", order.strategy_id), ("J", order.strategy_type)) if value is not None}
    if report.prevention:
        extras.update(_prevention(order, report.prevention))
    if order.status in EXPIRED_STATES and order.expiry_reason:
        extras["eR"] = order.expiry_reason
    return extras


def _prevention(order: PaperOrder, prevention: Prevention) -> Json:
    return {
        "A": amount(order.prevented),
        "B": amount(prevention.lost(order.order_id)),
        "u": NO_TRADE_GROUP,
        "U": prevention.other(order.order_id),
        "Cs": prevention.symbol,
        "pl": amount(prevention.quantity),
        "pL": amount(prevention.price),
        "pY": amount(prevention.quantity * prevention.price),
    }


def account_position(report: BalanceReport, now_ms: int) -> Json:
    """The outboundAccountPosition event: absolute values of the assets touched."""
    return {
        "e": "outboundAccountPosition",
        "E": now_ms,
        "u": report.time_ms,
        "B": [{"a": asset, "f": amount(free), "l": amount(locked)} for asset, free, locked in report.balances],
    }


def balance_update(asset: str, delta: Decimal, now_ms: int) -> Json:
    """The balanceUpdate event of a deposit or withdrawal."""
    return {"e": "balanceUpdate", "E": now_ms, "a": asset, "d": amount(delta), "T": now_ms}
