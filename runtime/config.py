"""Loads config.yaml, lays environment and --set over it, and judges the whole: a frozen Config or every fault at once.

Who calls it: bot.py and runtime.verbs, on the main thread, before anything else is built; no network, a few milliseconds.
Never: a default (runtime.config_model holds them), a secret in a message.
"""

import hashlib
import json
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ValidationError

from runtime.config_errors import WHERE_KEYS_BELONG, ConfigErrors, dotted, lines_of, problems_of
from runtime.config_model import BandConfig, Config
from runtime.config_paths import ENVIRONMENT, from_environment, is_section, is_speakable, strange_names, to_environment, up_to_secret
from runtime.config_source import SECRET, SECRET_LINE, KeyPath, Place, Problem, Source, read_file, read_value

__all__ = ["BandConfig", "Config", "ConfigErrors", "Loaded", "Stamp", "load", "schema", "show_config", "stamp_of", "version_of"]


class Stamp(NamedTuple):
    """What tells that the file at a path is another one, or another text."""

    changed_ns: int
    inode: int
    size: int


def stamp_of(file: Path) -> Stamp | None:
    """By path, so that a file that an editor has put in place of the old one is seen; None where there is none, or what is there is no plain file."""
    try:
        found = os.stat(file)
    except OSError:
        return None
    if not stat.S_ISREG(found.st_mode):
        return None  # a pipe is read once, at the start
    return Stamp(found.st_mtime_ns, found.st_ino, found.st_size)


@dataclass(frozen=True)
class Loaded:
    """`origins` names the place of every setting that is not at its default; `version` is a hash of the effective values.

    `stamp` is that of the file before it was read: who sees another one there later reads it again.
    """

    config: Config
    origins: Mapping[KeyPath, str]
    version: str
    file: Path | None = None
    stamp: Stamp | None = None


def load(file: Path, overrides: Sequence[str], environ: Mapping[str, str]) -> Loaded:
    """File, then environment (GREENLIGHT__SECTION__KEY), then --set KEY=VALUE, the later ones on top. Raises ConfigErrors."""
    stamp = stamp_of(file)
    source = read_file(file)
    for name in sorted(name for name in environ if name.startswith(ENVIRONMENT)):
        path = from_environment(name)
        told = up_to_secret(path)
        _lay_over(source, told, environ[name], f"environment {name if told == path else to_environment(told)}")
    source.problems.extend(Problem("not a name of ours" + hint, Place(overlay=f"environment {name}")) for name, hint in strange_names(environ))
    for number, override in enumerate(overrides, 1):
        _lay_over_set(source, override, number)
    if any(not problem.place.overlay and problem.line == 0 for problem in source.problems):
        raise ConfigErrors(_masked(lines_of(source.problems, source), source))
    config = None
    problems = list(source.problems)
    try:
        config = Config.model_validate(_without_empty_sections(source.data, ()))
    except ValidationError as error:
        reported = {(problem.place.overlay, problem.place.line) for problem in problems}
        problems.extend(problem for problem in problems_of(error, source) if (problem.place.overlay, problem.place.line) not in reported)
    if problems or config is None:
        raise ConfigErrors(_masked(lines_of(problems, source), source))
    origins = {key: place.overlay or f"{source.name}:{place.line}" for key, place in source.places.items()}
    return Loaded(config, origins, version_of(config), file, stamp)


def _without_empty_sections(data: object, path: KeyPath) -> object:
    """A section or table whose lines are all commented out is the same as none."""
    if not isinstance(data, dict):
        return data
    kept = {key: value for key, value in data.items() if value is not None or not is_section((*path, key))}
    return {key: _without_empty_sections(value, (*path, key)) for key, value in kept.items()}


def _lay_over_set(source: Source, override: str, number: int) -> None:
    """What has no key, or a key that looks like none of ours, is not repeated: it may be a secret that lost its name."""
    key, equals, value = override.partition("=")
    path = up_to_secret(tuple(key.strip().split(".")))
    if equals and is_speakable(path):
        _lay_over(source, path, value.strip(), f"--set {dotted(path)}")
        return
    text = "needs the form KEY=VALUE, such as quoting.skew_bps_max=3"
    if SECRET_LINE.search(override):
        text = f"holds a secret: {WHERE_KEYS_BELONG}"
    elif equals:
        text = "names no setting; keys are in small letters, such as quoting.skew_bps_max=3, and a list is set as a whole"
    source.problems.append(Problem(text, Place(overlay=f"--set number {number}")))


def _lay_over(source: Source, path: KeyPath, text: str, overlay: str) -> None:
    """Put one value (in YAML) at the path, in place of what stands there."""
    place = Place(overlay=overlay)
    value, problems = read_value(text, overlay)
    if SECRET.search(str(path[-1])):
        value, problems = None, []  # refused by name; the value is not looked at
    if problems:
        source.problems.extend(Problem(problem, place) for problem in problems)
        return
    holder: dict[str, object] = source.data
    for length, part in enumerate(path[:-1], 1):
        inner = holder.get(str(part))
        if isinstance(inner, list):
            source.problems.append(Problem(f"{dotted(path[:length])} is a list; set the whole list", place))
            return
        if not isinstance(inner, dict):
            inner = holder[str(part)] = {}
            source.places.setdefault(path[:length], place)
        holder = inner
    holder[str(path[-1])] = value
    for known in [known for known in source.places if known[: len(path)] == path]:
        del source.places[known]
    source.places[path] = place


def _masked(lines: Sequence[str], source: Source) -> list[str]:
    """Whatever stood beside a secret's name must not be printed, wherever else it was written too."""
    secrets = sorted(_secret_values(source.data), key=len, reverse=True)
    masked = []
    for line in lines:
        for secret in secrets:
            line = line.replace(secret, "***")
        masked.append(line)
    return masked


def _secret_values(data: object, is_secret: bool = False) -> set[str]:
    if isinstance(data, dict):
        return {text for key, value in data.items() for text in _secret_values(value, is_secret or bool(SECRET.search(str(key))))}
    if isinstance(data, list):
        return {text for value in data for text in _secret_values(value, is_secret)}
    return {data} if is_secret and isinstance(data, str) and len(data) > 3 else set()


def version_of(config: Config) -> str:
    """Eight hex digits of the effective settings."""
    return hashlib.sha256(json.dumps(config.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()[:8]


def show_config(loaded: Loaded) -> list[str]:
    """`key = value   # from config.yaml:12 | default | --set KEY | environment NAME`, one line per setting."""
    rows: list[tuple[str, str]] = []
    _rows(loaded.config, (), loaded.origins, rows)
    width = min(60, max(len(text) for text, _ in rows))
    return [f"{text:<{width}}   # {origin}" for text, origin in rows]


def _rows(value: object, path: KeyPath, origins: Mapping[KeyPath, str], rows: list[tuple[str, str]]) -> None:
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            _rows(getattr(value, name), (*path, name), origins, rows)
    elif isinstance(value, dict) and value:
        for key, inner in value.items():
            _rows(inner, (*path, key), origins, rows)
    elif isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
        for index, inner in enumerate(value):
            _rows(inner, (*path, index), origins, rows)
    else:
        origin = next((origins[path[:length]] for length in range(len(path), 0, -1) if path[:length] in origins and _is_own(path, length)), "")
        said = f"from {origin}" if origin and not origin.startswith(("--set", "environment")) else origin or "default"
        rows.append((f"{dotted(path)} = {written(value)}", said))


def _is_own(path: KeyPath, length: int) -> bool:
    """A section's own place says nothing about a setting that is missing in it; that of a list or table does."""
    return length == len(path) or isinstance(path[length], int) or path[:length] == ("paper", "balances")


def written(value: object) -> str:
    """A value as config.yaml would write it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, BaseModel):
        given = {name: getattr(value, name) for name in type(value).model_fields}
        return written({name: one for name, one in given.items() if one is not None})
    if isinstance(value, tuple):
        return "[" + ", ".join(written(one) for one in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {written(one)}" for key, one in value.items()) + "}"
    if isinstance(value, str | int):
        return str(value)
    return f"{value:f}" if not isinstance(value, float) else f"{value:g}"


def schema() -> dict[str, object]:
    """The JSON schema for editors: `# yaml-language-server: $schema=...`."""
    made = Config.model_json_schema()
    made["title"] = "Greenlight config.yaml"
    return made
