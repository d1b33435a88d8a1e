"""The settings: every one with its unit, default and meaning. config.yaml and docs/config.md are generated from here (runtime.config_docs).

Who uses it: runtime.config builds it; bot.py and assembly.py read it. Frozen. Thread: any. Never: a file, an environment variable, a secret.
"""

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from runtime.config_fields import Section, section, setting, wrong
from runtime.config_maker_first import MakerFirstConfig
from runtime.config_values import (
    Address,
    Asset,
    Exact,
    Seconds,
    Symbol,
    Tag,
    Text,
    Truth,
    Whole,
    is_live,
    names_of,
    start_or_decimal,
    synthetic_or_files,
)

PORT_MAX = 65_535


# -- exchange ------------------------------------------------------------------------------------
class UrlsConfig(Section):
    rest: Address | None = setting(None, "", "Address of the REST API, without /api.")
    stream: Address | None = setting(None, "", "Address of the market streams, without /stream.")
    ws_api: Address | None = setting(None, "", "Address of the WebSocket API with its whole path.")


class ExchangeConfig(Section):
    urls: UrlsConfig = section(UrlsConfig, "Other addresses than the venue's own; each may stand alone.", "never")
    order_tag: Tag | None = setting(None, "", "Mark of our orders, 2 to 8 letters or digits. Unset: drawn once per state folder.", "never")
    order_entry: Literal["ws", "rest"] = setting(
        "ws", "", "Orders and cancels go over the WebSocket API (REST only while it is down), or always over REST."
    )
    read_timeout_ms: Whole = setting(3000, "ms", "Longest wait for a REST answer; then the outcome is unknown and is asked for.", ge=100, le=60_000)
    connect_timeout_ms: Whole = setting(1000, "ms", "Longest wait for a connection.", ge=50, le=60_000)
    silence_ms_max: Whole = setting(5000, "ms", "A socket silent for longer is left and opened anew.", ge=500, le=120_000)


class PaperConfig(Section):
    """The embedded exchange."""

    market: Annotated[Literal["synthetic"] | tuple[Text, ...], BeforeValidator(synthetic_or_files)] = setting(
        "synthetic", "", "synthetic, or a list of recording files to replay."
    )
    speed: Exact = setting(Decimal(1), "market seconds per second", "Pace of the market.", gt=0, le=1000)
    seed: Whole = setting(7, "", "Same seed, same synthetic market.", ge=0, le=2**31)
    fresh: Truth = setting(False, "", "true begins a new account at every start; false continues the last one.")
    maker_fee: Exact = setting(Decimal(0), "fraction of notional", "Fee of a maker fill; 0.001 is 0.1 %.", gt=-1, lt=1)
    taker_fee: Exact = setting(Decimal("0.001"), "fraction of notional", "Fee of a taker fill.", gt=-1, lt=1)
    balances: dict[Asset, Annotated[Exact, Field(ge=0)]] = setting(
        {"USDT": Decimal(10000), "BTC": Decimal("0.5"), "ETH": Decimal(5), "SOL": Decimal(50)}, "asset units", "What a new account holds."
    )
    ping_period_s: Exact = setting(Decimal(20), "s", "The exchange pings this often (Binance: 20).", gt=0, le=3600)
    ping_deadline_s: Exact = setting(Decimal(60), "s", "A client without a pong for this long is thrown out (Binance: 60).", gt=0, le=3600)
    faults: Text | None = setting(None, "", "File of faults to begin with, as for POST /paper/faults.")
    exchange_info: Text | None = setting(None, "", "File with symbol rules in Binance's own form.")
    port: Whole = setting(0, "", "Port on 127.0.0.1; 0 takes any free one.", ge=0, le=PORT_MAX)


# -- quoting -------------------------------------------------------------------------------------
class BandConfig(Section):
    """One band of a side."""

    min: Exact = setting(..., "bps or ticks", "Nearer to the reference than this, an order is bad.", ge=0, le=10_000)
    target: Exact = setting(..., "bps or ticks", "New orders are placed here.", ge=0, le=10_000)
    max: Exact = setting(..., "bps or ticks", "Farther from the reference than this, an order is bad.", gt=0, le=10_000)
    quantity: Exact = setting(..., "base", "What the band holds when it is full.", gt=0)
    unit: Literal["bps", "ticks"] = setting("bps", "", "bps of the reference price, or ticks of the symbol.")

    @model_validator(mode="after")
    def _in_order(self) -> "BandConfig":
        if not self.min <= self.target <= self.max or self.min == self.max:
            at = "target" if self.min < self.max else "max"
            raise wrong(at, f"needs min <= target <= max and min < max (got {self.min}, {self.target}, {self.max})")
        return self


Bands = tuple[BandConfig, ...]


def check_bands(bands: Bands, at: str) -> None:
    """Bands of one side share one unit, come nearest first and do not overlap; two may touch."""
    if len({band.unit for band in bands}) > 1:
        raise wrong(at, "has bands in bps and in ticks; one side uses one unit")
    for nearer, farther in zip(bands, bands[1:], strict=False):
        if farther.min < nearer.max:
            raise wrong(at, f"has bands that overlap: one ends at {nearer.max}, the next begins at {farther.min}; write the nearest first")


class InventoryConfig(Section):
    target: Annotated[Literal["start"] | Decimal, BeforeValidator(start_or_decimal)] = setting(
        "start", "base", "The holding to return to: start (what is held at the start), or a number."
    )
    cap: Exact = setting(Decimal("0.06"), "base", "A side stops when it would carry the inventory this far from the target.", gt=0)


class SymbolInventoryConfig(Section):
    """One symbol's own target or cap; what is left out is as in the section inventory."""

    target: Annotated[Literal["start"] | Decimal | None, BeforeValidator(start_or_decimal)] = setting(None, "base", "Instead of inventory.target.")
    cap: Exact | None = setting(None, "base", "Instead of inventory.cap.", gt=0)


class SymbolConfig(Section):
    """One symbol's own values."""

    bid_bands: Bands | None = setting(None, "", "Instead of quoting.bid_bands.", min_length=1, max_length=10)
    ask_bands: Bands | None = setting(None, "", "Instead of quoting.ask_bands.", min_length=1, max_length=10)
    inventory: SymbolInventoryConfig | None = setting(None, "", "target and cap instead of those of the section inventory; each may stand alone.")

    @model_validator(mode="after")
    def _bands(self) -> "SymbolConfig":
        check_bands(self.bid_bands or (), "bid_bands")
        check_bands(self.ask_bands or (), "ask_bands")
        return self


BANDS = (
    BandConfig(min=Decimal("0.5"), target=Decimal("1.4"), max=Decimal(3), quantity=Decimal("0.01")),
    BandConfig(min=Decimal(3), target=Decimal("4.5"), max=Decimal(7), quantity=Decimal("0.02")),
)


class QuotingConfig(Section):
    reference: Literal["mid", "touch"] = setting("mid", "", "Distances count from the middle of the touch, or from the own side's best price.")
    bid_bands: Bands = setting(BANDS, "", "Bands of our buy orders, nearest first.", min_length=1, max_length=10)
    ask_bands: Bands = setting(BANDS, "", "Bands of our sell orders, nearest first.", min_length=1, max_length=10)
    skew_bps_max: Exact = setting(Decimal(2), "bps", "Shift of the reference against the inventory when it stands at its cap.", ge=0, le=1000)
    cooldown_ms: Whole = setting(300, "ms", "A side rests this long after a fill.", ge=0, le=3_600_000)
    order_age_s_max: Whole = setting(0, "s", "An older order is canceled and placed anew; 0 never.", ge=0, le=604_800)
    min_edge_bps: Exact = setting(Decimal("0.5"), "bps", "Least distance from mid that must remain after the maker fee.", ge=0, le=1000)
    maker_fee_bps: Exact = setting(Decimal(10), "bps", "Our maker fee at a real venue; the paper exchange has paper.maker_fee.", ge=-100, le=1000)
    hysteresis: Exact = setting(
        Decimal("0.1"), "part of the band's width", "How far an order may stray beyond its band before it is bad.", ge=0, le=Decimal("0.5")
    )
    orders_per_band_max: Whole = setting(3, "orders", "A band is topped up with further orders until it holds this many.", ge=1, le=20)
    symbols: dict[Symbol, SymbolConfig] = setting({}, "", "One symbol's own bands and inventory, by symbol.")

    @model_validator(mode="after")
    def _bands(self) -> "QuotingConfig":
        check_bands(self.bid_bands, "bid_bands")
        check_bands(self.ask_bands, "ask_bands")
        return self


# -- limits --------------------------------------------------------------------------------------
class RiskConfig(Section):
    order_notional_max: Exact = setting(Decimal(5000), "quote", "Largest single order; 0 switches this limit off.", ge=0)
    open_orders_max: Whole = setting(20, "orders", "Most open orders per symbol.", ge=1, le=200)
    loss_quote_max: Exact = setting(Decimal(200), "quote", "Quoting stops when it has lost more than this; 0 switches this limit off.", ge=0)


class TimingConfig(Section):
    place_not_after_ms: Whole = setting(250, "ms", "An order that has not left this long after its decision is dropped.", "restart", ge=10, le=10_000)
    order_timeout_ms: Whole = setting(3000, "ms", "An order without an answer for this long is unknown: its side turns red.", ge=100, le=60_000)
    silent_ask_ms: Whole = setting(
        200, "ms", "The maker-first trader's orders are asked about this often while the user stream is down or silent.", ge=50, le=60_000
    )
    book_age_ms_max: Whole = setting(10_000, "ms", "A market book without a sign of life for this long is stale.", ge=500, le=600_000)
    stop_s: Seconds = setting(5.0, "s", "The whole stop ends within this time.", "restart", ge=2, le=60)


class LanesConfig(Section):
    cancel_workers: Whole = setting(4, "threads", "Cancels under way at once.", ge=1, le=32)
    place_workers: Whole = setting(4, "threads", "Places under way at once.", ge=1, le=32)
    query_workers: Whole = setting(2, "threads", "Questions under way at once.", ge=1, le=32)
    one_core: Truth = setting(
        True, "", "All threads on one processor core, where handing over takes less time; another one where programs crowd it. false: anywhere."
    )


class StateConfig(Section):
    dir: Text = setting("state", "", "Folder of intents, lock, control socket and paper account; relative to bot.py.", "never")


class TapeConfig(Section):
    on: Truth = setting(True, "", "Every event is kept in state/tape, so that a run can be replayed (docs/tape.md).")
    segment_mb_max: Whole = setting(32, "MB", "A segment of the tape ends at this size; the next begins with a checkpoint.", ge=1, le=1000)
    total_mb_max: Whole = setting(512, "MB", "All segments together; the oldest go.", ge=4, le=1_000_000)


class LogConfig(Section):
    dir: Text = setting("logs", "", "Folder of greenlight.log and events.jsonl; relative to bot.py.")
    file_mb_max: Whole = setting(10, "MB", "A log file is put aside at this size.", ge=1, le=1000)
    files: Whole = setting(5, "files", "Kept per log, the one in use included; the oldest goes.", ge=2, le=100)


class ReportConfig(Section):
    at_end: Truth = setting(True, "", "A run ends with its report as a file, reports/RUN.html beside the state folder, if two seconds are enough.")
    files: Whole = setting(50, "files", "Reports that are kept; the oldest goes.", ge=1, le=10_000)


class AmendConfig(Section):
    on_reject: Literal["resubmit", "keep"] = setting(
        "resubmit", "", "After the venue's no to a smaller order: resubmit (cancel, its word, place what is left) or keep it as it is."
    )
    price: Literal["cancel", "replace"] = setting(
        "cancel", "", "A quote whose price must move: cancel (and place once its side is green again) or replace (both in one command)."
    )


class ProofConfig(Section):
    every_s: Whole = setting(30, "s", "The books are compared with the venue's this often.", ge=1, le=3600)


class ConsoleConfig(Section):
    verbosity: Literal["quiet", "normal", "verbose"] = setting("normal", "", "quiet: fills, risk, proof, end. verbose: acknowledgements too.")


class ReloadConfig(Section):
    on: Truth = setting(True, "", "A running bot takes what may change of this file two seconds after it was saved. false: only a start reads it.")
    growth_max: Exact = setting(
        Decimal(5), "times", "A change that makes a size or a limit more than so many times as large is refused until a restart; 0 allows any.", ge=0
    )


class BacktestConfig(Section):
    place_ms: Whole = setting(20, "ms", "Way of a place, a change or a question to the venue.", ge=0, le=10_000)
    cancel_ms: Whole = setting(20, "ms", "Way of a cancel to the venue.", ge=0, le=10_000)
    answer_ms: Whole = setting(20, "ms", "Way back: answers, and what the user stream tells.", ge=0, le=10_000)
    market_data_ms: Whole = setting(20, "ms", "Way of market data from the venue.", ge=0, le=10_000)


class DashboardConfig(Section):
    enabled: Truth = setting(False, "", "A page on http://127.0.0.1 that shows what the bot sees (docs/page.md); its address is told at the start.")
    port: Whole = setting(8800, "", "Its port on 127.0.0.1; 0 takes any free one. Taken: the bot trades without the page.", ge=0, le=PORT_MAX)


class Config(Section):
    strategy: Literal["market_maker", "maker_first"] = setting(
        "market_maker", "", "What the bot does: quote both sides by bands, or take positions in lots on a signal, as a maker first."
    )
    venue: Literal["paper", "binance_testnet", "binance_demo", "binance"] = setting(
        "paper", "", "Where it trades. paper needs no keys and no network; binance is real money and needs --live as well.", "never"
    )
    symbols: Annotated[tuple[Symbol, ...], BeforeValidator(names_of)] = setting(("BTCUSDT",), "", "What it trades.", min_length=1, max_length=50)
    quoting: QuotingConfig = section(QuotingConfig, "Where orders stand.", "live")
    inventory: InventoryConfig = section(InventoryConfig, "How much may be held.", "live")
    maker_first: MakerFirstConfig = section(MakerFirstConfig, "The maker-first trader (strategy: maker_first).", "live")
    risk: RiskConfig = section(RiskConfig, "Our own no.", "live")
    timing: TimingConfig = section(TimingConfig, "Limits of time.", "live")
    lanes: LanesConfig = section(LanesConfig, "Worker threads of the three lanes.")
    exchange: ExchangeConfig = section(ExchangeConfig, "How the venue is reached.")
    paper: PaperConfig = section(PaperConfig, "The embedded exchange (venue: paper).")
    state: StateConfig = section(StateConfig, "What survives a restart.")
    tape: TapeConfig = section(TapeConfig, "The tape of a run.")
    log: LogConfig = section(LogConfig, "Log files.")
    report: ReportConfig = section(ReportConfig, "The report of a run.")
    amend: AmendConfig = section(AmendConfig, "Changes of standing orders.", "live")
    proof: ProofConfig = section(ProofConfig, "Proof that our books equal the venue's.", "live")
    console: ConsoleConfig = section(ConsoleConfig, "What the console says.")
    reload: ReloadConfig = section(ReloadConfig, "Changes of this file while the bot runs.")
    dashboard: DashboardConfig = section(DashboardConfig, "The page in a browser.")
    backtest: BacktestConfig = section(BacktestConfig, "How far the venue of a backtest is (docs/backtest.md).")

    @model_validator(mode="after")
    def _across(self) -> "Config":
        if len(set(self.symbols)) != len(self.symbols):
            raise wrong("symbols", "names a symbol twice")
        for symbol in self.quoting.symbols:
            if symbol not in self.symbols:
                raise wrong(f"quoting.symbols.{symbol}", f"is not traded; symbols names {', '.join(self.symbols)}")
        for name in ("rest", "ws_api"):
            if self.venue != "binance" and is_live(getattr(self.exchange.urls, name)):
                raise wrong(f"exchange.urls.{name}", f"leads to real money: that is venue: binance, with --live as well (got venue: {self.venue})")
        timing = self.timing
        if timing.place_not_after_ms > timing.order_timeout_ms:
            text = "an order would be called unknown before it had to leave"
            got = f"got {timing.place_not_after_ms}, {timing.order_timeout_ms}"
            raise wrong("timing.place_not_after_ms", f"must not be above timing.order_timeout_ms ({got}): {text}")
        if self.tape.total_mb_max < 2 * self.tape.segment_mb_max:
            raise wrong("tape.total_mb_max", f"must be at least twice tape.segment_mb_max (got {self.tape.total_mb_max}, {self.tape.segment_mb_max})")
        if self.paper.ping_deadline_s <= self.paper.ping_period_s:
            raise wrong("paper.ping_deadline_s", f"must be above paper.ping_period_s (got {self.paper.ping_deadline_s}, {self.paper.ping_period_s})")
        return self

    def inventory_of(self, symbol: str) -> InventoryConfig:
        """The inventory settings of one symbol: its own on top of the common ones, field by field."""
        own = self.quoting.symbols.get(symbol)
        if own is None or own.inventory is None:
            return self.inventory
        return self.inventory.model_copy(update=own.inventory.model_dump(exclude_none=True))

    def state_path(self, root: Path) -> Path:
        """The state folder; a relative one lies under `root`."""
        return root / Path(self.state.dir).expanduser()

    def log_path(self, root: Path) -> Path:
        return root / Path(self.log.dir).expanduser()
