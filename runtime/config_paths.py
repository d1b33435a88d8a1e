"""The names of all settings, read from the model: for suggestions, for documents, for environment names.

Who calls it: runtime.config, config_errors, config_docs; main thread. Never: a value.
"""

import re
import types
import typing
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from runtime.config_fields import OTHERWISE, Change
from runtime.config_model import Config
from runtime.config_source import SECRET

ENVIRONMENT = "GREENLIGHT__"
KEY_NAMES = ("GREENLIGHT_API_KEY", "GREENLIGHT_API_SECRET", "GREENLIGHT_PRIVATE_KEY_FILE")  # of runtime.keys
NAME = re.compile(r"[A-Za-z_]{1,80}")
WORD = re.compile(r"[a-z_-]{1,40}|[0-9]{1,3}")
TABLE_NAME = re.compile(r"[A-Z0-9]{1,30}")


@dataclass(frozen=True)
class Setting:
    """One field of the model. `model` is set for a section, `item` for a list or table whose entries are sections."""

    path: tuple[str, ...]
    info: FieldInfo
    model: type[BaseModel] | None = None
    item: type[BaseModel] | None = None
    is_table: bool = False
    around: Change = OTHERWISE  # the class of the section it stands in

    @property
    def name(self) -> str:
        return ".".join(self.path)

    @property
    def unit(self) -> str:
        return str(self._extra.get("unit", ""))

    @property
    def change(self) -> Change:
        """What a running bot does with another value (runtime.config_fields)."""
        own: Change | None = self._extra.get("change")
        return own or self.around

    @property
    def _extra(self) -> dict[str, Any]:
        extra = self.info.json_schema_extra
        return extra if isinstance(extra, dict) else {}

    @property
    def text(self) -> str:
        return self.info.description or ""

    @property
    def default(self) -> object:
        return self.info.get_default(call_default_factory=True)


def settings_of(model: type[BaseModel] = Config, path: tuple[str, ...] = (), around: Change = OTHERWISE) -> Iterator[Setting]:
    """Every setting, sections before their contents; entries of lists and tables are not followed."""
    for name, info in model.model_fields.items():
        one = _setting((*path, name), info, around)
        yield one
        if one.model is not None:
            yield from settings_of(one.model, one.path, one.change)


def _setting(path: tuple[str, ...], info: FieldInfo, around: Change = OTHERWISE) -> Setting:
    annotation = info.annotation
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return Setting(path, info, model=annotation, around=around)
    models = [found for found in _leaves(annotation) if isinstance(found, type) and issubclass(found, BaseModel)]
    if models and isinstance(annotation, types.UnionType) and models[0] in typing.get_args(annotation):
        return Setting(path, info, item=models[0], around=around)
    is_table = typing.get_origin(annotation) is dict
    return Setting(path, info, item=models[0] if models else None, is_table=is_table, around=around)


def _leaves(annotation: object) -> Iterator[object]:
    arguments = typing.get_args(annotation)
    if not arguments:
        yield annotation
    for argument in arguments:
        yield from _leaves(argument)


def section_at(path: tuple[str | int, ...]) -> type[BaseModel] | None:
    """The model that holds the settings at this path, entries of lists and tables included; None where there is none."""
    model: type[BaseModel] | None = Config
    waiting: Setting | None = None
    for part in path:
        if waiting is not None:  # an entry of a list or table
            model, waiting = waiting.item, None
            if isinstance(part, int) or model is None or part not in model.model_fields:
                continue
        if model is None or not isinstance(part, str) or part not in model.model_fields:
            return None
        one = _setting((part,), model.model_fields[part])
        if one.model is not None:
            model = one.model
        elif one.item is not None and not one.is_table and isinstance(one.default, type(None)) and _is_direct(one):
            model = one.item
        elif one.item is not None or one.is_table:
            waiting = one
        else:
            return None
    return model if waiting is None else None


def field_at(path: tuple[str | int, ...]) -> FieldInfo | None:
    """The field at this path; None for entries and unknown names."""
    if not path or not isinstance(path[-1], str):
        return None
    model = section_at(path[:-1])
    return model.model_fields.get(path[-1]) if model is not None else None


def is_section(path: tuple[str | int, ...]) -> bool:
    """A section or a table: something with settings of its own."""
    field = field_at(path)
    return section_at(path) is not None or (field is not None and _setting((str(path[-1]),), field).is_table)


def is_speakable(path: tuple[str, ...]) -> bool:
    """A name that an error may repeat: words like those of our settings; capitals and digits only where a table of symbols or assets holds them."""
    for length, part in enumerate(path):
        is_entry = TABLE_NAME.fullmatch(part) and is_section(path[:length]) and section_at(path[:length]) is None
        if not WORD.fullmatch(part) and not is_entry:
            return False
    return True


def up_to_secret(path: tuple[str, ...]) -> tuple[str, ...]:
    """The path as far as the word that makes it a secret; whatever follows may be the secret itself."""
    cut = next((length for length, part in enumerate(path, 1) if SECRET.search(part)), len(path))
    return path[:cut]


def _is_direct(one: Setting) -> bool:
    """`Section | None`, unlike a list of sections."""
    return one.item in typing.get_args(one.info.annotation)


def from_environment(name: str) -> tuple[str, ...]:
    """GREENLIGHT__PAPER__BALANCES__USDT -> paper.balances.USDT: lower case, but entries of tables keep theirs."""
    path: list[str] = []
    in_table = False
    for part in name.removeprefix(ENVIRONMENT).split("__"):
        path.append(part if in_table else part.lower())
        field = None if in_table else field_at(tuple(path))
        in_table = field is not None and _setting(tuple(path), field).is_table
    return tuple(path)


def strange_names(environ: Iterable[str]) -> Iterator[tuple[str, str]]:
    """(name, hint) of environment names meant for us that say nothing: an underscore too few, small letters, a slip in a key's name."""
    for name in sorted(environ):
        if name in KEY_NAMES or name.startswith(ENVIRONMENT) or not NAME.fullmatch(name):
            continue
        if name.upper().startswith("GREENLIGHT_") and "__" in name:
            yield name, f"; settings begin with {ENVIRONMENT}, such as GREENLIGHT__QUOTING__SKEW_BPS_MAX"
        elif name.upper().startswith("GREENLIGHT") and (close := get_close_matches(name.upper(), KEY_NAMES, n=1, cutoff=0.85)):
            yield name, f"; did you mean '{close[0]}'?"


def to_environment(path: tuple[str | int, ...]) -> str:
    return ENVIRONMENT + "__".join(str(part).upper() for part in path)
