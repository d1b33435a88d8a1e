"""config.yaml and docs/config.md, written from the model: they cannot say anything the bot does not do.

Who calls it: the verb `init`, tests, and `python -m runtime.config_docs` (rewrites both files). Never: a setting described elsewhere.
"""

import textwrap
from pathlib import Path

from pydantic import BaseModel

from runtime.config import written
from runtime.config_paths import Setting, settings_of, to_environment

WIDTH = 150
HEAD = """\
# Greenlight: every setting, with its default. Delete what you do not change. `python bot.py check` judges this file, offline.
# Any of these can also be set outside: GREENLIGHT__QUOTING__SKEW_BPS_MAX=3 in the environment, or --set quoting.skew_bps_max=3 (the last one wins).
# A running bot takes most changes of this file when it is saved; docs/config.md says which settings wait for a restart.
# Numbers are plain decimals (no 1e3). Keys never stand here: GREENLIGHT_API_KEY and GREENLIGHT_API_SECRET, or keys.yaml (0600) in the state folder.
"""
DOC_HEAD = """\
# Settings

Generated from `runtime/config_model.py` by `python -m runtime.config_docs`. Order of rule: `--set KEY=VALUE`, then environment, then `config.yaml`,
then the default. The environment name of a setting is its path in capitals with `__` between the parts: `GREENLIGHT__QUOTING__SKEW_BPS_MAX`.
`python bot.py show-config` prints the effective value of each and where it came from.

A running bot looks at the file once a second, by its path. Once the file has been still for a second it is judged whole, as at a start (`--set` and
environment still win), and what differs goes by the column *change*: `live` is taken at one tick, with a CONFIG line `key old -> new` each; `restart`
waits, is told once, and is listed by `status` until then; a file that changes a `never` (venue, its addresses, order tag, database) is another bot's,
and nothing of it is taken. Nothing is taken either of a file with a fault (its faults are told once), or where a size or a limit (quantities of a
side's bands, `inventory.cap`, `risk.*`, `quote_amount`, `lots_max`) would grow beyond `reload.growth_max`, or `inventory.target` would move further
than that many caps. Orders that the new settings do not want are canceled as ever; deadlines of orders, entries and exits under way stay.
"""
SYMBOLS_EXAMPLE = """\
  # ETHUSDT:
  #   bid_bands: [{min: 1, target: 2, max: 4, quantity: 0.2}]
  #   ask_bands: [{min: 1, target: 2, max: 4, quantity: 0.2}]
  #   inventory: {target: start, cap: 1}
"""


def config_yaml() -> str:
    """The commented config.yaml with all defaults."""
    lines = [HEAD]
    for one in settings_of():
        indent = "  " * (len(one.path) - 1)
        if one.model is not None:
            lines.append(f"{'' if indent else chr(10)}{indent}{one.path[-1]}:   # {one.text}")
            continue
        lines.extend(_wrapped(indent, one))
        lines.extend(_yaml_value(indent, one))
    return "\n".join(lines).replace("\n\n\n", "\n\n") + "\n"


def _wrapped(indent: str, one: Setting) -> list[str]:
    unit = f" [{one.unit}]" if one.unit else ""
    return textwrap.wrap(f"{one.text}{unit}", WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")


def _yaml_value(indent: str, one: Setting) -> list[str]:
    key, default = one.path[-1], one.default
    if default is None:
        return [f"{indent}# {key}:"]
    if isinstance(default, tuple) and default and isinstance(default[0], BaseModel):
        return [f"{indent}{key}:", *(f"{indent}  - {written(entry)}" for entry in default)]
    if one.is_table and not default:
        shifted = textwrap.indent(SYMBOLS_EXAMPLE.rstrip(), indent)
        return [f"{indent}{key}:", shifted]
    return [f"{indent}{key}: {written(default)}"]


def config_md() -> str:
    """docs/config.md: one table per section."""
    lines = [DOC_HEAD]
    sections: dict[tuple[str, ...], list[Setting]] = {}
    texts: dict[tuple[str, ...], str] = {(): "What the bot does, and where."}
    for one in settings_of():
        if one.model is not None:
            texts[one.path] = one.text
        else:
            sections.setdefault(one.path[:-1], []).append(one)
    for path in sorted(sections, key=lambda path: (bool(path), list(sections).index(path))):
        lines.append(f"## {'.'.join(path) or 'Top level'}\n\n{texts[path]}\n")
        lines.extend([*_table(sections[path]), ""])
        for one in sections[path]:
            if one.item is not None and one.path[-1] in ("bid_bands", "symbols"):
                lines.append(f"Each entry of `{one.name}`:\n")
                lines.extend([*_table(list(settings_of(one.item, around=one.change))), ""])
    lines.append(f"Environment names, one as an example: `{to_environment(('paper', 'balances', 'USDT'))}`.")
    return "\n".join(lines) + "\n"


def _table(settings: list[Setting]) -> list[str]:
    rows = ["| setting | default | unit | change | meaning |", "|---|---|---|---|---|"]
    for one in settings:
        default = "required" if one.info.is_required() else "" if one.model is not None else _short(one.default)
        meaning = one.text.replace("|", "\\|")
        rows.append(f"| `{one.path[-1] if len(one.path) < 2 else one.name}` | {default} | {one.unit} | {one.change} | {meaning} |")
    return rows


def _short(default: object) -> str:
    if default is None:
        return "unset"
    if isinstance(default, tuple) and default and isinstance(default[0], BaseModel):
        return "<br>".join(f"`{written(entry)}`" for entry in default)
    return f"`{written(default)}`"


def main() -> None:
    """Rewrite both files of the checkout."""
    root = Path(__file__).resolve().parent.parent
    (root / "docs").mkdir(exist_ok=True)
    (root / "config.yaml").write_text(config_yaml(), encoding="utf-8")
    (root / "docs" / "config.md").write_text(config_md(), encoding="utf-8")


if __name__ == "__main__":
    main()
