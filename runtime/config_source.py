"""config.yaml as raw text with places: yaml.compose, so that every value keeps its line and column and nothing is guessed.

Who calls it: runtime.config, on the main thread. Scalars stay text; null and empty become None. Refused: duplicate keys, aliases, merge keys, tags,
several documents, tabs - each with its place. Never: an object built from YAML, a value of a secret in a message.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

import yaml

KeyPath = tuple[str | int, ...]
FILE_BYTES_MAX = 128 << 10  # a dozen times the whole config.yaml; PyYAML takes seconds for more, beside a bot that trades
DEPTH_MAX = 20
NULLS = {"", "~", "null", "Null", "NULL"}
SECRET = re.compile(r"(?:^|_)(?:api_?key|api_?secret|secret(?:_?key)?|private_?key|pass(?:word|phrase)?|mnemonic)$", re.IGNORECASE)
SECRET_LINE = re.compile(r"api[-_ ]?key|api[-_ ]?secret|secret|private[-_ ]?key|passw|passphrase|mnemonic", re.IGNORECASE)


@dataclass(frozen=True)
class Place:
    """Where a setting was written. `overlay` is '--set KEY' or 'environment NAME'; then line and column are 0."""

    line: int = 0
    column: int = 0
    value_line: int = 0
    value_column: int = 0
    overlay: str = ""


@dataclass(frozen=True)
class Problem:
    """One fault: its words and its place; `at_value` points to the value instead of the key."""

    text: str
    place: Place
    at_value: bool = False

    @property
    def line(self) -> int:
        return self.place.value_line if self.at_value else self.place.line

    @property
    def column(self) -> int:
        return self.place.value_column if self.at_value else self.place.column


@dataclass
class Source:
    """The settings as written: nested dicts and lists of raw text, and the place of every path."""

    name: str
    path: str = ""  # told where the whole file is at fault
    lines: list[str] = field(default_factory=list)
    data: dict[str, object] = field(default_factory=dict)
    places: dict[KeyPath, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    @property
    def holds_secret(self) -> bool:
        """A word like api_secret stands in the text, comments apart: then no source line is ever printed."""
        return any(SECRET_LINE.search(line) for line in self.lines if not line.lstrip().startswith("#"))

    def place_of(self, path: KeyPath) -> Place:
        """The place of the path or of the nearest section around it."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.places:
                return self.places[path[:length]]
        return Place(line=1, column=1, value_line=1, value_column=1)

    def complain(self, text: str, mark: yaml.Mark | None) -> None:
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
        self.problems.append(Problem(text, Place(line, column, line, column)))


def read_file(path: Path) -> Source:
    """The file's settings, or its problems. A missing, unreadable or oversized file is a problem too."""
    source = Source(path.name, str(path))
    try:
        with path.open("rb") as file:
            raw = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        hint = f"; `python bot.py init --config {path}` writes one" if isinstance(error, FileNotFoundError) else ""
        source.problems.append(Problem(f"cannot be read: {error.strerror}{hint}", Place()))
        return source
    if len(raw) > FILE_BYTES_MAX:
        source.problems.append(Problem(f"is larger than {FILE_BYTES_MAX} bytes; is it a config?", Place()))
        return source
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        source.problems.append(Problem("is not UTF-8 text here", Place(line, 1, line, 1)))
        return source
    source.lines = text.splitlines()
    node = _compose(source, text)
    if node is None or _is_null(node):
        return source
    if not isinstance(node, yaml.MappingNode):
        source.complain("must be settings, `key: value` line by line", node.start_mark)
        return source
    data = Converter(source).convert(node, ())
    assert isinstance(data, dict)
    source.data = data
    return source


def read_value(text: str, overlay: str) -> tuple[object, list[str]]:
    """A value given outside the file, in YAML: (raw data, problems)."""
    source = Source(overlay, lines=text.splitlines())
    node = _compose(source, text)
    data = Converter(source).convert(node, ()) if node is not None else None
    return data, [problem.text for problem in source.problems]


def _compose(source: Source, text: str) -> yaml.Node | None:
    """The node tree; a syntax error becomes a problem with its line."""
    try:
        if _is_too_deep(text):
            source.complain("is nested too deeply", None)
            return None
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        source.complain(_syntax(source, error), error.problem_mark or error.context_mark)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        source.problems.append(Problem("holds a character that YAML does not allow", Place(line, 1, line, 1)))
    return None


def _is_too_deep(text: str) -> bool:
    """Judged event by event, because composing recurses. Raises YAMLError."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEPTH_MAX:
            return True
    return False


def _syntax(source: Source, error: yaml.MarkedYAMLError) -> str:
    """A syntax error in plain words; parser texts may quote the file, so they are left out beside a secret."""
    mark = error.problem_mark
    line = source.lines[mark.line] if mark is not None and mark.line < len(source.lines) else ""
    if "\t" in line[: len(line) - len(line.lstrip())] or "'\\t'" in str(error.problem):
        return "is indented with a tab; YAML takes spaces only"
    if "expected a single document" in str(error.context):
        return "begins a second document ('---'); one is enough"
    if source.holds_secret:
        return "is not valid YAML"
    if "undefined alias" in str(error.problem):
        return "uses an alias (*name); write the value out"
    hints = {
        "mapping values are not allowed here": "a ': ' where none can stand; check the indentation here and above, or quote the value",
        "could not find expected ':'": "a line without ': ' after its key",
        "expected <block end>": "an indentation that fits no line above",
        "found unexpected end of stream": "a quote or bracket that is never closed",
    }
    for words, plain in hints.items():
        if words in str(error.problem):
            return f"is not valid YAML: {plain}"
    return f"is not valid YAML: {error.problem or error.context}"


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.style is None and node.value in NULLS


class Converter:
    """One pass over a node tree."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._seen: set[int] = set()

    def convert(self, node: yaml.Node, path: KeyPath) -> object:
        if id(node) in self._seen:
            place = self._source.places.get(path, Place(line=1, column=1))  # its key's: the node itself stands where the name was given
            text = f"{'.'.join(str(part) for part in path)} is an alias (*name); write the value out"
            self._source.problems.append(Problem(text, Place(place.line, place.column, place.line, place.column)))
            return None
        self._seen.add(id(node))
        if not node.tag.startswith("tag:yaml.org,2002:") or node.tag.startswith("tag:yaml.org,2002:python"):
            self._source.complain("has a YAML tag (!...); write the plain value", node.start_mark)
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self._item(item, (*path, index)) for index, item in enumerate(node.value)]
        return None if _is_null(node) else str(node.value)

    def _item(self, node: yaml.Node, path: KeyPath) -> object:
        self._note(path, node.start_mark, node.start_mark)
        return self.convert(node, path)

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, object]:
        data: dict[str, object] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag == "tag:yaml.org,2002:merge":
                self._source.complain("must be a plain key", key_node.start_mark)
                continue
            key = str(key_node.value)
            if key in data:
                first = self._source.places[(*path, key)].line
                name = ".".join(str(part) for part in (*path, key))
                self._source.complain(f"{name} is written twice (first on line {first})", key_node.start_mark)
                continue
            self._note((*path, key), key_node.start_mark, value_node.start_mark)
            data[key] = self.convert(value_node, (*path, key))
        return data

    def _note(self, path: KeyPath, key: yaml.Mark, value: yaml.Mark) -> None:
        self._source.places[path] = Place(key.line + 1, key.column + 1, value.line + 1, value.column + 1)
