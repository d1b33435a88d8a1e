"""The maker-first trader's settings: what config.yaml says by default is what the trader does by default."""

import msgspec

from assembly import maker_first_of, recipe_of
from runtime.config import load
from runtime.config_maker_first import MakerFirstConfig
from strategy import MarketMaker, strategy_of
from tests.paper.exchange_client import ROOT
from trading.maker_first import MakerFirst
from trading.recipe import MakerFirstSettings


def test_the_defaults_of_the_file_are_the_traders_own() -> None:
    """No default is written twice with two values."""
    assert msgspec.convert(MakerFirstConfig().model_dump(), MakerFirstSettings) == MakerFirstSettings()


def test_the_strategy_is_chosen_by_its_name_and_rests_after_no_fill() -> None:
    """strategy: maker_first makes it, with the paper exchange's taker fee and without the quotes' cool-down; without it the market maker quotes."""
    config = load(ROOT / "config.yaml", ["strategy=maker_first", "paper.taker_fee=0.002"], {}).config
    recipe = recipe_of(config)
    assert isinstance(strategy_of(recipe), MakerFirst)
    assert recipe.timing.cooldown_ms == 0
    assert maker_first_of(config).entry.fee_bps == 20
    assert isinstance(strategy_of(recipe_of(load(ROOT / "config.yaml", [], {}).config)), MarketMaker)
