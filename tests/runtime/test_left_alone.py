"""Lots that a run does not look after (another strategy, or a symbol left out): the start says so in one line, and nothing of them is lost."""

from pathlib import Path

import msgspec

from assembly import Session
from core.events import Boot
from core.lots import Holding
from core.position_words import left_alone
from core.types import Side
from exchange.binance.urls import Urls
from runtime.config import Config, load
from runtime.keys import Keys
from state.intents import Intents
from state.ledger import recover, rotate
from tests.core.builders import BTC, ETH, LIMITS, TAG
from tests.paper.exchange_client import ROOT
from tests.trading.floor import D, Floor


def memory() -> str:
    desk = Floor()
    desk.held("0.5")
    desk.held("1")
    desk.trader.lots.dust[Side.SELL] = Holding(D("0.004"), D("0.4"))
    return msgspec.json.encode(desk.trader).decode()


def left_behind(path: Path, *symbols: str) -> None:
    """The intents of a run with lots."""
    intents = Intents(path)
    intents.start()
    intents.boot(Boot(boot="m0", tag=TAG, venue="paper", instance="i1", rules=(BTC,), limits=LIMITS), 0)
    for symbol in symbols:
        intents.memory(symbol, memory())
    intents.stop(0)


def test_the_words_name_symbol_side_quantity_and_what_brings_them_back() -> None:
    """One line for all; a symbol that is looked after, and a side without lots and dust, is not in it; a long list is cut off."""
    memories = (("BTCUSDT", memory()), ("ETHUSDT", memory()))
    assert left_alone(memories, ("BTCUSDT", "ETHUSDT")) == ()
    assert left_alone(memories, ("BTCUSDT",)) == (
        "nobody looks after ETHUSDT BUY 1.5 in 2 lots, ETHUSDT SELL 0.004 dust in this run"
        " · kept as it is; goes on with strategy: maker_first and its symbol",
    )
    assert ", and 6 more in this run" in left_alone([(f"X{number}", memory()) for number in range(5)], ())[0]


class Quiet:
    """A venue that knows the account and nothing else."""

    def sync_clock(self) -> None: ...

    def exchange_info(self) -> tuple[object, ...]:
        return (BTC, ETH), LIMITS

    def order_counts(self) -> tuple[object, ...]:
        return ()

    def account_identity(self) -> str:
        return "i1"

    def newest_names(self, symbols: object) -> tuple[str, ...]:
        return ()


def notes_of(state: Path, *overrides: str) -> tuple[str, ...]:
    """What a start with these settings says, and afterwards the file as it was."""
    config: Config = load(ROOT / "config.yaml", overrides, {}).config
    session = Session(config, Keys("k", "s"), Urls("http://x", "ws://x", "ws://x"), state, TAG, lambda at_ns, step: None, lambda fault: None)
    session.venue = Quiet()  # type: ignore[assignment]
    session.learn()
    return session.boot_notes


def test_a_start_with_another_strategy_or_without_the_symbol_says_so_and_keeps_the_memory(tmp_path: Path) -> None:
    """Two symbols with lots: the market maker looks after none, maker_first on BTCUSDT after one; a rotation in between takes nothing away."""
    left_behind(tmp_path / "intents.log", "BTCUSDT", "ETHUSDT")
    before = recover(tmp_path / "intents.log", "i1").memories
    (other,) = notes_of(tmp_path)
    assert "nobody looks after BTCUSDT BUY 1.5 in 2 lots" in other and "ETHUSDT BUY 1.5 in 2 lots" in other
    (without,) = notes_of(tmp_path, "strategy=maker_first")
    assert "BTCUSDT" not in without and "ETHUSDT BUY 1.5 in 2 lots" in without
    assert rotate(tmp_path / "intents.log", recover(tmp_path / "intents.log", "i1"), at_bytes=1)
    assert recover(tmp_path / "intents.log", "i1").memories == before
