"""runtime/config_changes.py: which differences a running bot takes, which wait, and what is taken of no file."""

from decimal import Decimal
from pathlib import Path

import pytest

from assembly import recipe_of
from runtime.config import Config, load
from runtime.config_changes import CLASSES, Verdict, judge
from runtime.config_errors import dotted
from runtime.config_paths import settings_of

BAND = "{min: 1, target: 2, max: 4, quantity: 0.01}"
FAR = "{min: 4, target: 5, max: 6, quantity: 0.01}"


def config(text: str, tmp_path: Path) -> Config:
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return load(path, (), {}).config


def judged(tmp_path: Path, old: str, new: str) -> Verdict:
    return judge(config(old, tmp_path), config(new, tmp_path))


def said(verdict: Verdict) -> list[str]:
    return [one.words for one in verdict.live]


# -- what is taken -------------------------------------------------------------------------------
LIVE = [
    ("", "quoting: {cooldown_ms: 5}", ["quoting.cooldown_ms 300 -> 5"]),
    ("quoting: {cooldown_ms: 5}", "", ["quoting.cooldown_ms 5 -> 300"]),
    ("", "quoting: {reference: touch}\nrisk: {order_notional_max: 100}", ["quoting.reference mid -> touch", "risk.order_notional_max 5000 -> 100"]),
    (
        f"quoting: {{bid_bands: [{BAND}, {FAR}]}}",
        f"quoting: {{bid_bands: [{BAND}, {FAR.replace('5', '5.5')}]}}",
        ["quoting.bid_bands[1].target 5 -> 5.5"],
    ),
    (
        f"quoting: {{bid_bands: [{BAND}, {FAR}]}}",
        f"quoting: {{bid_bands: [{BAND}]}}",
        [
            "quoting.bid_bands [{min: 1, target: 2, max: 4, quantity: 0.01, unit: bps}, {min: 4, target: 5, max: 6, quantity: 0.01, unit: bps}]"
            " -> [{min: 1, target: 2, max: 4, quantity: 0.01, unit: bps}]"
        ],
    ),
    ("", "quoting: {symbols: {BTCUSDT: {inventory: {cap: 0.1}}}}", ["quoting.symbols.BTCUSDT unset -> {inventory: {cap: 0.1}}"]),
    (
        "quoting: {symbols: {BTCUSDT: {inventory: {cap: 0.1}}}}",
        "quoting: {symbols: {BTCUSDT: {inventory: {cap: 0.2}}}}",
        ["quoting.symbols.BTCUSDT.inventory.cap 0.1 -> 0.2"],
    ),
    ("", "maker_first: {entry: {deadline_ms: 900}, exits: {runner: false}, signal: {fast_s: 2}}", [
        "maker_first.entry.deadline_ms 2000 -> 900", "maker_first.exits.runner true -> false", "maker_first.signal.fast_s 5 -> 2",
    ]),
    ("", "timing: {order_timeout_ms: 900}\nproof: {every_s: 5}", ["timing.order_timeout_ms 3000 -> 900", "proof.every_s 30 -> 5"]),
    ("inventory: {target: 1, cap: 1}", "inventory: {target: 5.5, cap: 1}", ["inventory.target 1 -> 5.5"]),
    ("inventory: {cap: 0.10}", "inventory: {cap: 0.1}", []),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "words"), LIVE)
def test_what_is_taken(tmp_path: Path, old: str, new: str, words: list[str]) -> None:
    """A live setting is taken, with its old and new value, and the merged settings are the new ones."""
    verdict = judged(tmp_path, old, new)
    assert (said(verdict), list(verdict.waiting), list(verdict.faults)) == (words, [], [])
    assert verdict.config == config(new, tmp_path)


# -- what waits ----------------------------------------------------------------------------------
WAITING = [
    ("", "symbols: [BTCUSDT, ETHUSDT]", ["symbols [BTCUSDT] -> [BTCUSDT, ETHUSDT]"]),
    ("", "strategy: maker_first", ["strategy market_maker -> maker_first"]),
    ("", "lanes: {cancel_workers: 2}\nlog: {files: 3}", ["lanes.cancel_workers 4 -> 2", "log.files 5 -> 3"]),
    ("", "paper: {balances: {USDT: 5}}", [
        "paper.balances.USDT 10000 -> 5", "paper.balances.BTC 0.5 -> unset", "paper.balances.ETH 5 -> unset", "paper.balances.SOL 50 -> unset",
    ]),
    ("paper: {balances: {USDT: 5}}", "paper: {balances: {USDT: 5, BTC: 1}}", ["paper.balances.BTC unset -> 1"]),
    ("", "timing: {place_not_after_ms: 20, stop_s: 9}", ["timing.place_not_after_ms 250 -> 20", "timing.stop_s 5 -> 9"]),
    ("", "reload: {growth_max: 0}", ["reload.growth_max 5 -> 0"]),
    ("", "exchange: {order_entry: rest}", ["exchange.order_entry ws -> rest"]),
    (
        "symbols: [BTCUSDT, ETHUSDT]\nquoting: {symbols: {ETHUSDT: {inventory: {cap: 1}}}}",
        "symbols: [BTCUSDT]",
        ["symbols [BTCUSDT, ETHUSDT] -> [BTCUSDT]", "quoting.symbols.ETHUSDT {inventory: {cap: 1}} -> unset"],
    ),
    (
        "symbols: [BTCUSDT]",
        "symbols: [BTCUSDT, ETHUSDT]\nquoting: {symbols: {ETHUSDT: {inventory: {cap: 1}}}}",
        ["symbols [BTCUSDT] -> [BTCUSDT, ETHUSDT]", "quoting.symbols.ETHUSDT unset -> {inventory: {cap: 1}}"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "words"), WAITING)
def test_what_waits_for_a_restart(tmp_path: Path, old: str, new: str, words: list[str]) -> None:
    """What holds threads, sockets, files or the set of symbols waits; the settings in force stay as they are, a leaving symbol's own with them."""
    verdict = judged(tmp_path, old, new)
    assert [one.words for one in verdict.waiting] == words
    assert (said(verdict), list(verdict.faults)) == ([], [])
    assert verdict.config == config(old, tmp_path)


def test_the_rest_is_taken_while_something_waits(tmp_path: Path) -> None:
    """A file that changes both: the live part is in force, the other is not."""
    verdict = judged(tmp_path, "", "lanes: {cancel_workers: 2}\nquoting: {cooldown_ms: 5}")
    assert verdict.config == config("quoting: {cooldown_ms: 5}", tmp_path)


# -- what is taken of no file --------------------------------------------------------------------
ONE = "{min: 1, target: 2, max: 4, quantity: %s}"
REFUSED = [
    ("", "venue: binance_testnet\nquoting: {cooldown_ms: 5}", "venue paper -> binance_testnet · never changes in a running bot"),
    ("", "state: {dir: elsewhere}", "state.dir state -> elsewhere · never changes in a running bot"),
    ("", "exchange: {order_tag: ab12}", "exchange.order_tag unset -> ab12 · never changes"),
    ("", "exchange: {urls: {rest: 'http://127.0.0.1:1'}}", "exchange.urls.rest unset -> http://127.0.0.1:1 · never changes"),
    (
        f"quoting: {{bid_bands: [{ONE % '0.01'}]}}",
        f"quoting: {{bid_bands: [{ONE % '0.06'}]}}",
        "BTCUSDT quantity of all bid_bands 0.01 -> 0.06 is beyond",
    ),
    ("", f"quoting: {{symbols: {{BTCUSDT: {{ask_bands: [{ONE % '0.2'}]}}}}}}", "BTCUSDT quantity of all ask_bands 0.03 -> 0.2 is beyond"),
    ("", "inventory: {cap: 0.31}", "BTCUSDT inventory.cap 0.06 -> 0.31 is beyond reload.growth_max 5: a restart takes it"),
    ("", "risk: {order_notional_max: 0}", "risk.order_notional_max 5000 -> off is beyond"),
    ("", "risk: {loss_quote_max: 1001}", "risk.loss_quote_max 200 -> 1001 is beyond"),
    ("", "risk: {open_orders_max: 101}", "risk.open_orders_max 20 -> 101 is beyond"),
    ("", "maker_first: {entry: {quote_amount: 1200}}", "maker_first.entry.quote_amount 200 -> 1200 is beyond"),
    ("", "maker_first: {entry: {lots_max: 26}}", "maker_first.entry.lots_max 5 -> 26 is beyond"),
    ("", "inventory: {target: 3}", "BTCUSDT inventory.target start -> 3 cannot be measured"),
    ("inventory: {target: 1, cap: 1}", "inventory: {target: 6.1, cap: 1}", "BTCUSDT inventory.target 1 -> 6.1 is further than 5 caps"),
    ("reload: {growth_max: 2}", "inventory: {cap: 0.13}\nreload: {growth_max: 9}", "beyond reload.growth_max 2"),
    (
        "timing: {place_not_after_ms: 2000}",
        "timing: {place_not_after_ms: 50, order_timeout_ms: 500}",
        "as long as timing.place_not_after_ms waits for a restart: timing.place_not_after_ms must not be above",
    ),
]


@pytest.mark.parametrize(("old", "new", "words"), REFUSED)
def test_what_is_refused_whole(tmp_path: Path, old: str, new: str, words: str) -> None:
    """Another bot's file, a size or limit that grows beyond what was allowed before, a rest that does not hold together: nothing is taken."""
    verdict = judged(tmp_path, old, new)
    (fault,) = verdict.faults
    assert words in fault
    assert verdict.config == config(old, tmp_path)


def test_five_times_is_allowed_and_so_is_any_smaller_size(tmp_path: Path) -> None:
    """A person who takes risk away is never refused; up to the bound growth is taken; with growth_max 0 any growth."""
    assert not judged(tmp_path, "", "inventory: {cap: 0.3}\nrisk: {order_notional_max: 25000}").faults
    assert not judged(tmp_path, "", "inventory: {cap: 0.001}\nrisk: {order_notional_max: 1, loss_quote_max: 0.01}").faults
    free = "reload: {growth_max: 0}\n"
    assert not judged(tmp_path, free, free + "inventory: {cap: 5000, target: 7}\nrisk: {loss_quote_max: 0}").faults


# -- the classes ---------------------------------------------------------------------------------
OTHER: dict[str, object] = {
    "quoting.reference": "touch", "amend.on_reject": "keep", "amend.price": "replace", "inventory.target": Decimal(1), "quoting.symbols": {},
    "maker_first.entry.reprice": False, "maker_first.entry.fallback": False, "maker_first.exits.runner": False,
}  # fmt: skip
DECIDES_NOTHING = {"quoting.symbols", "quoting.maker_fee_bps", "maker_first.entry.fee_bps"}  # the last two have paper.* on the paper exchange


def with_other(name: str, strategy: str) -> Config:
    """The default settings with one of them changed."""
    data = Config.model_validate({"strategy": strategy}).model_dump()
    holder = data
    *sections, last = name.split(".")
    for section in sections:
        holder = holder[section]
    value = holder[last]
    if name in OTHER:
        value = OTHER[name]
    elif isinstance(value, tuple):
        value = ({**value[0], "quantity": value[0]["quantity"] * 2}, *value[1:])
    else:
        value = value + 1 if isinstance(value, int) else value + Decimal("0.1")
    holder[last] = value
    return Config.model_validate(data)


def test_every_live_setting_decides() -> None:
    """Live is what the recipe of the engine is made of: changing such a setting changes the recipe of the strategy it belongs to."""
    live = [one.name for one in settings_of() if one.change == "live" and one.model is None and one.name not in DECIDES_NOTHING]
    assert len(live) > 45
    for name in live:
        recipes = [recipe_of(with_other(name, strategy)) != recipe_of(Config(strategy=strategy)) for strategy in ("market_maker", "maker_first")]
        assert any(recipes), name


def test_every_setting_has_one_class() -> None:
    """Venue, addresses, tag and database never change; everything else is live or waits."""
    never = {dotted(path) for path, change in CLASSES.items() if change == "never"}
    urls = {"exchange.urls", "exchange.urls.rest", "exchange.urls.stream", "exchange.urls.ws_api"}
    assert never == {"venue", "state.dir", "exchange.order_tag", *urls}
    assert set(CLASSES.values()) == {"live", "restart", "never"}
