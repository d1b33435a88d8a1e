"""A planted bug as a file: a few header lines (area, the bug in one sentence, rows of the museum it retells, who catches it), then a unified diff.

Who uses it: test_mutations.py and the command in __main__.py. The diff is applied by its own words: the hunk's old lines must stand in the file
exactly once, wherever they moved to; `git apply` takes the same file.
Never: a change to the checkout.
"""

import ast
import re
from dataclasses import dataclass
from pathlib import Path

PATCHES = Path(__file__).parent / "patches"
AREAS = ("orders", "manager", "wire", "intents", "light", "lots", "page")
HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
SEEDS = re.compile(r"seeds (\d+):(\d+) (\w+)")


class Stale(Exception):
    """The patch no longer fits the sources, or is not one."""


@dataclass(frozen=True, slots=True)
class Hunk:
    """Old and new lines, each with its sign (space, minus, plus)."""

    lines: tuple[str, ...]

    @property
    def old(self) -> str:
        return "".join(f"{line[1:]}\n" for line in self.lines if line[0] != "+")

    @property
    def new(self) -> str:
        return "".join(f"{line[1:]}\n" for line in self.lines if line[0] != "-")

    @property
    def changed(self) -> int:
        """How many lines it takes away or adds, whichever are more."""
        return max(sum(line[0] == sign for line in self.lines) for sign in "-+")

    @property
    def first_change(self) -> int:
        """Which of the old lines (from 0) the change begins at."""
        before = next(number for number, line in enumerate(self.lines) if line[0] != " ")
        added_only = self.lines[before][0] == "+"
        return max(0, before - 1) if added_only else before


@dataclass(frozen=True, slots=True)
class Mutation:
    """`caught` is `seeds A:B INVARIANT` of the simulator, or the node id of a test."""

    name: str
    area: str
    bug: str
    cases: str
    caught: str
    path: str
    hunk: Hunk

    @property
    def seeds(self) -> tuple[int, int, str] | None:
        """(first, last, invariant) where the simulator catches it."""
        match = SEEDS.fullmatch(self.caught)
        return (int(match[1]), int(match[2]), match[3]) if match else None

    def applied(self, root: Path) -> str:
        """The file's text with the bug. Raises Stale."""
        text = self._text(root)
        return text.replace(self.hunk.old, self.hunk.new)

    def function(self, root: Path) -> str:
        """The innermost function (or the constant) the change is in, with its classes. Raises Stale."""
        text = self._text(root)
        at = text[: text.index(self.hunk.old)].count("\n") + 1 + self.hunk.first_change
        return _around(ast.parse(text), at, "") or f"line {at}"

    def _text(self, root: Path) -> str:
        file = root / self.path
        text = file.read_text(encoding="utf-8") if file.is_file() else ""
        if (found := text.count(self.hunk.old)) != 1:
            raise Stale(f"{self.name}.patch does not apply: its old lines stand {found} times in {self.path}")
        return text


def read(file: Path) -> Mutation:
    """Raises Stale where the file is not of the form."""
    lines = file.read_text(encoding="utf-8").splitlines()
    begins = next((number for number, line in enumerate(lines) if line.startswith("--- ")), len(lines))
    head = dict(line.split(": ", 1) for line in lines[:begins] if ": " in line)
    starts = [number for number, line in enumerate(lines) if line.startswith("@@ ")]
    if len(starts) != 1 or not {"Area", "Bug", "Caught"} <= head.keys():
        raise Stale(f"{file.name} wants the headers Area, Bug and Caught, and one hunk")
    hunk = Hunk(tuple(lines[starts[0] + 1 :]))
    if not all(line[:1] in (" ", "-", "+") for line in hunk.lines) or not _adds_up(lines[starts[0]], hunk):
        raise Stale(f"{file.name}: the hunk does not have the lines its head announces")
    path = lines[begins].removeprefix("--- a/")
    return Mutation(file.stem, head["Area"], head["Bug"], head.get("Cases", ""), head["Caught"], path, hunk)


def read_all() -> tuple[Mutation, ...]:
    return tuple(read(file) for file in sorted(PATCHES.glob("*.patch")))


def _adds_up(head: str, hunk: Hunk) -> bool:
    match = HUNK.match(head)
    return match is not None and (int(match[2] or 1), int(match[4] or 1)) == (hunk.old.count("\n"), hunk.new.count("\n"))


def _around(node: ast.AST, line: int, names: str) -> str:
    """The dotted name of the innermost named thing around the line; "" where there is none."""
    for child in ast.iter_child_nodes(node):
        first, last = getattr(child, "lineno", 0), getattr(child, "end_lineno", 0)
        if not first <= line <= last:
            continue
        if isinstance(child, ast.ClassDef | ast.FunctionDef):
            return _around(child, line, f"{names}{child.name}.") or f"{names}{child.name}"
        if isinstance(child, ast.Assign | ast.AnnAssign) and not isinstance(node, ast.FunctionDef):
            target = child.target if isinstance(child, ast.AnnAssign) else child.targets[0]
            return f"{names}{ast.unparse(target)}"
    return ""
