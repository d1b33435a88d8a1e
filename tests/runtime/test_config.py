"""config.yaml: what is accepted, what is refused and in which words, what the environment and --set change (ux.md 2)."""

import re
import time
from decimal import Decimal
from pathlib import Path

import pytest

from assembly import quoting_of
from runtime.config import Config, ConfigErrors, Loaded, load, schema, show_config
from runtime.config_docs import config_md, config_yaml
from runtime.config_errors import PROBLEMS_SHOWN_MAX
from runtime.config_paths import settings_of

ROOT = Path(__file__).resolve().parents[2]
SECRET = "SUPERSECRETVALUE42"
BAND = "{min: 1, target: 2, max: 4, quantity: 0.01}"


def loaded(tmp_path: Path, text: str, overrides: tuple[str, ...] = (), environ: dict[str, str] | None = None) -> Loaded:
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return load(path, overrides, environ or {})


def errors(tmp_path: Path, text: str, overrides: tuple[str, ...] = (), environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigErrors) as caught:
        loaded(tmp_path, text, overrides, environ)
    assert str(caught.value) == "\n".join(caught.value.lines)
    return [line for line in caught.value.lines if not line.startswith("     ")]


# -- what is accepted ----------------------------------------------------------------------------
def test_empty_file_means_defaults(tmp_path: Path) -> None:
    """A setting, a section or the whole file may be left out: the defaults are in the model."""
    assert loaded(tmp_path, "").config == loaded(tmp_path, "quoting:\ntiming:\n  # nothing\n").config == Config()


def test_generated_file_says_the_defaults(tmp_path: Path) -> None:
    """What `init` writes is valid, says every setting and changes none."""
    assert loaded(tmp_path, config_yaml()).config == Config()
    for one in settings_of():
        assert re.search(rf"^ *(# )?{one.path[-1]}:", config_yaml(), re.MULTILINE), one.name


def test_checked_in_files_are_up_to_date() -> None:
    """config.yaml and docs/config.md are what the model says now (python -m runtime.config_docs)."""
    assert (ROOT / "config.yaml").read_text(encoding="utf-8") == config_yaml()
    assert (ROOT / "docs" / "config.md").read_text(encoding="utf-8") == config_md()


def test_every_setting_has_a_meaning() -> None:
    """No setting without a description; a number carries its unit in its name or its unit column."""
    for one in settings_of():
        assert one.text.endswith("."), one.name
        suffix = re.search(r"_(ms|s|bps|mb)(_max)?$", one.path[-1])
        if suffix:
            assert one.unit.lower() == suffix.group(1), one.name


def test_decimals_are_exact(tmp_path: Path) -> None:
    """A number is the text that was written, never a float on the way."""
    config = loaded(tmp_path, "inventory: {cap: 0.1000000000000000055511151231257827}").config
    assert str(config.inventory.cap) == "0.1000000000000000055511151231257827"


def test_symbol_overrides(tmp_path: Path) -> None:
    """One symbol may have bands and inventory of its own; what it does not say is said by the common settings, field by field."""
    text = f"""
symbols: [BTCUSDT, ETHUSDT, SOLUSDT]
inventory: {{target: 5, cap: 2}}
quoting:
  symbols:
    ETHUSDT: {{bid_bands: [{BAND}], inventory: {{cap: 1}}}}
    SOLUSDT: {{inventory: {{target: start}}}}
"""
    config = loaded(tmp_path, text).config
    own = config.quoting.symbols["ETHUSDT"]
    assert own.bid_bands is not None and own.bid_bands[0].quantity == Decimal("0.01") and own.ask_bands is None
    held: dict[str, object] = {symbol: (config.inventory_of(symbol).target, config.inventory_of(symbol).cap) for symbol in config.symbols}
    assert held == {"BTCUSDT": (5, 2), "ETHUSDT": (5, 1), "SOLUSDT": ("start", 2)}
    assert [quoting_of(config, symbol).inventory_target for symbol in config.symbols] == [5, 5, None]


@pytest.mark.parametrize("rest", ["https://demo-api.binance.com", "https://testnet.binance.vision", "https://binance.com.evil.example", "http://h:1"])
def test_other_addresses_need_no_second_word(tmp_path: Path, rest: str) -> None:
    """Only an address of real money is bound to venue: binance; a stream of its prices is not one."""
    text = f"venue: binance_testnet\nexchange: {{urls: {{rest: '{rest}', stream: 'wss://stream.binance.com:9443'}}}}"
    assert loaded(tmp_path, text).config.exchange.urls.rest == rest


def test_byte_order_mark(tmp_path: Path) -> None:
    """A file saved with a byte order mark is read like any other."""
    assert loaded(tmp_path, "\ufeffvenue: paper\n").config.venue == "paper"


def test_symbols_never_become_booleans(tmp_path: Path) -> None:
    """NO and ON are text here, not YAML's booleans."""
    assert loaded(tmp_path, "symbols: [ON, NO]").config.symbols == ("ON", "NO")


# -- what lies over the file ---------------------------------------------------------------------
def test_set_beats_environment_beats_file(tmp_path: Path) -> None:
    """--set over environment over file over default."""
    text, environ = (
        "timing: {stop_s: 3}\nproof: {every_s: 4}\nlog: {files: 6}",
        {
            "GREENLIGHT__TIMING__STOP_S": "7",
            "GREENLIGHT__PROOF__EVERY_S": "8",
        },
    )
    made = loaded(tmp_path, text, ("timing.stop_s=9",), environ)
    assert (made.config.timing.stop_s, made.config.proof.every_s, made.config.log.files) == (9.0, 8, 6)
    shown = "\n".join(show_config(made))
    assert re.search(r"^timing.stop_s = 9 +# --set timing.stop_s$", shown, re.MULTILINE)
    assert re.search(r"^proof.every_s = 8 +# environment GREENLIGHT__PROOF__EVERY_S$", shown, re.MULTILINE)
    assert re.search(r"^log.files = 6 +# from config.yaml:3$", shown, re.MULTILINE)
    assert re.search(r"^log.dir = logs +# default$", shown, re.MULTILINE)


def test_set_takes_yaml(tmp_path: Path) -> None:
    """A value of --set may be a list or a section, and a name alone stands for a list of one."""
    bands = f"quoting.bid_bands=[{BAND}]"
    config = loaded(tmp_path, "", (bands, "symbols=ETHUSDT", "paper.balances={USDT: 5}")).config
    assert len(config.quoting.bid_bands) == 1 and config.symbols == ("ETHUSDT",) and config.paper.balances == {"USDT": Decimal(5)}


def test_environment_keeps_the_case_of_names(tmp_path: Path) -> None:
    """Settings are lower case, but assets and symbols stay as written."""
    environ = {"GREENLIGHT__PAPER__BALANCES__USDT": "5", "GREENLIGHT__QUOTING__SYMBOLS__BTCUSDT__INVENTORY__CAP": "2"}
    config = loaded(tmp_path, "", (), environ).config
    assert config.paper.balances == {"USDT": Decimal(5)}
    assert config.inventory_of("BTCUSDT").cap == 2


def test_version_follows_the_values(tmp_path: Path) -> None:
    """Same effective values, same version, however they were given; another value, another version."""
    one, same, other = loaded(tmp_path, "log: {files: 6}"), loaded(tmp_path, "", ("log.files=6",)), loaded(tmp_path, "log: {files: 7}")
    assert one.version == same.version != other.version


def test_schema_names_every_section() -> None:
    """The JSON schema for editors describes the same model."""
    made = schema()
    assert made["additionalProperties"] is False and set(Config.model_fields) == set(made["properties"])  # type: ignore[call-overload]


# -- what is refused -----------------------------------------------------------------------------
BROKEN = [
    ("quoting:\n  skew_bpsmax: 1", "config.yaml:2:3: quoting.skew_bpsmax is not a known setting; did you mean 'skew_bps_max'?"),
    ("cooldown_ms: 5", "config.yaml:1:1: cooldown_ms is not a known setting; 'quoting.cooldown_ms' is where it belongs"),
    ("quoting:\n  cap: 1", "config.yaml:2:3: quoting.cap is not a known setting; 'inventory.cap' is where it belongs"),
    ("qouting: {}", "config.yaml:1:1: qouting is not a known setting; did you mean 'quoting'?"),
    ("quoting:\n  cooldown_ms: -3", "config.yaml:2:16: quoting.cooldown_ms must be >= 0 (got -3); a side rests this long after a fill"),
    ("quoting:\n  min_edge_bps: 1e3", "config.yaml:2:17: quoting.min_edge_bps must be a number in plain digits (got '1e3'); write 1000"),
    ("paper:\n  seed: 0123", "config.yaml:2:9: paper.seed must be a number in plain digits (got '0123'); no leading zero"),
    ("timing: {stop_s: 12:30}", "config.yaml:1:18: timing.stop_s must be a number in plain digits (got '12:30'); no colon"),
    ("inventory: {cap: '0,5'}", "config.yaml:1:18: inventory.cap must be a number in plain digits (got '0,5'); write 0.5"),
    (
        "inventory: {cap: 5 BTC}",
        "config.yaml:1:18: inventory.cap must be a number in plain digits (got '5 BTC'); the unit is fixed, write the number alone",
    ),
    ("inventory: {cap: .5}", "config.yaml:1:18: inventory.cap must be a number in plain digits (got '.5'); write 0.5"),
    ("inventory: {cap: .inf}", "config.yaml:1:18: inventory.cap must be a number in plain digits (got '.inf')"),
    ("quoting: {cooldown_ms: 1.5}", "config.yaml:1:24: quoting.cooldown_ms must be a whole number (got '1.5')"),
    ("paper: {seed: 5.0}", "config.yaml:1:15: paper.seed must be a whole number (got '5.0')"),
    ("paper: {fresh: no}", "config.yaml:1:16: paper.fresh must be true or false (got 'no'); write false"),
    (
        "venue: binanse",
        "config.yaml:1:8: venue must be one of 'paper', 'binance_testnet', 'binance_demo', 'binance' (got 'binanse'); did you mean 'binance'?",
    ),
    ("symbols: [btc-usdt]", "config.yaml:1:11: symbols[0] must be a symbol in capitals like BTCUSDT (got 'btc-usdt'); did you mean 'BTCUSDT'?"),
    (
        "quoting: {symbols: {ETHUSDT: {}}}",
        "config.yaml:1:30: quoting.symbols.ETHUSDT is not traded; symbols names BTCUSDT",
    ),
    ("paper: {market: []}", "config.yaml:1:17: paper.market must be synthetic, or a list of at least one recording file"),
    (
        "timing: {place_not_after_ms: 4000}",
        "config.yaml:1:30: timing.place_not_after_ms must not be above timing.order_timeout_ms (got 4000, 3000): "
        "an order would be called unknown before it had to leave",
    ),
    ("symbols: []", "config.yaml:1:10: symbols needs at least 1 (got 0)"),
    ("symbols: [BTCUSDT, BTCUSDT]", "config.yaml:1:10: symbols names a symbol twice"),
    ("b: 1\nrisk:\n  open_orders_max: 3\n  open_orders_max: 4", "config.yaml:4:3: risk.open_orders_max is written twice (first on line 3)"),
    ("inventory: 3", "config.yaml:1:12: inventory holds settings of its own, `name: value` (got '3')"),
    ("quoting: {bid_bands: 7}", "config.yaml:1:22: quoting.bid_bands must be a list (got '7')"),
    ("timing:\n  stop_s:", "config.yaml:2:10: timing.stop_s is empty; delete the line to use the default"),
    (
        "quoting:\n  bid_bands:\n    - {min: 1, target: 9, max: 4, quantity: 0.01}",
        "config.yaml:3:24: quoting.bid_bands[0].target needs min <= target <= max and min < max (got 1, 9, 4)",
    ),
    (
        "quoting:\n  ask_bands:\n    - {min: 1, target: 2, max: 4, quantity: 1}\n    - {min: 3, target: 4, max: 5, quantity: 1}",
        "config.yaml:3:5: quoting.ask_bands has bands that overlap: one ends at 4, the next begins at 3; write the nearest first",
    ),
    ("quoting: {bid_bands: [{min: 1, max: 4, quantity: 1}]}", "config.yaml:1:23: quoting.bid_bands[0].target is missing; new orders are placed here"),
    ("quoting: {bid_bands: [{min: 1, target: 2, max: 4, quantity: 0}]}", "quoting.bid_bands[0].quantity must be > 0 (got 0)"),
    ("quoting: {hysteresis: 0.6}", "config.yaml:1:23: quoting.hysteresis must be <= 0.5 (got 0.6)"),
    ("inventory: {target: begin}", "config.yaml:1:21: inventory.target must be 'start' (what is held when the bot starts) or a number (got 'begin')"),
    ("paper: {ping_period_s: 60}", "paper.ping_deadline_s must be above paper.ping_period_s (got 60, 60)"),
    ("paper: {balances: {usdt: 4}}", "config.yaml:1:26: paper.balances.usdt must be an asset in capitals like USDT (got 'usdt')"),
    ("exchange: {urls: {rest: 'http://u:p@host'}}", "exchange.urls.rest must be an address like https://host:port"),
    ("exchange:\n  urls: {rest: 'https://api.binance.com'}", "config.yaml:2:16: exchange.urls.rest leads to real money: that is venue: binance"),
    ("venue: binance_testnet\nexchange: {urls: {ws_api: 'wss://WS-API.binance.com:443/ws-api/v3'}}", "exchange.urls.ws_api leads to real money"),
    ("venue: binance_demo\nexchange: {urls: {rest: 'https://api.binance.us.'}}", "(got venue: binance_demo)"),
    ("exchange: {order_tag: a-b}", "config.yaml:1:23: exchange.order_tag must be 2 to 8 letters or digits (got 'a-b')"),
    ("quoting:\n\tcooldown_ms: 3", "config.yaml:2:1: is indented with a tab; YAML takes spaces only"),
    ("quoting:\n  cooldown_ms: 3\n skew_bps_max: 4", "config.yaml:3:2: is not valid YAML: an indentation that fits no line above"),
    ('venue: "paper', "config.yaml:1:14: is not valid YAML: a quote or bracket that is never closed"),
    ("venue: paper: x", "config.yaml:1:13: is not valid YAML"),
    ("a: &x 1\nb: *x", "config.yaml:2:1: b is an alias (*name); write the value out"),
    ("risk:\n  loss_quote_max: .inf", "a limit has a number, 0 where it says that 0 switches it off"),
    ("venue: *x", "config.yaml:1:8: uses an alias (*name); write the value out"),
    ("venue: paper\n---\nvenue: paper", "config.yaml:2:1: begins a second document ('---'); one is enough"),
    ("venue: !!python/object:os.system x", "config.yaml:1:8: has a YAML tag (!...); write the plain value"),
    ("<<: {venue: paper}", "config.yaml:1:1: must be a plain key"),
    ("- venue", "config.yaml:1:1: must be settings, `key: value` line by line"),
    ("[" * 3000, "config.yaml:1:1: is nested too deeply"),
    ("venue: \x07", "config.yaml:1:1: holds a character that YAML does not allow"),
]


@pytest.mark.parametrize(("text", "expected"), BROKEN, ids=[expected[:60] for _, expected in BROKEN])
def test_broken_config_names_line_and_mend(tmp_path: Path, text: str, expected: str) -> None:
    """Every fault is named with file, line, column and what to write instead, in well under a second."""
    begun = time.thread_time()
    found = errors(tmp_path, text)
    assert time.thread_time() - begun < 1
    assert any(expected in line for line in found), found
    assert all(re.match(r"config\.yaml:\d+:\d+: ", line) for line in found)


def test_all_faults_at_once_in_order(tmp_path: Path) -> None:
    """A person mends the whole file in one go: faults come together, in the order of the lines."""
    found = errors(tmp_path, "venue: x\ntiming: {stop_s: 1}\nfoo: 1\nrisk:\n  open_orders_max: 0\n  open_orders_max: 3\n")
    assert [line.split(":")[1] for line in found] == ["1", "2", "3", "5", "6"]


def test_caret_points_at_the_fault(tmp_path: Path) -> None:
    """Below each fault stands its line, and a caret under the column."""
    with pytest.raises(ConfigErrors) as caught:
        loaded(tmp_path, "quoting:\n  cooldown_ms: -3")
    assert caught.value.lines[1:] == ["     2 |   cooldown_ms: -3", "       |                ^"]


def test_faults_outside_the_file_name_their_source(tmp_path: Path) -> None:
    """A fault of --set or of the environment names the option or variable, not a line."""
    found = errors(
        tmp_path,
        "",
        ("quoting.skewbps_max=3", "timing.stop_s=yes", "foo", "quoting.bid_bands=[{min: 1}", "quoting.bid_bands.0.min=3", "Paper.Seed=3"),
        {"GREENLIGHT__QUOTING__COOLDOWN": "3", "GREENLIGHT__RISK__OPEN_ORDERS_MAX": "x"},
    )
    for expected in (
        "--set quoting.skewbps_max: quoting.skewbps_max is not a known setting; did you mean 'skew_bps_max'?",
        "--set timing.stop_s: timing.stop_s must be a number in plain digits (got 'yes')",
        "--set number 3: needs the form KEY=VALUE, such as quoting.skew_bps_max=3",
        "--set number 6: names no setting; keys are in small letters, such as quoting.skew_bps_max=3, and a list is set as a whole",
        "environment GREENLIGHT__QUOTING__COOLDOWN: not a known setting; did you mean 'GREENLIGHT__QUOTING__COOLDOWN_MS'?",
        "environment GREENLIGHT__RISK__OPEN_ORDERS_MAX: must be a number in plain digits (got 'x')",
    ):
        assert expected in found
    assert any(line.startswith("--set quoting.bid_bands: is not valid YAML") for line in found)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("GREENLIGHT_QUOTING__SKEW_BPS_MAX", "settings begin with GREENLIGHT__"),
        ("greenlight__quoting__skew_bps_max", "settings begin with GREENLIGHT__"),
        ("GREENLIGHT_API_KYE", "did you mean 'GREENLIGHT_API_KEY'?"),
        ("greenlight_api_secret", "did you mean 'GREENLIGHT_API_SECRET'?"),
    ],
)
def test_an_environment_name_that_says_nothing_is_told(tmp_path: Path, name: str, hint: str) -> None:
    """A name meant for us and missed by a letter is a fault, not silence; its value is not told. Names of others stay theirs."""
    told = errors(tmp_path, "", (), {name: "hush-hush", "GREENLIGHT_API_KEY": "x", "GREENLIGHT_DATA": "/data", "GREENLIGHT_PROFILE": "1"})
    assert len(told) == 1 and told[0].startswith(f"environment {name}: not a name of ours") and hint in told[0] and "hush" not in told[0]


def test_unreadable_files(tmp_path: Path) -> None:
    """Missing, a folder, not UTF-8, far too large: one line, no traceback."""
    with pytest.raises(ConfigErrors, match=r"^/.*/none\.yaml: cannot be read: No such file or directory; `python bot.py init .*` writes one$"):
        load(tmp_path / "none.yaml", (), {})
    with pytest.raises(ConfigErrors, match="cannot be read: Is a directory"):
        load(tmp_path, (), {})
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"venue: paper\n# caf\xe9\n")
    with pytest.raises(ConfigErrors, match="latin.yaml:2:1: is not UTF-8 text here"):
        load(path, (), {})
    path.write_bytes(b"# x\n" * 40_000)
    with pytest.raises(ConfigErrors, match="is larger than"):
        load(path, (), {})


def test_many_faults_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of nothing but faults prints a bounded number of them and counts the rest; what was meant is guessed only for what is printed."""
    guessed: list[str] = []

    def guess(word: str, *_: object, **__: object) -> list[str]:
        guessed.append(word)
        return []

    monkeypatch.setattr("runtime.config_errors.get_close_matches", guess)
    found = errors(tmp_path, "".join(f"wrong{n}: 1\n" for n in range(200)))
    assert len(found) == PROBLEMS_SHOWN_MAX + 1 and found[-1] == "150 more problems are not shown"
    assert set(guessed) == {f"wrong{n}" for n in range(PROBLEMS_SHOWN_MAX)}


# -- secrets -------------------------------------------------------------------------------------
LEAKS = [
    f"api_secret: {SECRET}",
    f"exchange:\n  api_key: {SECRET}",
    f"api_secret: {SECRET}\nvenue: {SECRET}\n{SECRET}: 1",
    f"exchange: {{api_key: {SECRET}, venue: [}}",
    f"api_secret: *{SECRET}",
    f"api_secret: &{SECRET} x\nb: *{SECRET}",
    f'api_secret: "{SECRET}\nvenue: paper',
    f"api_secret: |\n  {SECRET}\n bad: - x",
    f"secret:\n  - {SECRET}\nsymbols: {SECRET}",
    f"api_secret: !{SECRET} x",
    f"api_secret: !{SECRET}!x",
    f"api_secret: {SECRET}: y",
]


@pytest.mark.parametrize("text", LEAKS)
def test_planted_secret_is_never_printed(tmp_path: Path, text: str) -> None:
    """Whatever else is wrong in a file that holds a secret, the secret is not in the errors."""
    with pytest.raises(ConfigErrors) as caught:
        loaded(tmp_path, text)
    assert SECRET not in str(caught.value)


def test_secret_is_refused_with_directions(tmp_path: Path) -> None:
    """Keys in the config, the environment overlay or --set are refused, and the error says where they belong."""
    found = errors(tmp_path, f"api_key: {SECRET}", (f"exchange.api_secret={SECRET}",), {"GREENLIGHT__API_SECRET": SECRET})
    assert len(found) == 3 and all("GREENLIGHT_API_KEY and GREENLIGHT_API_SECRET" in line and "keys.yaml" in line for line in found)
    assert SECRET not in "\n".join(found)


SET_LEAKS = [
    f"api_secret:{SECRET}",
    f"api_secret: {SECRET}",
    f"api_secret:{SECRET}==",
    f"exchange.api_secret.{SECRET}=1",
    f"exchange.{SECRET}.api_secret=1",
    f"quoting.symbols.{SECRET}abc=1",
    f"secret={SECRET}={SECRET}",
    SECRET,
    f"{SECRET}=",
    f"{SECRET.lower()}9=x",
    f"{SECRET}/+{SECRET}==",
    f"={SECRET}",
    f"-api_key {SECRET}",
    f"paper.market.{SECRET}: {SECRET}",
]


@pytest.mark.parametrize("override", SET_LEAKS)
def test_a_secret_given_to_set_is_never_printed(tmp_path: Path, override: str) -> None:
    """However a secret came into --set, with its name or without, the error does not repeat it."""
    found = "\n".join(errors(tmp_path, "", ("timing.stop_s=9", override)))
    assert SECRET.lower() not in found.lower()
    assert "--set" in found
    if "api_secret:" in override:
        assert "GREENLIGHT_API_SECRET" in found, "it also says where keys belong"


def test_a_secret_in_an_environment_name_is_never_printed(tmp_path: Path) -> None:
    """A name like GREENLIGHT__API_SECRET__<secret> is told up to the word that makes it a secret."""
    found = errors(tmp_path, "", (), {f"GREENLIGHT__API_SECRET__{SECRET}": "1"})
    assert SECRET not in "\n".join(found) and "GREENLIGHT_API_SECRET" in found[0]
