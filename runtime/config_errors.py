"""Faults of the config in plain words: `config.yaml:14:5: key ...; did you mean ...?` with the line and a caret.

Who calls it: runtime.config, on the main thread. All faults at once, in the order of the file. Never: a traceback, a secret or its line.
"""

from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from runtime.config_paths import field_at, section_at, settings_of, to_environment
from runtime.config_source import SECRET, KeyPath, Place, Problem, Source
from runtime.config_values import shown

WHERE_KEYS_BELONG = (
    "keys never stand in the config; set GREENLIGHT_API_KEY and GREENLIGHT_API_SECRET in the environment, "
    "or write them to keys.yaml (mode 0600) in the state folder"
)
PROBLEMS_SHOWN_MAX = 50
DISCRIMINATORS = {"function-before", "literal", "tuple", "str"}
BOUNDS = {
    "greater_than_equal": ("must be >= {}", "ge"),
    "greater_than": ("must be > {}", "gt"),
    "less_than_equal": ("must be <= {}", "le"),
    "less_than": ("must be < {}", "lt"),
}


class ConfigErrors(Exception):
    """Every fault that was found; str() is what a person reads."""

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = list(lines)


def dotted(path: KeyPath) -> str:
    """quoting.bid_bands[0].min"""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


# -- words ---------------------------------------------------------------------------------------
def problems_of(error: ValidationError, source: Source) -> list[Problem]:
    """What the model refused, one problem per setting."""
    found: dict[KeyPath, Problem] = {}
    for detail in error.errors(include_url=False):
        path = _path(detail)
        place = source.place_of(path)
        if detail["type"] == "extra_forbidden":
            problem = Problem(_unknown(path, place, is_guessed=len(found) < PROBLEMS_SHOWN_MAX), place)
        else:
            problem = Problem(f"{_name(path, place)} {_refusal(detail, path)}", place, at_value=not place.overlay)
        if detail["type"] != "too_short" or not any(known[: len(path)] == path for known in found):  # a refused entry is not a missing one
            found.setdefault(path, problem)
    return list(found.values())


def _path(detail: ErrorDetails) -> KeyPath:
    """Where the fault is; pydantic names union branches in the path, the person does not know them."""
    path: list[str | int] = []
    for part in detail["loc"]:
        is_branch = isinstance(part, str) and (part.split("[", 1)[0] in DISCRIMINATORS or part == "[key]")
        if not is_branch:
            path.append(part)
    at = (detail.get("ctx") or {}).get("at")
    return (*path, *str(at).split(".")) if at else tuple(path)


def _name(path: KeyPath, place: Place) -> str:
    return "" if place.overlay.startswith("environment") else dotted(path)


def _refusal(detail: ErrorDetails, path: KeyPath) -> str:
    kind, ctx, got = detail["type"], detail.get("ctx") or {}, detail["input"]
    field = field_at(path)
    meaning = f"; {_meaning(field.description)}" if field is not None and field.description else ""
    if got is None:
        return "is empty; delete the line to use the default"
    if kind in BOUNDS:
        words, name = BOUNDS[kind]
        return f"{words.format(ctx[name])} (got {got}){meaning}"
    if kind == "between_fields":
        return str(ctx["text"])
    if kind == "value_error":
        return str(ctx["error"])
    if kind == "literal_error":
        choices = str(ctx["expected"]).replace(" or ", ", ")
        return f"must be one of {choices} (got {shown(got)}){_close(str(got), [choice.strip(chr(39)) for choice in choices.split(', ')])}"
    if kind == "missing":
        return f"is missing{meaning}"
    if kind in ("too_short", "too_long"):
        bound = f"at least {ctx['min_length']}" if kind == "too_short" else f"at most {ctx['max_length']}"
        return f"needs {bound} (got {ctx['actual_length']})"
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return f"holds settings of its own, `name: value` (got {shown(got)})"
    if kind in ("tuple_type", "list_type"):
        return f"must be a list (got {shown(got)})"
    return f"cannot be {shown(got)}{meaning}"


def _meaning(text: str) -> str:
    text = text.rstrip(".")
    return text[:1].lower() + text[1:]


def _unknown(path: KeyPath, place: Place, is_guessed: bool) -> str:
    """An unknown setting, and the one that was probably meant; no guess (1 ms) for those that are only counted."""
    key, in_environment = str(path[-1]), place.overlay.startswith("environment")
    if SECRET.search(key):
        return f"{'' if in_environment else dotted(path) + ' '}is a secret: {WHERE_KEYS_BELONG}"
    head = "" if in_environment else f"{dotted(path)} is "
    if not is_guessed:
        return f"{head}not a known setting"
    write: Callable[[KeyPath], str] = to_environment if in_environment else dotted
    section = section_at(path[:-1])
    siblings = list(section.model_fields) if section is not None else []
    hint = ""
    if close := get_close_matches(key, siblings, n=1, cutoff=0.6):
        hint = f"; did you mean '{write((*path[:-1], close[0])) if in_environment else close[0]}'?"
    elif elsewhere := _elsewhere(key):
        hint = f"; '{write(elsewhere)}' is where it belongs"
    elif len(path) == 1 and (close_sections := get_close_matches(key, [one.name for one in settings_of()], n=1, cutoff=0.6)):
        hint = f"; did you mean '{close_sections[0]}'?"
    return f"{head}not a known setting{hint}"


def _elsewhere(key: str) -> KeyPath | None:
    """The path of a setting of this or nearly this name in any section."""
    names = {one.path[-1]: one.path for one in settings_of()}
    close = get_close_matches(key, names, n=1, cutoff=0.85)
    return names[close[0]] if close else None


def _close(text: str, choices: Iterable[str]) -> str:
    close = get_close_matches(text, list(choices), n=1, cutoff=0.5)
    return f"; did you mean '{close[0]}'?" if close else ""


# -- lines ---------------------------------------------------------------------------------------
def lines_of(problems: Sequence[Problem], source: Source) -> list[str]:
    """`name:line:column: words`, then the source line and a caret; at most 50 problems, the rest counted."""
    lines: list[str] = []
    for problem in sorted(problems, key=lambda one: (bool(one.place.overlay), one.line, one.column))[:PROBLEMS_SHOWN_MAX]:
        if problem.place.overlay:
            lines.append(f"{problem.place.overlay}: {problem.text.strip()}")
            continue
        where = f"{source.name}:{problem.line}:{problem.column}" if problem.line else source.path or source.name
        lines.append(f"{where}: {problem.text}")
        lines.extend(_excerpt(problem, source))
    if len(problems) > PROBLEMS_SHOWN_MAX:
        lines.append(f"{len(problems) - PROBLEMS_SHOWN_MAX} more problems are not shown")
    return lines


def _excerpt(problem: Problem, source: Source) -> list[str]:
    if not 0 < problem.line <= len(source.lines) or source.holds_secret:
        return []
    line = source.lines[problem.line - 1].replace("\t", " ")
    if not line.isprintable():
        return []
    start = max(0, problem.column - 81)
    return [f"     {problem.line} | {line[start : start + 160]}", f"     {' ' * len(str(problem.line))} | {' ' * (problem.column - 1 - start)}^"]
