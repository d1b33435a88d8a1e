"""What each of the 49 observed messages says, written by hand from the raw text (data/observed_messages.jsonl, line by line from 0).

Who uses it: test_observed.py. Values are those of the raw text, never of the parser.
"""

from collections.abc import Callable
from decimal import Decimal as D

import msgspec

from core.commands import Place
from core.types import Balance, Liquidity, OrderType, RateLimit, Side, TimeInForce
from exchange.binance import frames, order_lists, symbols, wire, wire_pairs
from tests.binance.entry import replace


def _place(raw: bytes) -> object:
    """POST /order, read with the request it answers; every amount below differs from it, so that none is taken from the request."""
    request = Place(
        command_id=1,
        reason="",
        timeout_ms=1,
        symbol="X",
        side=Side.SELL,
        type=OrderType.LIMIT_MAKER,
        time_in_force=TimeInForce.FOK,
        price=D(77),
        quantity=D(88),
        client_order_id="x",
        slot=None,
        not_after_ns=0,
    )
    return wire.placed(raw, request)


def _user(raw: bytes) -> object:
    return frames.user_message(raw, 11)


def _market(raw: bytes) -> object:
    return frames.market_message(raw, 12)


def _api_order(raw: bytes) -> object:
    """The order inside a WS API reply has the shape of its REST twin."""
    reply = frames.user_message(raw, 13)
    assert isinstance(reply, frames.ApiReply)
    return wire.order_facts(reply.result)


def _replaced(raw: bytes) -> object:
    """The two halves of a cancelReplace have the shapes of a cancel and of a placement."""
    pair = replace(1)
    observed = msgspec.structs.replace(pair, cancel=msgspec.structs.replace(pair.cancel, venue_order_id=12166372890))
    answer = wire_pairs.replaced(raw, observed)
    return (answer.canceled.facts, answer.placed.facts)


def _api_account(raw: bytes) -> object:
    reply = frames.user_message(raw, 13)
    assert isinstance(reply, frames.ApiReply)
    return wire.account(reply.result)


WEIGHT = "REQUEST_WEIGHT"
NONE: dict[str, object] = {}


def _new(symbol: str, cid: str, kind: str, q: str, p: str, i: int, t_ms: int, x_id: int) -> dict[str, object]:
    """A NEW report: nothing executed, no fill; time and creation are the same millisecond in every observed one."""
    return {
        "symbol": symbol,
        "client_order_id": cid,
        "report_id": cid,
        "side": Side.BUY,
        "type": kind,
        "quantity": D(q),
        "price": D(p),
        "execution_type": "NEW",
        "status": "NEW",
        "reject_reason": "NONE",
        "venue_order_id": i,
        "executed": D(0),
        "cumulative_quote": D(0),
        "execution_id": x_id,
        "time_ms": t_ms,
        "created_ms": t_ms,
        "fill": None,
        "received_ns": 11,
    }


BTCBUSD = _new("BTCBUSD", "web_5440a9bd3e684127861fbc54783f70c4", "LIMIT", "0.00034", "57883.65", 3511418495, 1634211568285, 7244228935)
POSITION_A = {
    "balances": (Balance("BTC", D("0.00004275"), D("0.00029725")), Balance("LTC", D(0), D(0)), Balance("BNB", D("0.00041226"), D(0))),
    "update_ms": 1634285425302,
}

Row = tuple[Callable[[bytes], object], dict[str, object]]
EXPECTED: dict[int, Row] = {
    0: (
        lambda raw: order_lists.cancel_reports(raw)[0],
        {
            "symbol": "LTCBTC",
            "orig_client_order_id": "QAAC6gMAAQAARzE1LJQW",
            "venue_order_id": 779222768,
            "client_order_id": "ya8dFipP337pVE3ogU1JFU",
            "price": D("0.002978"),
            "quantity": D("0.05"),
            "executed": D(0),
            "cumulative_quote": D(0),
            "status": "CANCELED",
            "time_in_force": "GTC",
            "type": "LIMIT",
            "side": Side.BUY,
            "created_ms": 0,
            "updated_ms": 0,
            "fills": (),
        },
    ),
    1: (
        wire.order_facts,
        {
            "symbol": "LTCBTC",
            "orig_client_order_id": "OgAC6QMAAQAACt7PDZQW",
            "venue_order_id": 779219002,
            "client_order_id": "PQAC6QMAAgAAfWABDpQW",
            "price": D("0.002982"),
            "quantity": D("0.05"),
            "status": "CANCELED",
            "side": Side.BUY,
        },
    ),
    2: (wire.account, {"update_time": 1620467758218, "uid": None, "can_trade": True}),
    3: (
        lambda raw: wire.open_orders(raw)[0],
        {
            "symbol": "LTCBTC",
            "venue_order_id": 778507063,
            "client_order_id": "qQAC6gMAAQAAS-jxw4MW",
            "orig_client_order_id": "",
            "price": D("0.003041"),
            "quantity": D("0.1"),
            "status": "NEW",
            "type": "LIMIT",
            "created_ms": 1634214384058,
            "updated_ms": 1634214384058,
        },
    ),
    4: (wire.error_body, NONE),  # a listenKey of old: no message of ours
    5: (lambda raw: symbols.filters(raw)[2], {"filter_type": "LOT_SIZE", "min_qty": D("0.1"), "max_qty": D(92141578), "step_size": D("0.1")}),
    6: (_market, {"request_id": 5000001, "error": None}),
    7: (_market, {"request_id": 5000001, "error": "2 Invalid request: streams must be an array"}),
    8: (
        _market,
        {
            "symbol": "ETHUSDT",
            "update_id": 68791858400,
            "bid_price": D("3290.28"),
            "bid_quantity": D("65.9711"),
            "ask_price": D("3290.29"),
            "ask_quantity": D("3.0276"),
            "received_ns": 12,
        },
    ),
    9: (_api_account, {"update_time": 1768372971066, "uid": 0, "can_trade": True}),
    10: (
        _user,
        {"request_id": "hIQeAAUAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "status": 200, "result": b"[]", "limits": (RateLimit(WEIGHT, 60, 6000, 127),)},
    ),
    11: (
        _user,
        {
            "request_id": "gYQeAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "status": 400,
            "result": b"",
            "error.code": -1022,
            "error.msg": "Signature for this request is not valid.",
            "limits": (RateLimit(WEIGHT, 60, 6000, 24),),
        },
    ),
    12: (_user, {"request_id": "AQAAAAJ7Fc1bBwCAAACxaN46WXd-CwCAAAA=", "status": 200, "limits": (RateLimit(WEIGHT, 60, 1200, 12),)}),
    13: (
        _user,
        {
            "request_id": "goQeAAMAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "status": 200,
            "result": b'{"subscriptionId":0}',
            "error": None,
            "limits": (RateLimit(WEIGHT, 60, 6000, 27),),
        },
    ),
    14: (_user, _new("BTCUSDT", "daa3Lntyw5phO7yGkmkUzn", "LIMIT", "0.01", "9000", 339230, 1605823200520, 679393)),
    15: (
        _place,
        {
            "symbol": "ADAUSDT",
            "venue_order_id": 1429751614,
            "client_order_id": "7NGE376N1RKa6tqili6xVf",
            "price": D(0),
            "quantity": D(10),
            "executed": D(10),
            "cumulative_quote": D("16.067"),
            "status": "FILLED",
            "time_in_force": "GTC",
            "type": "MARKET",
            "side": Side.BUY,
            "created_ms": 1620522698915,
            "updated_ms": 1620522698915,
            "fills.0.price": D("1.6067"),
            "fills.0.quantity": D(10),
            "fills.0.fee": D("0.01"),
            "fills.0.fee_asset": "ADA",
            "fills.0.trade_id": 146553202,
            "fills.0.symbol": "ADAUSDT",
            "fills.0.venue_order_id": 1429751614,
            "fills.0.side": Side.BUY,
            "fills.0.liquidity": Liquidity.TAKER,
            "fills.0.time_ms": 1620522698915,
        },
    ),
    16: (
        _user,
        {
            "symbol": "ADAUSDT",
            "client_order_id": "web_8683958899284e1e857db5a1b704b57c",
            "type": "MARKET",
            "quantity": D("6.35"),
            "price": D(0),
            "execution_type": "TRADE",
            "status": "FILLED",
            "venue_order_id": 1694597240,
            "executed": D("6.35"),
            "cumulative_quote": D("9.991725"),
            "execution_id": 3576240760,
            "time_ms": 1623109271463,
            "fill.quantity": D("6.35"),
            "fill.price": D("1.5735"),
            "fill.fee": D("0.00002085"),
            "fill.fee_asset": "BNB",
            "fill.trade_id": 199411622,
            "fill.liquidity": Liquidity.TAKER,
            "fill.time_ms": 1623109271463,
        },
    ),
    17: (
        lambda raw: symbols.exchange_info(raw)[0][0],
        {
            "symbol": "ETHBTC",
            "base": "ETH",
            "quote": "BTC",
            "status": "TRADING",
            "tick": D("0.000001"),
            "step": D("0.0001"),
            "min_price": D("0.000001"),
            "max_price": D(922327),
            "min_quantity": D("0.0001"),
            "max_quantity": D(100000),
            "min_notional": D("0.0001"),
            "max_notional": D(0),
            "bid_multiplier_up": D(5),
            "bid_multiplier_down": D("0.2"),
            "ask_multiplier_up": D(5),
            "ask_multiplier_down": D("0.2"),
            "max_orders": 200,
            "amend_allowed": False,
            "order_types": ("LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"),
        },
    ),
    18: (lambda raw: Box(wire.server_time_ms(raw)), {"value": 1634180186435}),
    19: (_user, BTCBUSD),
    20: (_user, BTCBUSD),
    21: (
        _place,
        {
            "symbol": "LTCBTC",
            "venue_order_id": 778507063,
            "client_order_id": "qQAC6gMAAQAAS-jxw4MW",
            "price": D("0.003041"),
            "quantity": D("0.1"),
            "executed": D(0),
            "status": "NEW",
            "type": "LIMIT",
            "side": Side.BUY,
            "created_ms": 1634214384058,
            "fills": (),
        },
    ),
    22: (_user, POSITION_A),
    23: (_user, POSITION_A),
    24: (
        _place,
        {
            "symbol": "LTCUSDT",
            "venue_order_id": 2426862755,
            "client_order_id": "SwAC6wMAAQAA8foJ1iQX",
            "price": D("198.3"),
            "quantity": D("0.1"),
            "status": "NEW",
            "created_ms": 1634906177360,
        },
    ),
    25: (_user, _new("LTCUSDT", "SwAC6wMAAQAA8foJ1iQX", "LIMIT", "0.1", "198.3", 2426862755, 1634906177360, 5048624959)),
    26: (
        _user,
        {
            "balances": (Balance("LTC", D(0), D(0)), Balance("BNB", D("0.00041226"), D(0)), Balance("USDT", D("1.31364261"), D("19.83"))),
            "update_ms": 1634906177360,
        },
    ),
    27: (
        _user,
        {
            "symbol": "LTCUSDT",
            "client_order_id": "SwAC6wMAAQAA8foJ1iQX",
            "status": "FILLED",
            "venue_order_id": 2426862755,
            "executed": D("0.1"),
            "cumulative_quote": D("19.83"),
            "execution_id": 5048627145,
            "time_ms": 1634906229933,
            "created_ms": 1634906177360,
            "fill.price": D("198.3"),
            "fill.quantity": D("0.1"),
            "fill.fee": D("0.00003019"),
            "fill.fee_asset": "BNB",
            "fill.trade_id": 207081035,
            "fill.liquidity": Liquidity.MAKER,
        },
    ),
}


class Box:
    """A bare value, so that every row can be read by attribute."""

    def __init__(self, value: object) -> None:
        self.value = value
