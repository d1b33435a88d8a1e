"""Builds the parts of a session from the config: the one file, beside bot.py and sim/, that knows every concrete class.

Who calls it: bot.py, on the main thread. Building connects nothing; `Session.boot` makes the few blocking calls of a start, each bounded.
Never: a decision about orders.
"""

import random
import time
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path

import msgspec

from core.amendments import OnReject
from core.books import Timing
from core.commands import CancelAll, Query, Reconnect
from core.engine import Engine, Step
from core.events import Boot, StoreHealth
from core.light import Light
from core.orders import Orders
from core.ports import Venue
from core.position_words import left_alone
from core.reset import WHY as RESET
from core.types import Connection, RateLimit, Side, SymbolRules
from exchange.binance.clock import VenueClock
from exchange.binance.gate import Gate
from exchange.binance.market_stream import market_stream
from exchange.binance.rest import Rest
from exchange.binance.rules_watch import LOOK_EVERY_S, RulesWatch
from exchange.binance.signing import Signer
from exchange.binance.urls import BY_VENUE, Urls
from exchange.binance.user_stream import user_stream
from exchange.binance.venue import BinanceVenue
from exchange.binance.ws_api import WsVenue
from order_book_manager import OrderBookManager
from runtime.clock import EngineClock, boot_id
from runtime.config import Config, version_of
from runtime.config_model import BandConfig
from runtime.inbox import Inbox
from runtime.keys import Keys
from runtime.lanes import Lane
from runtime.lifecycle import Lifecycle
from runtime.loop import TradingLoop
from runtime.namesake import look
from runtime.timers import periodic, timer
from runtime.worker import Worker
from state.intents import Intents
from state.keeper import Keeper
from state.ledger import Recovery, after_reset, recover, rotate
from state.recorder import Recorder
from state.rows import RunStart
from state.store import FILE as STORE_FILE
from state.store import Store
from state.tape import Tape
from strategy import strategy_of
from trading.amend import Amending, Policy, PriceMove
from trading.bands import Band, Unit
from trading.quoting import Reference, SymbolQuoting
from trading.recipe import MakerFirstSettings, Recipe
from trading.risk import Limits, RiskChecks

CLOCK_EVERY_S = 60.0
BPS = 10_000
CANCEL_ALL_MS = 4000
BOOT_QUERY_S = 10.0
WITNESSES_MAX = 3  # so many symbols are asked at a start about what was before
SECOND_BOT_WATCH_S = 6.0
RESET_SECOND_LOOK_S = 10.0
ENOUGH = Decimal(10**12)  # no fills are wanted with the answer


# -- config -> the words of the deciding half ----------------------------------------------------
def bands_of(bands: Iterable[BandConfig]) -> tuple[Band, ...]:
    return tuple(Band(min=band.min, target=band.target, max=band.max, quantity=band.quantity, unit=Unit(band.unit)) for band in bands)


def quoting_of(config: Config, symbol: str) -> SymbolQuoting:
    """The quoting of one symbol: the common settings with that symbol's own on top."""
    quoting, own = config.quoting, config.quoting.symbols.get(symbol)
    inventory = config.inventory_of(symbol)
    bids = own.bid_bands if own is not None and own.bid_bands is not None else quoting.bid_bands
    asks = own.ask_bands if own is not None and own.ask_bands is not None else quoting.ask_bands
    return SymbolQuoting(
        bid_bands=bands_of(bids),
        ask_bands=bands_of(asks),
        reference=Reference(quoting.reference),
        inventory_target=None if inventory.target == "start" else inventory.target,
        inventory_cap=inventory.cap,
        skew_bps_max=quoting.skew_bps_max,
        min_edge_bps=quoting.min_edge_bps,
        maker_fee_bps=config.paper.maker_fee * BPS if config.venue == "paper" else quoting.maker_fee_bps,
        hysteresis=quoting.hysteresis,
        order_age_s_max=quoting.order_age_s_max,
        orders_per_band_max=quoting.orders_per_band_max,
    )


def maker_first_of(config: Config) -> MakerFirstSettings:
    """Its settings, with the paper exchange's own fee where that is the venue."""
    settings = msgspec.convert(config.maker_first.model_dump(), MakerFirstSettings)
    fee_bps = config.paper.taker_fee * BPS if config.venue == "paper" else config.maker_first.entry.fee_bps
    return msgspec.structs.replace(settings, entry=msgspec.structs.replace(settings.entry, fee_bps=max(Decimal(0), fee_bps)))


def timing_of(config: Config) -> Timing:
    timing = config.timing
    return Timing(
        place_not_after_ms=timing.place_not_after_ms,
        order_timeout_ms=timing.order_timeout_ms,
        read_timeout_ms=config.exchange.read_timeout_ms,
        book_age_ms_max=timing.book_age_ms_max,
        silent_ask_ms=timing.silent_ask_ms,
        proof_every_ms=config.proof.every_s * 1000,
        cooldown_ms=config.quoting.cooldown_ms,
    )


def policy_of(config: Config) -> Policy:
    return Policy(on_reject=OnReject(config.amend.on_reject), price=PriceMove(config.amend.price))


def recipe_of(config: Config) -> Recipe:
    """The settings that decide, as the tape keeps them."""
    risk = config.risk
    venue = WsVenue if config.exchange.order_entry == "ws" else BinanceVenue
    is_maker_first = config.strategy == "maker_first"
    return Recipe(
        quoting={symbol: quoting_of(config, symbol) for symbol in config.symbols},
        limits=Limits(order_notional_max=risk.order_notional_max, open_orders_max=risk.open_orders_max, loss_quote_max=risk.loss_quote_max),
        timing=msgspec.structs.replace(timing_of(config), cooldown_ms=0) if is_maker_first else timing_of(config),  # exits must not rest
        maker_first=maker_first_of(config) if is_maker_first else None,
        amending=Amending(can=venue.capabilities, policy=policy_of(config)),
    )


def urls_of(config: Config, ready: dict[str, object]) -> Urls:
    """Addresses: the paper exchange's own or the venue's, each overridden by `exchange.urls` where set."""
    nowhere = Urls(rest="", stream="", ws_api="")
    base = Urls(rest=str(ready["rest"]), stream=str(ready["stream"]), ws_api=str(ready["ws_api"])) if ready else BY_VENUE.get(config.venue, nowhere)
    own = config.exchange.urls
    return Urls(rest=own.rest or base.rest, stream=own.stream or base.stream, ws_api=own.ws_api or base.ws_api)


def paper_arguments(config: Config, folder: Path) -> list[str]:
    """The command line of the paper exchange."""
    paper = config.paper
    market = (paper.market,) if isinstance(paper.market, str) else paper.market
    arguments = ["--market", *(str(one) for one in market), "--speed", str(paper.speed), "--seed", str(paper.seed), "--port", str(paper.port)]
    arguments += ["--symbols", ",".join(config.symbols), "--state", str(folder)]
    arguments += ["--maker-fee", f"{paper.maker_fee:f}", "--taker-fee", f"{paper.taker_fee:f}"]
    arguments += ["--balances", ",".join(f"{asset}={amount:f}" for asset, amount in paper.balances.items())]
    arguments += ["--ping-period-s", str(paper.ping_period_s), "--ping-deadline-s", str(paper.ping_deadline_s)]
    arguments += ["--fresh"] if paper.fresh else []
    arguments += ["--faults", str(paper.faults)] if paper.faults else []
    arguments += ["--exchange-info", str(paper.exchange_info)] if paper.exchange_info else []
    return arguments


# The paper exchange's own options, as a person of config.yaml knows them.
IN_SETTINGS = {
    "start with --fresh": "start once with --set paper.fresh=true",
    "--exchange-info": "paper.exchange_info",
    "--faults": "paper.faults",
    "--market": "paper.market",
    "--symbols": "symbols",
    "--balances": "paper.balances",
    "open port": "open paper.port",
}


def in_settings(text: str) -> str:
    """What the paper exchange says of its options, said of our settings."""
    for option, setting in IN_SETTINGS.items():
        text = text.replace(option, setting)
    return text


# -- a session -----------------------------------------------------------------------------------
class KeyTooPowerful(Exception):
    """The live key may do more than trade; the text says what to change."""


class Session:
    """Everything between the inbox and the venue. `start` brings it up in order inside a Lifecycle; the loop's `finished` ends it."""

    def __init__(
        self,
        config: Config,
        keys: Keys,
        urls: Urls,
        state_dir: Path,
        tag: str,
        tell: Callable[[int, Step], None],
        on_fault: Callable[[BaseException], None],
    ) -> None:
        self.config, self.tag = config, tag
        self.clock = EngineClock()
        self.boot = boot_id(self.clock())
        self.inbox = Inbox(self.clock)
        self.venue_clock = VenueClock()
        connect_s = config.exchange.connect_timeout_ms / 1000
        self.rest = Rest(
            urls.rest,
            keys.api_key,
            keys.api_secret,
            self.venue_clock,
            private_key=keys.private_key,
            connect_timeout_s=connect_s,
            call_timeout_s=config.exchange.read_timeout_ms / 1000,
            gate=(gate := Gate()),
        )
        self.venue = BinanceVenue(self.rest, config.symbols)
        self.intents = Intents(state_dir / "intents.log")
        self.keeper = Keeper(Store(state_dir / STORE_FILE), self.intents.path, self._on_store)
        self.recorder = Recorder(self.intents, self.keeper)
        self.recipe = recipe_of(config)
        self.engine = Engine(strategy_of(self.recipe), RiskChecks(self.recipe.limits), self.recipe.timing)
        sizes = {"cancel": config.lanes.cancel_workers, "place": config.lanes.place_workers, "query": config.lanes.query_workers}
        cancel, place, query = (Lane(name, workers, prepare=self.venue.sync_clock) for name, workers in sizes.items())
        self.lanes = (cancel, place, query)
        over_ws = WsVenue(self.venue, self.venue_clock, self.clock, gate) if config.exchange.order_entry == "ws" else None
        entry: Venue = over_ws or self.venue
        self.manager = OrderBookManager(entry, self.intents, self.inbox.post, self.clock, self.lanes, self._orders, self._light)
        rng, silence_ms, settle = random.Random(self.boot), config.exchange.silence_ms_max, self.manager.settle
        self.market = market_stream(urls.stream, config.symbols, self.inbox.post, self.clock, rng, silence_ms, gate)
        signer = Signer(keys.api_key, keys.api_secret, keys.private_key)
        self.user = user_stream(urls.ws_api, signer, self.venue_clock, self.inbox.post, self.clock, rng, silence_ms, settle, over_ws, gate)
        self.beat: Callable[[], None] = lambda: None  # told at every turn of the trading thread
        self.warn: Callable[[str], None] = lambda text: None  # told by the tape's thread of a gap, by venue-rules of what it cannot read
        self.say: Callable[[str], None] = lambda text: None  # told on the main thread why a start takes long
        self.boot_notes: tuple[str, ...] = ()
        self.recovery = Recovery()
        self._tell_person = tell
        self.loop = TradingLoop(
            self.engine,
            self.inbox.take,
            self.clock,
            self.manager.hand_over,
            self._reconnect,
            self._tell,
            on_fault,
            self._beat,
        )
        self.timer = timer(self.inbox.post)
        self.clock_refresh = periodic("venue-clock", CLOCK_EVERY_S, self.venue.sync_clock, lambda error: None)

    def learn(self) -> tuple[tuple[SymbolRules, ...], tuple[RateLimit, ...], str]:
        """The blocking calls of a start: clock, rules, account, and what earlier runs left on it; (rules, limits, account instance).

        Raises Refused, NotSent, errors.UnknownOutcome, KeyTooPowerful, IntentsCorrupt, SecondBot.
        """
        self.venue.sync_clock()
        if self.config.venue == "binance":
            powers = self.venue.key_powers()
            self.boot_notes = powers.warnings
            if powers.refusals:
                raise KeyTooPowerful("; ".join(powers.refusals))
        elif self.config.venue != "paper":
            self.boot_notes = (f"{self.config.venue} has no apiRestrictions: what the key may do is not checked",)
        rules, limits = self.venue.exchange_info()
        counted = self.venue.order_counts()
        known = {(limit.kind, limit.interval_s) for limit in counted}
        limits = (*(limit for limit in limits if (limit.kind, limit.interval_s) not in known), *counted)
        self.recovery = recover(self.intents.path, self.venue.account_identity())
        if self._was_reset(self.recovery):
            self.recovery = after_reset(self.recovery)
            self.boot_notes += (f"{RESET} · the account instance before is closed, {self.recovery.instance} begins with an empty book",)
        self.boot_notes += left_alone(self.recovery.memories, self.config.symbols if self.config.strategy == "maker_first" else ())
        self._begin_boot()
        return rules, limits, self.recovery.instance

    def start(self, parts: Lifecycle, rules: tuple[SymbolRules, ...], limits: tuple[RateLimit, ...], instance: str) -> Boot:
        """Post Boot as the first event, then start every part; after `learn`. Raises StoreRefused."""
        recovery = self.recovery
        rotate(self.intents.path, recovery)
        parts.start("intents", self.intents)
        boot = Boot(
            boot=self.boot,
            tag=self.tag,
            venue=self.config.venue,
            instance=instance,
            rules=rules,
            limits=limits,
            last_trade_ids=tuple((symbol, trade_id) for symbol, trade_id in recovery.last_trade_ids if symbol in self.config.symbols),
            undecided=tuple(undecided for undecided in recovery.undecided if undecided.symbol in self.config.symbols),
            known_fills=recovery.known_fills,
            attributed=recovery.attributed,
            memories=tuple(memory for memory in recovery.memories if memory[0] in self.config.symbols),
            told=tuple(one for one in recovery.told if one.symbol in self.config.symbols),
            config_version=version_of(self.config),
        )
        self._open_store(boot)
        self.intents.boot(boot, self.clock())
        self.inbox.post(boot)
        parts.start("recorder", Worker("recorder", self.recorder.run))
        if self.config.tape.on:
            tape = self._new_tape()
            self.loop.record = tape.record
            tape.begin()
            parts.start("tape", Worker("tape", tape.run))
        for lane in self.lanes:
            parts.start(lane.name, lane)
        parts.start("trading", self.loop)
        parts.start("timer", self.timer)
        parts.start("venue-clock", self.clock_refresh)
        watch = RulesWatch(self.venue.rules, self.inbox.post, rules, lambda text: self.warn(text))
        parts.start("venue-rules", periodic("venue-rules", LOOK_EVERY_S, watch.look, watch.failed))
        parts.start("ws-api", self.user)
        parts.start("market-stream", self.market)
        return boot

    def _begin_boot(self) -> None:
        """The id of this run: later than everything that was ever placed with our tag. Raises SecondBot where somebody still places."""
        own = (int(self.recovery.last_boot or "0", 36), self.recovery.last_number)
        witnesses = self.config.symbols[:WITNESSES_MAX]
        newest, _ = look(lambda: self.venue.newest_names(witnesses), self.tag, own, SECOND_BOT_WATCH_S, time.sleep, lambda text: self.say(text))
        self.boot = boot_id(self.clock(), after=max(newest, own[0]))

    def _on_store(self, reason: str) -> None:
        self.inbox.post(StoreHealth(reason=reason and f"{STORE_FILE}: {reason}"))

    def _was_reset(self, recovery: Recovery) -> bool:
        """The venue denies the newest orders it ever acknowledged, and its ids run backwards (DESIGN 6). Asked twice: a query may lag behind."""
        for symbol, venue_order_id in recovery.newest_orders[:WITNESSES_MAX]:
            if symbol in self.config.symbols and self._is_denied(symbol, venue_order_id):
                self.say(f"the venue denies order {venue_order_id} of {symbol}: was it reset? asking again in {RESET_SECOND_LOOK_S:g} s")
                time.sleep(RESET_SECOND_LOOK_S)
                return self._is_denied(symbol, venue_order_id)
        return False

    def _is_denied(self, symbol: str, venue_order_id: int) -> bool:
        command = Query(
            command_id=0,
            reason="is the venue the one we knew",
            timeout_ms=self.config.exchange.read_timeout_ms,
            symbol=symbol,
            side=Side.BUY,
            client_order_id="",
            venue_order_id=venue_order_id,
            known_executed=ENOUGH,
            price=ENOUGH,
            quantity=ENOUGH,
        )
        return self.venue.query(command, BOOT_QUERY_S).answer.ids_ran_backwards

    def _new_tape(self) -> Tape:
        return Tape(
            self.intents.path.parent / "tape",
            self.boot,
            self.engine,
            self.recipe.written,
            self.config.tape.segment_mb_max << 20,
            self.config.tape.total_mb_max << 20,
            warn=lambda text: self.warn(text),
        )

    def _open_store(self, boot: Boot) -> None:
        symbols = tuple((rule.symbol, rule.base, rule.quote) for rule in boot.rules if rule.symbol in self.config.symbols)
        run = RunStart(
            boot=boot.boot, venue=boot.venue, instance=boot.instance, order_tag=boot.tag, started_ns=self.clock(), symbols=symbols
        )
        self.keeper.open(run)
        if aside := self.keeper.store.set_aside:
            self.say(f"the database was damaged: put aside as {aside.name}, a new one is filled from the intents")

    @property
    def pong_ms_max(self) -> float:
        return max(self.market.pong_ms_max or 0.0, self.user.pong_ms_max or 0.0)

    def _orders(self) -> Orders:
        assert self.engine.books is not None, "asked before Boot"
        return self.engine.books.orders

    def _light(self, symbol: str, side: Side) -> Light:
        assert self.engine.books is not None, "asked before Boot"
        return self.engine.books.look(symbol, side)

    def _reconnect(self, command: Reconnect) -> None:
        (self.market if command.connection is Connection.MARKET else self.user).reconnect(command.reason)

    def _tell(self, at_ns: int, step: Step) -> None:
        self.recorder.take(step.notices, step.facts, at_ns)
        self._tell_person(at_ns, step)

    def _beat(self) -> None:
        self.beat()


def cancel_at_venue(config: Config, keys: Keys, tag: str) -> tuple[list[str], list[str]]:
    """Cancel every open order with our tag, without a bot; (canceled, without a word). Raises Refused, NotSent, errors.UnknownOutcome."""
    rest = Rest(urls_of(config, {}).rest, keys.api_key, keys.api_secret, VenueClock(), private_key=keys.private_key)
    venue = BinanceVenue(rest, config.symbols)
    venue.sync_clock()
    command = CancelAll(command_id=1, reason="operator", timeout_ms=CANCEL_ALL_MS, symbol=None, tag=tag)
    answer = venue.cancel_all(command, CANCEL_ALL_MS / 1000).answer
    return [facts.orig_client_order_id or facts.client_order_id for facts in answer.canceled], list(answer.failed)
