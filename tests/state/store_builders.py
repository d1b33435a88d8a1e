"""Facts, fills and records for the tests of the store, each with sensible defaults."""

from decimal import Decimal
from typing import Any

from core.commands import Place
from core.events import ExecutionReport
from core.notices import Filled, Holdings, Reported, Sent, Standing
from core.types import Balance, Fill, Liquidity, OrderType, Side
from state.rows import RunStart

BOOT, TAG, AT_NS = "toui69", "gltest", 1_795_253_121_000_000_000
RUN = RunStart(
    boot=BOOT, venue="paper", instance="7", order_tag=TAG, started_ns=AT_NS, symbols=(("BTCUSDT", "BTC", "USDT"), ("ETHUSDT", "ETH", "USDT"))
)
SCOPE = "paper/7"


def order_id(number: int, boot: str = BOOT) -> str:
    return f"{TAG}-{boot}-{number}"


def fill(trade_id: int, **changes: Any) -> Fill:
    values: dict[str, Any] = {
        "symbol": "BTCUSDT",
        "trade_id": trade_id,
        "venue_order_id": 40,
        "client_order_id": order_id(1),
        "side": Side.BUY,
        "price": Decimal(100),
        "quantity": Decimal(1),
        "fee": Decimal(0),
        "fee_asset": "USDT",
        "liquidity": Liquidity.MAKER,
        "time_ms": 2_000,
    }
    return Fill(**(values | changes))


def filled(trade_id: int, **changes: Any) -> Filled:
    made = fill(trade_id, **changes)
    return Filled(
        tag="FILL", symbol=made.symbol, order_id=made.client_order_id, fill=made, done_percent=100, inventory=Decimal(0), pnl=Decimal(0)
    )


def place(number: int, **changes: Any) -> Place:
    values: dict[str, Any] = {
        "command_id": number,
        "reason": "-1.4 bp of mid",
        "timeout_ms": 3000,
        "symbol": "BTCUSDT",
        "side": Side.BUY,
        "type": OrderType.LIMIT_MAKER,
        "time_in_force": None,
        "price": Decimal(100),
        "quantity": Decimal(2),
        "client_order_id": order_id(number),
        "slot": (0, 0),
        "not_after_ns": AT_NS + 250_000_000,
    }
    return Place(**(values | changes))


def sent(number: int, **changes: Any) -> Sent:
    command = place(number, **changes)
    return Sent(tag="PLACE", symbol=command.symbol, order_id=command.client_order_id, command=command)


def standing(number: int, status: str, evidence: str = "", **changes: Any) -> Standing:
    values: dict[str, Any] = {
        "symbol": "BTCUSDT",
        "order_id": order_id(number),
        "side": Side.BUY,
        "price": Decimal(100),
        "quantity": Decimal(2),
        "venue_order_id": 39 + number,
        "status": status,
        "evidence": evidence,
    }
    return Standing(**(values | changes))


def reported(number: int, execution_id: int, **changes: Any) -> Reported:
    values: dict[str, Any] = {
        "symbol": "BTCUSDT",
        "venue_order_id": 39 + number,
        "client_order_id": order_id(number),
        "report_id": order_id(number),
        "side": Side.BUY,
        "type": "LIMIT_MAKER",
        "price": Decimal(100),
        "quantity": Decimal(2),
        "execution_type": "NEW",
        "status": "NEW",
        "reject_reason": "NONE",
        "executed": Decimal(0),
        "cumulative_quote": Decimal(0),
        "execution_id": execution_id,
        "time_ms": 1_500,
        "created_ms": 1_500,
        "fill": None,
        "received_ns": AT_NS,
    }
    report = ExecutionReport(**(values | changes))
    return Reported(symbol=report.symbol, order_id=order_id(number), report=report)


def holdings(usdt: str, btc: str, mid: str = "100", start_mid: str = "100", start: tuple[str, str] = ("1000", "5")) -> Holdings:
    return Holdings(
        balances=(Balance("USDT", Decimal(usdt), Decimal(0)), Balance("BTC", Decimal(btc), Decimal(0))),
        start=(("USDT", Decimal(start[0]), 1_000), ("BTC", Decimal(start[1]), 1_000)),
        movements=(),
        start_mids=(("BTCUSDT", Decimal(start_mid)),),
        mids=(("BTCUSDT", Decimal(mid)),),
    )
