"""Binance spot as a core.ports.Venue: each command becomes one or a few REST calls, each answer becomes facts.

Who calls it: the lanes, on their worker threads (blocking, `timeout_s` bounds the whole call); bot.py makes the boot calls at the end of the class.
Never: a second attempt of a place or cancel, a verdict about an order the venue did not name, a foreign order canceled.

Why `read_account` reads in this order - open orders, balances, trades: a fill that the first two already show must be among the trades, so trades
come last. The reverse can only add: an order listed as open may have filled meanwhile (its trade is in the list and statuses never go back), and a
trade newer than the balances is recognised by its time. An order missing from the list but believed open is queried by the engine, and balances
older than what the stream said are ignored there, so no two of the three need be of the same instant. Where no trade is known yet only the newest
id is learned, and that before everything else: a trade that falls between the two is then read the next time instead of being skipped for ever.
"""

import hashlib
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import msgspec

from core.commands import Amend, Cancel, CancelAll, Place, PlaceOco, Query, ReadAccount, ReadDepth, Replace
from core.events import AccountSnapshot, CancelAllAnswer, DepthSnapshot, OcoAnswer, OrderAnswer, ReplaceAnswer
from core.money import ZERO
from core.ports import Answered, Capabilities, NotSent, Refused
from core.types import Fill, OrderFacts, RateLimit, SymbolRules
from exchange.binance import order_lists, wire, wire_pairs
from exchange.binance import symbols as symbol_rules
from exchange.binance.errors import HalfDone, UnknownOutcome
from exchange.binance.params import amend_params, cancel_params, oco_params, place_params, replace_params
from exchange.binance.rest import Answer, Rest

NOT_KNOWN = -2013  # "Order does not exist."
ARCHIVED = -2026  # canceled or expired without a fill more than 90 days ago
PER_SYMBOL_READS_MAX = 13  # openOrders costs 6 per symbol, 80 for all (binance-wire 2)
PAGE = 1000
PAGES_MAX = 20
NEWEST_MAX = 100
CANCEL_WORKERS = 4
SEQUENTIAL_MAX = 2
CANCEL_SUFFIX = "c"  # the engine's cancel renames order X to Xc
SWEPT_SUFFIX = "a"  # a cancel-all renames order X to Xa, so that a later search knows it again
CLIENT_ID_CHARS_MAX = 36
BOOT_TIMEOUT_S = 10.0


class KeyPowers(msgspec.Struct, frozen=True):
    """What the key may do beyond trading: `refusals` forbid a start, `warnings` are told to the person."""

    refusals: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class BinanceVenue:
    """Commands over `rest` for the configured `symbols`. Thread-safe: holds nothing that changes."""

    name = "binance"
    only_sends = False
    capabilities = Capabilities(rest_amend=True, cancel_replace=True, oco=True, post_only=True, cancel_all=True)

    def __init__(self, rest: Rest, symbols: Iterable[str]) -> None:
        self._rest = rest
        self._symbols = tuple(symbols)

    # -- orders ----------------------------------------------------------------------------------
    def place(self, command: Place, timeout_s: float) -> Answered[OrderAnswer]:
        """POST /order."""
        answer = self._rest.send("post", "order", place_params(command), timeout_s, is_place=True)
        return Answered(OrderAnswer(facts=wire.placed(answer.body, command)), answer.limits)

    def cancel(self, command: Cancel, timeout_s: float) -> Answered[OrderAnswer]:
        """DELETE /order by order id alone, the fastest way (binance-wire 2)."""
        answer = self._cancel(command.symbol, command.venue_order_id, command.cancel_id, timeout_s)
        facts, also = order_lists.canceled(answer.body, command.venue_order_id)
        return Answered(OrderAnswer(facts=facts, also=also), answer.limits)

    def amend(self, command: Amend, timeout_s: float) -> Answered[OrderAnswer]:
        """PUT /order/amend/keepPriority."""
        answer = self._rest.send("put", "order/amend/keepPriority", amend_params(command), timeout_s)
        return Answered(OrderAnswer(facts=wire.amended(answer.body)), answer.limits)

    def replace(self, command: Replace, timeout_s: float) -> Answered[ReplaceAnswer]:
        """POST /order/cancelReplace; half of it done is an answer too."""
        try:
            answer = self._rest.send("post", "order/cancelReplace", replace_params(command), timeout_s, is_place=True)
        except HalfDone as half:
            return Answered(wire_pairs.replaced(half.error.data, command), half.limits)
        return Answered(wire_pairs.replaced(answer.body, command), answer.limits)

    def place_oco(self, command: PlaceOco, timeout_s: float) -> Answered[OcoAnswer]:
        """POST /orderList/oco."""
        answer = self._rest.send("post", "orderList/oco", oco_params(command), timeout_s, is_place=True)
        return Answered(order_lists.placed(answer.body, command), answer.limits)

    def cancel_all(self, command: CancelAll, timeout_s: float) -> Answered[CancelAllAnswer]:
        """Read the open orders, cancel those with our tag. The venue's own sweep is used only where every open order of the symbol is ours."""
        ends_s = time.monotonic() + timeout_s
        symbols = self._symbols if command.symbol is None else (command.symbol,)
        found, limits = self._open_orders(symbols, ends_s)
        canceled: list[OrderFacts] = []
        by_id: list[OrderFacts] = []
        for symbol in symbols:
            here = [facts for facts in found if facts.symbol == symbol]
            ours = [facts for facts in here if facts.client_order_id.startswith(command.tag + "-")]
            if len(ours) > 1 and len(ours) == len(here):
                swept, limits = self._sweep(symbol, ends_s, limits)
                canceled.extend(swept)
                gone = {facts.venue_order_id for facts in swept}
                ours = [facts for facts in ours if facts.venue_order_id not in gone]
            by_id.extend(ours)
        for words in self._cancel_each(by_id, ends_s):
            canceled.extend(words)
        told = {(facts.symbol, facts.venue_order_id) for facts in canceled}
        failed = tuple(facts.client_order_id for facts in by_id if (facts.symbol, facts.venue_order_id) not in told)
        return Answered(CancelAllAnswer(canceled=tuple(canceled), failed=failed), limits)

    def _cancel(self, symbol: str, venue_order_id: int, cancel_id: str, timeout_s: float) -> Answer:
        return self._rest.send("delete", "order", cancel_params(symbol, venue_order_id, cancel_id), timeout_s)

    def _sweep(self, symbol: str, ends_s: float, limits: tuple[RateLimit, ...]) -> tuple[tuple[OrderFacts, ...], tuple[RateLimit, ...]]:
        """DELETE /openOrders; whatever it leaves unanswered is then canceled by id (a cancel of a closed order is harmless)."""
        try:
            answer = self._rest.send("delete", "openOrders", {"symbol": symbol}, _left_s(ends_s))
            return order_lists.cancel_reports(answer.body), answer.limits or limits
        except (Refused, UnknownOutcome, NotSent):
            return (), limits

    def _cancel_each(self, orders: list[OrderFacts], ends_s: float) -> list[tuple[OrderFacts, ...]]:
        """The final words on each - a leg's cancel speaks of its whole list - or none; a few at a time, within the time that is left."""

        def cancel_one(facts: OrderFacts) -> tuple[OrderFacts, ...]:
            cancel_id = (facts.client_order_id + SWEPT_SUFFIX)[:CLIENT_ID_CHARS_MAX]
            try:
                answer = self._cancel(facts.symbol, facts.venue_order_id, cancel_id, _left_s(ends_s))
                word, also = order_lists.canceled(answer.body, facts.venue_order_id)
                return word, *also
            except (Refused, UnknownOutcome, NotSent):
                return ()  # reported as failed; the engine asks about it

        if len(orders) <= SEQUENTIAL_MAX:
            return [cancel_one(facts) for facts in orders]
        with ThreadPoolExecutor(max_workers=CANCEL_WORKERS, thread_name_prefix="cancel-all") as pool:
            return list(pool.map(cancel_one, orders))

    # -- reads -----------------------------------------------------------------------------------
    def query(self, command: Query, timeout_s: float) -> Answered[OrderAnswer]:
        """What became of one order; with `since_ms` a None is *not found*, because the order list was read too."""
        ends_s = time.monotonic() + timeout_s
        facts, limits = self._find(command, ends_s)
        searched = False
        if facts is None and command.since_ms is not None:
            facts, searched, limits = self._search(command, ends_s)
        if facts is None and command.venue_order_id is not None:
            newest = self._newest_order(command.symbol, ends_s)
            return Answered(OrderAnswer(facts=None, searched=searched, ids_ran_backwards=newest < command.venue_order_id), limits)
        if facts is not None and facts.executed > command.known_executed:
            fills, limits = self._fills_of(facts, command, ends_s)
            facts = msgspec.structs.replace(facts, fills=fills)
        return Answered(OrderAnswer(facts=facts, searched=searched), limits)

    def read_account(self, command: ReadAccount, timeout_s: float) -> Answered[AccountSnapshot]:
        """Open orders, balances, then trades (see the top of this file)."""
        ends_s = time.monotonic() + timeout_s
        newest: dict[str, int] = {}
        for symbol, last in command.trades_after:
            if last is None:
                newest[symbol] = self._newest_trade(symbol, ends_s)
        open_orders, _ = self._open_orders(self._symbols, ends_s)
        answer = self._rest.read("account", {}, _left_s(ends_s))
        account, limits = wire.account(answer.body), answer.limits
        trades: list[Fill] = []
        for symbol, last in command.trades_after:
            if last is not None:
                names = {facts.venue_order_id: facts.client_order_id for facts in open_orders if facts.symbol == symbol}
                fresh, newest[symbol], limits = self._trades_after(symbol, last, names, ends_s)
                trades.extend(fresh)
        return Answered(
            AccountSnapshot(
                open_orders=open_orders,
                balances=account.core_balances(),
                balances_update_ms=account.update_time,
                trades=tuple(trades),
                last_trade_ids=tuple(newest.items()),
            ),
            limits,
        )

    def read_depth(self, command: ReadDepth, timeout_s: float) -> Answered[DepthSnapshot]:
        """GET /depth, unsigned."""
        answer = self._rest.read("depth", {"symbol": command.symbol, "limit": str(command.limit)}, timeout_s, signed=False)
        return Answered(wire.depth(answer.body, command.symbol), answer.limits)

    def _open_orders(self, symbols: tuple[str, ...], ends_s: float) -> tuple[tuple[OrderFacts, ...], tuple[RateLimit, ...]]:
        if len(symbols) > PER_SYMBOL_READS_MAX:
            answer = self._rest.read("openOrders", {}, _left_s(ends_s))
            wanted = frozenset(symbols)
            return tuple(facts for facts in wire.open_orders(answer.body) if facts.symbol in wanted), answer.limits
        found: list[OrderFacts] = []
        limits: tuple[RateLimit, ...] = ()
        for symbol in symbols:
            answer = self._rest.read("openOrders", {"symbol": symbol}, _left_s(ends_s))
            found.extend(wire.open_orders(answer.body))
            limits = answer.limits
        return tuple(found), limits

    def _newest_trade(self, symbol: str, ends_s: float) -> int:
        """The id of the account's latest trade, -1 where it never traded this symbol."""
        fills = wire.own_trades(self._rest.read("myTrades", {"symbol": symbol, "limit": "1"}, _left_s(ends_s)).body)
        return fills[-1].trade_id if fills else -1

    def _newest_order(self, symbol: str, ends_s: float) -> int:
        """The id of the account's latest order, open or not; -1 where it has none in this symbol."""
        listed = wire.open_orders(self._rest.read("allOrders", {"symbol": symbol, "limit": "1"}, _left_s(ends_s)).body)
        return listed[-1].venue_order_id if listed else -1

    def _trades_after(self, symbol: str, last: int, names: dict[int, str], ends_s: float) -> tuple[list[Fill], int, tuple[RateLimit, ...]]:
        """Trades with an id above `last`, page by page, and the id up to which they were read."""
        found: list[Fill] = []
        for _ in range(PAGES_MAX):
            params = {"symbol": symbol, "fromId": str(last + 1), "limit": str(PAGE)}
            answer = self._rest.read("myTrades", params, _left_s(ends_s))
            page = [fill for fill in wire.own_trades(answer.body, names) if fill.trade_id > last]
            found.extend(page)
            last = page[-1].trade_id if page else last
            if len(page) < PAGE:
                return found, last, answer.limits
        # The rest follows with the next read: `last_trade_ids` says how far this one came.
        return found, last, answer.limits

    # -- one order -------------------------------------------------------------------------------
    def _find(self, command: Query, ends_s: float) -> tuple[OrderFacts | None, tuple[RateLimit, ...]]:
        params = {"symbol": command.symbol}
        if command.venue_order_id is not None:
            params["orderId"] = str(command.venue_order_id)
        else:
            params["origClientOrderId"] = command.client_order_id
        try:
            answer = self._rest.read("order", params, _left_s(ends_s))
        except Refused as refused:
            if refused.error.code == ARCHIVED:
                return _archived(command), refused.limits
            if refused.error.code != NOT_KNOWN:
                raise
            return None, refused.limits
        return wire.order_facts(answer.body), answer.limits

    def _search(self, command: Query, ends_s: float) -> tuple[OrderFacts | None, bool, tuple[RateLimit, ...]]:
        """Read the list of orders since then; (facts, was the list read to its end, limits)."""
        assert command.since_ms is not None
        since_ms = command.since_ms + self._rest.clock.offset_ms
        params = {"symbol": command.symbol, "startTime": str(since_ms), "limit": str(PAGE)}
        seen: dict[int, OrderFacts] = {}
        for _ in range(PAGES_MAX):
            answer = self._rest.read("allOrders", params, _left_s(ends_s))
            page = wire.open_orders(answer.body)
            seen.update((facts.venue_order_id, facts) for facts in page)
            if len(page) < PAGE:
                match = _match(command, [facts for facts in seen.values() if facts.created_ms >= since_ms])
                return match, True, answer.limits
            params = {"symbol": command.symbol, "orderId": str(max(seen) + 1), "limit": str(PAGE)}
        return None, False, answer.limits

    def _fills_of(self, facts: OrderFacts, command: Query, ends_s: float) -> tuple[tuple[Fill, ...], tuple[RateLimit, ...]]:
        params = {"symbol": facts.symbol, "orderId": str(facts.venue_order_id), "limit": str(PAGE)}
        answer = self._rest.read("myTrades", params, _left_s(ends_s))
        name = command.client_order_id or facts.client_order_id
        return wire.own_trades(answer.body, {facts.venue_order_id: name}), answer.limits

    # -- boot (main thread, before the lanes start) -----------------------------------------------
    def newest_names(self, symbols: Iterable[str], timeout_s: float = BOOT_TIMEOUT_S) -> frozenset[str]:
        """Client ids of the account's newest orders in these symbols, whoever placed them, open or not."""
        ends_s, names = time.monotonic() + timeout_s, set[str]()
        for symbol in symbols:
            answer = self._rest.read("allOrders", {"symbol": symbol, "limit": str(NEWEST_MAX)}, _left_s(ends_s))
            names.update(facts.client_order_id for facts in wire.open_orders(answer.body))
        return frozenset(names)

    def exchange_info(self, timeout_s: float = BOOT_TIMEOUT_S) -> tuple[tuple[SymbolRules, ...], tuple[RateLimit, ...]]:
        """Rules of the configured symbols, in their order, and all limits. Refused (-1121) where the venue does not know a symbol."""
        rules, limits = self._exchange_info(timeout_s)
        self._rest.know_limits(limits)
        return rules, limits

    def rules(self, timeout_s: float = BOOT_TIMEOUT_S) -> tuple[SymbolRules, ...]:
        """The same rules, as the venue states them now (rules_watch.py, while the bot runs)."""
        return self._exchange_info(timeout_s)[0]

    def _exchange_info(self, timeout_s: float) -> tuple[tuple[SymbolRules, ...], tuple[RateLimit, ...]]:
        names = "[" + ",".join(f'"{symbol}"' for symbol in self._symbols) + "]"
        answer = self._rest.read("exchangeInfo", {"symbols": names}, timeout_s, signed=False)
        rules, limits = symbol_rules.exchange_info(answer.body)
        order = {symbol: index for index, symbol in enumerate(self._symbols)}
        return tuple(sorted((one for one in rules if one.symbol in order), key=lambda one: order[one.symbol])), limits

    def account_identity(self, timeout_s: float = BOOT_TIMEOUT_S) -> str:
        """Which account this is: its uid, or where the venue tells none a short hash of the API key."""
        uid = wire.account(self._rest.read("account", {"omitZeroBalances": "true"}, timeout_s).body).uid
        return str(uid) if uid is not None else "key-" + hashlib.sha256(self._rest.api_key.encode()).hexdigest()[:12]

    def order_counts(self, timeout_s: float = BOOT_TIMEOUT_S) -> tuple[RateLimit, ...]:
        """GET /rateLimit/order: how many orders count against the account now; an earlier run may have used a window that still runs."""
        return symbol_rules.order_counts(self._rest.read("rateLimit/order", {}, timeout_s).body)

    def key_powers(self, timeout_s: float = BOOT_TIMEOUT_S) -> KeyPowers:
        """GET /sapi/v1/account/apiRestrictions, which exists on live only (DESIGN 10)."""
        told = wire.restrictions(self._rest.read("account/apiRestrictions", {}, timeout_s, sapi=True).body)
        refusals = []
        if told.enable_withdrawals:
            refusals.append("the API key may withdraw; make one that may not")
        if told.enable_internal_transfer or told.permits_universal_transfer:
            refusals.append("the API key may transfer funds; make one that may not")
        if not told.enable_spot_and_margin_trading:
            refusals.append("the API key may not trade spot")
        warnings = () if told.ip_restrict else ("the API key works from any address; restrict it to yours",)
        return KeyPowers(tuple(refusals), warnings)

    def sync_clock(self, timeout_s: float = BOOT_TIMEOUT_S) -> int:
        """Measure the venue's clock; the offset in ms. The caller repeats it every 60 s."""
        return self._rest.sync_clock(timeout_s)


def _archived(command: Query) -> OrderFacts:
    """What -2026 says of an order: over for long, with nothing filled."""
    return OrderFacts(
        symbol=command.symbol,
        venue_order_id=command.venue_order_id if command.venue_order_id is not None else -1,
        client_order_id=command.client_order_id,
        side=command.side,
        type="LIMIT_MAKER",
        time_in_force="GTC",
        price=command.price,
        quantity=command.quantity,
        executed=ZERO,
        cumulative_quote=ZERO,
        status="EXPIRED",
        created_ms=0,
        updated_ms=0,
    )


def _left_s(ends_s: float) -> float:
    """What is left of a call of several steps; at zero or below the next step is not sent."""
    return ends_s - time.monotonic()


def _match(command: Query, orders: list[OrderFacts]) -> OrderFacts | None:
    """The order that `command` asks about, in a list of all orders since.

    By its own id or one that our cancels give it; the cancel of one leg of a list names both, and their prices tell them apart. Otherwise a
    stranger's cancel may have renamed it (binance-wire 0.3), and nothing but a cancel renames at an unchanged quantity; so a canceled order of the
    same side, price and quantity that is neither attributed nor named by us is it.
    """
    ours = command.client_order_id.rsplit("-", 2)[0] + "-"
    names = (command.client_order_id, command.client_order_id + SWEPT_SUFFIX, command.client_order_id + CANCEL_SUFFIX)
    partners = (command.partner + SWEPT_SUFFIX, command.partner + CANCEL_SUFFIX)
    wanted = (command.side, command.price, command.quantity, "CANCELED")
    taken = frozenset(command.attributed)
    named: list[OrderFacts] = []
    renamed: list[OrderFacts] = []
    for facts in sorted(orders, key=lambda one: one.venue_order_id):
        if facts.client_order_id in names or (facts.client_order_id in partners and facts.price == command.price):
            named.append(facts)
        alike = (facts.side, facts.price, facts.quantity, facts.status) == wanted
        if alike and facts.venue_order_id not in taken and not facts.client_order_id.startswith(ours):
            renamed.append(facts)
    named.sort(key=lambda one: one.price != command.price)  # a leg's cancel gives both legs of its list one name
    return next(iter((*named, *renamed)), None)
