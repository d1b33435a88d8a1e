"""The matching engine's nouns as the events and answers a venue adapter would post.

Who calls it: sim.venue and sim.streams. Pure. Source of every rule of naming: binance-wire 0.3 and 7 (a cancel renames the order).
Never: a fact the matching engine did not state.
"""

from core.events import AccountPosition, BookTicker, DepthDiff, ExecutionReport, MarketTrade
from core.types import Balance, Fill, Liquidity, OrderFacts, Side, SymbolRules
from exchange.paper.model import BalanceReport, OrderReport, PaperOrder, PaperTrade, PublicTrade
from exchange.paper.model import SymbolRules as PaperRules


def paper_rules(rules: SymbolRules) -> PaperRules:
    return PaperRules(
        symbol=rules.symbol,
        base=rules.base,
        quote=rules.quote,
        tick=rules.tick,
        step=rules.step,
        min_quantity=rules.min_quantity,
        max_quantity=rules.max_quantity,
        min_notional=rules.min_notional,
        min_price=rules.min_price,
        max_price=rules.max_price,
        bid_multiplier_up=rules.bid_multiplier_up,
        bid_multiplier_down=rules.bid_multiplier_down,
        ask_multiplier_up=rules.ask_multiplier_up,
        ask_multiplier_down=rules.ask_multiplier_down,
        max_orders=rules.max_orders,
    )


def fill_of(trade: PaperTrade, client_order_id: str = "") -> Fill:
    """myTrades names no client id; a report does."""
    return Fill(
        symbol=trade.symbol,
        trade_id=trade.trade_id,
        venue_order_id=trade.order_id,
        client_order_id=client_order_id,
        side=Side.BUY if trade.is_buyer else Side.SELL,
        price=trade.price,
        quantity=trade.quantity,
        fee=trade.commission,
        fee_asset=trade.commission_asset,
        liquidity=Liquidity.MAKER if trade.is_maker else Liquidity.TAKER,
        time_ms=trade.time_ms,
    )


def facts_of(order: PaperOrder, fills: tuple[Fill, ...] = (), original: str = "") -> OrderFacts:
    """`original` is given only in the reply to a cancel; a query names the order by its present (perhaps new) name alone."""
    return OrderFacts(
        symbol=order.symbol,
        venue_order_id=order.order_id,
        client_order_id=order.client_order_id,
        side=Side(order.side),
        type=order.type,
        time_in_force=order.time_in_force,
        price=order.price,
        quantity=order.quantity,
        executed=order.executed,
        cumulative_quote=order.cumulative_quote,
        status=order.status,
        created_ms=order.created_ms,
        updated_ms=order.updated_ms,
        fills=fills,
        orig_client_order_id=original,
        stop_price=order.stop_price,
        is_working=order.working_ms >= 0,
        list_id=order.list_id,
    )


def execution_report(report: OrderReport, received_ns: int) -> ExecutionReport:
    order = report.order
    client_order_id = report.original_client_order_id or report.client_order_id
    return ExecutionReport(
        symbol=order.symbol,
        venue_order_id=order.order_id,
        client_order_id=client_order_id,
        report_id=report.client_order_id,
        side=Side(order.side),
        type=order.type,
        price=order.price,
        quantity=order.quantity,
        execution_type=report.execution_type,
        status=order.status,
        reject_reason="NONE",
        executed=order.executed,
        cumulative_quote=order.cumulative_quote,
        execution_id=report.execution_id,
        time_ms=report.time_ms,
        created_ms=order.created_ms,
        fill=None if report.trade is None else fill_of(report.trade, client_order_id),
        received_ns=received_ns,
        stop_price=order.stop_price,
        is_on_book=report.on_book and report.trade is None,
        list_id=order.list_id,
    )


def account_position(report: BalanceReport, received_ns: int) -> AccountPosition:
    held = tuple(Balance(asset=asset, free=free, locked=locked) for asset, free, locked in report.balances)
    return AccountPosition(balances=held, update_ms=report.time_ms, received_ns=received_ns)


def market_trade(trade: PublicTrade, received_ns: int) -> MarketTrade:
    return MarketTrade(
        symbol=trade.symbol,
        trade_id=trade.trade_id,
        price=trade.price,
        quantity=trade.quantity,
        buyer_is_maker=trade.buyer_is_maker,
        time_ms=trade.time_ms,
        received_ns=received_ns,
    )


__all__ = [
    "BookTicker",
    "DepthDiff",
    "account_position",
    "execution_report",
    "facts_of",
    "fill_of",
    "market_trade",
    "paper_rules",
]
