"""From the command line's options to a server ready to open: rules, account (new or continued), market, keys.

Called once by __main__.py before the event loop runs. Everything that can be wrong with options, recordings or state
is said here as one `BuildError`. Never: a socket, a thread, an open port.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from exchange.paper.auth import Credentials
from exchange.paper.connection import ConnectionSettings
from exchange.paper.desk import Desk, Fees
from exchange.paper.faults import Faults
from exchange.paper.limits import Limits, LimitSettings
from exchange.paper.listing import default_rules
from exchange.paper.model import SymbolRules
from exchange.paper.pacer import Market, Pacer, WallClockMatching
from exchange.paper.persist import Json, Saver, StateError, StateFolder, new_instance
from exchange.paper.recorded_rules import given_rules
from exchange.paper.recording import RecordedMarket, RecordingError, rules_of_recording
from exchange.paper.server import Server, complain
from exchange.paper.synthetic import SyntheticMarket

SYNTHETIC = "synthetic"


class BuildError(Exception):
    """A mistake in the options, a recording or the state; the text is for the person at the console."""


@dataclass(frozen=True, slots=True)
class Options:
    """The command line, checked for form. Fees are fractions."""

    seed: int
    market: list[str]
    symbols: list[str]
    exchange_info: Path | None
    speed: float
    maker_fee: Decimal
    taker_fee: Decimal
    balances: Mapping[str, Decimal]
    state: Path | None
    fresh: bool
    api_key: str | None
    api_secret: str | None
    public_key: Path | None
    connections: ConnectionSettings
    uid: int | None = None

    @property
    def is_synthetic(self) -> bool:
        """Whether the market is made up rather than recorded."""
        return self.market == [SYNTHETIC]

    @property
    def market_name(self) -> str:
        """What must stay the same for an account to continue."""
        return SYNTHETIC if self.is_synthetic else ",".join(Path(name).name for name in self.market)


@dataclass(slots=True)
class Parts:
    """A server that is ready to open, and what the ready line says of it besides the addresses."""

    server: Server
    ready: Json


def build(options: Options) -> Parts:
    """Raises BuildError."""
    rules, notes = _rules(options)
    try:
        folder = StateFolder(options.state) if options.state is not None else None
        state = folder.load() if folder is not None and not options.fresh else None
        if state is not None and not _continues(state, options, rules):
            notes.append("the market changed: a new account begins")
            state = None
        if folder is not None and state is None:
            folder.forget()
    except StateError as error:
        raise BuildError(str(error)) from error
    matching = _matching(options, rules, state)
    uid = int(str(state["instance"])) if state is not None else options.uid or new_instance()
    desk = _desk(options, rules, matching, uid)
    if state is not None:
        _restore(desk, state)
    server = _server(options, desk, matching, state, notes)
    if folder is not None:
        name = options.market_name
        server.saver = Saver(lambda: folder.save(matching, _rest_of(desk, name)), lambda: desk.changes, complain)
    return Parts(server, _ready(options, desk, notes, state is not None))


def _rules(options: Options) -> tuple[list[SymbolRules], list[str]]:
    try:
        given = given_rules(options.exchange_info) if options.exchange_info is not None else {}
        if not options.is_synthetic:
            return rules_of_recording(options.market, given)
    except RecordingError as error:
        raise BuildError(str(error)) from error
    if not options.symbols:
        raise BuildError("--symbols names no symbol")
    try:
        return [given[name] if name in given else default_rules(name) for name in dict.fromkeys(options.symbols)], []
    except ValueError as error:
        raise BuildError(f"--symbols: {error}") from error


def _continues(state: Json, options: Options, rules: list[SymbolRules]) -> bool:
    """Whether the saved account belongs to this market."""
    return state.get("market") == options.market_name and state.get("symbols") == [rule.symbol for rule in rules]


def _matching(options: Options, rules: list[SymbolRules], state: Json | None) -> WallClockMatching:
    if state is None:
        return WallClockMatching(rules, options.balances, options.maker_fee, options.taker_fee)
    try:
        saved = state["matching"]
        assert isinstance(saved, dict)
        loaded = WallClockMatching.load(saved, rules, options.maker_fee, options.taker_fee)
    except (KeyError, ValueError, TypeError, ArithmeticError, AssertionError) as error:
        raise BuildError(f"the saved account cannot be read ({error!r}); start with --fresh") from error
    assert isinstance(loaded, WallClockMatching)
    return loaded


def _desk(options: Options, rules: list[SymbolRules], matching: WallClockMatching, uid: int) -> Desk:
    desk = Desk(
        matching=matching,
        rules=rules,
        credentials=_credentials(options),
        limits=Limits(LimitSettings()),
        faults=Faults(options.seed),
        fees=Fees(options.maker_fee, options.taker_fee),
        uid=uid,
        seed=secrets.randbits(64),
    )
    matching.wall_ms = desk.now_ms
    return desk


def _credentials(options: Options) -> Credentials:
    key, secret = options.api_key or secrets.token_hex(32), options.api_secret or secrets.token_hex(32)
    if options.public_key is None:
        return Credentials(key, secret)
    try:
        return Credentials(key, secret, options.public_key.read_text())
    except (OSError, ValueError) as error:
        raise BuildError(f"--public-key {options.public_key}: {error}") from error


def _rest_of(desk: Desk, market_name: str) -> Json:
    """What is saved besides `Matching`'s own: instance, market, mids to open at, counters of public ids."""
    return {
        "instance": desk.uid,
        "market": market_name,
        "symbols": desk.symbols(),
        "mids": {name: str(mid) for name in desk.symbols() if (mid := desk.mid(name)) is not None},
        "update_ids": {name: desk.matching.books[name].update_id for name in desk.symbols()},
        "aggregate_ids": {name: tape.next_aggregate_id for name, tape in desk.tapes.items()},
        "account_updated_ms": desk.account_updated_ms,
        "amendments": desk.amendments.dump(),
    }


def _restore(desk: Desk, state: Json) -> None:
    """Counters that do not live in `Matching`: public ids go on where they were."""
    try:
        desk.restore(dict(state["aggregate_ids"]), list(state["amendments"]))  # type: ignore[call-overload]
        desk.account_updated_ms = int(str(state["account_updated_ms"]))
        for name, update_id in dict(state["update_ids"]).items():  # type: ignore[call-overload]
            book = desk.matching.books[name]
            book.update_id += update_id
            book.drained_id += update_id
    except (KeyError, ValueError, TypeError, ArithmeticError) as error:
        raise BuildError(f"the saved account cannot be read ({error!r}); start with --fresh") from error


def _server(
    options: Options, desk: Desk, matching: WallClockMatching, state: Json | None, notes: list[str]
) -> Server:
    """The server with its opening books built."""
    try:
        market = _market(options, list(desk.rules.values()), matching, state, notes)
        pacer = Pacer(market, lambda: desk.publish(desk.now_ms()), options.speed)
        server = Server(desk, pacer, options.connections)
        pacer.start(desk.now_ms())
    except RecordingError as error:
        raise BuildError(str(error)) from error
    return server


def _market(
    options: Options, rules: list[SymbolRules], matching: WallClockMatching, state: Json | None, notes: list[str]
) -> Market:
    """The driver; a continued synthetic market opens where its middle was, so that open orders stay where they are."""
    if not options.is_synthetic:
        recorded = RecordedMarket(options.market, matching)
        notes.extend(recorded.notes)
        return recorded
    market = SyntheticMarket(rules, options.seed, matching)
    notes.extend(market.notes)
    mids = state["mids"] if state is not None else {}
    assert isinstance(mids, dict)
    for rule in rules:
        if rule.symbol in mids:
            market.flows[rule.symbol].fair = float(Decimal(mids[rule.symbol]) / rule.tick)
    return market


def _ready(options: Options, desk: Desk, notes: list[str], continued: bool) -> Json:
    return {
        "api_key": desk.credentials.api_key,
        "api_secret": desk.credentials.api_secret,
        "instance": desk.uid,
        "market": options.market_name,
        "symbols": desk.symbols(),
        "maker_fee": str(desk.maker_fee),
        "taker_fee": str(desk.taker_fee),
        "continued": continued,
        "notes": notes,
    }
