"""How much memory something holds: the bytes and the objects that can be reached from it, and the process as the system sees it.

Who calls it: sim.day, between two steps. Code and classes do not count: they are there once. What two roots share counts for the
one weighed first.
Never: a change to what it weighs.
"""

import gc
import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType

CODE = (type, ModuleType, FunctionType, BuiltinFunctionType, CodeType)
STATM = Path("/proc/self/statm")
PAGE_KB = 4


class Scale:
    """Weighs one thing after another; nothing twice. `apart` are never entered."""

    def __init__(self, apart: Iterable[object] = ()) -> None:
        self._seen: set[int] = {id(one) for one in apart}

    def weigh(self, *roots: object) -> tuple[int, int]:
        """(bytes, objects) reachable from the roots."""
        size = count = 0
        stack = list(roots)
        while stack:
            one = stack.pop()
            if id(one) in self._seen or isinstance(one, CODE):
                continue
            self._seen.add(id(one))
            size += sys.getsizeof(one)
            count += 1
            stack.extend(gc.get_referents(one))
        return size, count


def in_child(question: Callable[[], Sequence[int]]) -> list[int]:
    """The answer of a forked copy of this process: what it needs in memory for it goes with it. Raises ValueError where the copy died."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        status = 1
        try:
            os.write(writing, json.dumps(list(question())).encode())
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        told: list[int] = json.loads(answer.read())
    os.waitpid(child, 0)
    return told


def resident_kb() -> int:
    """What the system keeps in memory for this process; 0 where it does not say."""
    return int(STATM.read_text().split()[1]) * PAGE_KB if STATM.exists() else 0


def slope(points: Iterable[tuple[float, float]]) -> float:
    """Least squares: how much y grows per x; 0 for fewer than two points."""
    pairs = list(points)
    if len(pairs) < 2:
        return 0.0
    mean_x, mean_y = sum(x for x, _ in pairs) / len(pairs), sum(y for _, y in pairs) / len(pairs)
    spread = sum((x - mean_x) ** 2 for x, _ in pairs)
    return sum((x - mean_x) * (y - mean_y) for x, y in pairs) / spread if spread else 0.0
