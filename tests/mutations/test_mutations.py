"""Planted one-line bugs must each be caught, for the stated reason: tests that find nothing prove nothing.

Each bug is a patch (patches/*.patch) that is applied to a copy of the sources; its catcher, a named test or a few seeds of the simulator, then runs
there in a process of its own and has to fail. The same catchers pass on the sources as they are.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from tests.mutations import trees
from tests.mutations.patch import AREAS, Mutation, Stale, read, read_all
from tests.mutations.trees import ROOT

ALL = read_all()
DUE = 30
DUE_PER_AREA = 5
LINES_MAX = 2
# The bugs that must be among them, whatever else is (issue 3).
NAMED = (
    "manager-submit-called",
    "manager-no-finally",
    "orders-timeout-is-reject",
    "orders-no-dedupe",
    "orders-double-open",
    "manager-intent-after-send",
    "wire-c-for-C",
    "orders-late-fill-dropped",
    "intents-resync-skipped",
    "light-2011-frees-funds",
)


@pytest.mark.side_by_side
@pytest.mark.parametrize("mutation", ALL, ids=lambda mutation: str(mutation.name))
def test_planted_bug_is_caught(mutation: Mutation, tmp_path: Path) -> None:
    """With this bug its named test, or a world within 500 seeds, fails for the stated reason."""
    verdict = trees.judge(trees.break_copy(trees.shared_sources(), tmp_path / mutation.name, mutation), mutation)
    assert verdict.is_caught, f"{mutation.bug} went unnoticed by {mutation.caught}:\n{verdict.words}"


@pytest.mark.side_by_side
def test_without_a_bug_every_catcher_passes() -> None:
    """The same tests and seeds pass on the sources as they are."""
    with ThreadPoolExecutor() as pool:
        honest = list(pool.map(lambda run: run(), _on_honest_sources(trees.shared_sources())))
    wrong = "\n".join(output for code, output in honest if code != 0)
    assert not wrong, wrong


def _on_honest_sources(sources: Path) -> Iterator[Callable[[], tuple[int, str]]]:
    """The catchers in a process for the tests and one for the seeds: (exit code, output) of each."""
    yield partial(trees.run_tests, sources, sorted({one.caught for one in ALL if one.seeds is None}), trees.SEEDS_TIMEOUT_S)
    yield partial(trees.run_seeds, sources, *sorted({f"{one.seeds[0]}:{one.seeds[1]}:{one.seeds[2]}" for one in ALL if one.seeds is not None}))


def test_there_are_enough_of_them() -> None:
    """At least 30 bugs, at least five in each area, the ten that must be there among them, each of one line or two."""
    areas = Counter(one.area for one in ALL)
    assert len(ALL) >= DUE
    assert areas.keys() == set(AREAS) and min(areas.values()) >= DUE_PER_AREA, areas
    assert set(NAMED) <= {one.name for one in ALL}
    assert not [one.name for one in ALL if one.hunk.changed > LINES_MAX or not one.name.startswith(f"{one.area}-")]


def test_no_two_in_one_function() -> None:
    """Every bug is in another function (or constant): thirty bugs in one place would prove one test."""
    places = Counter((one.path, one.function(ROOT)) for one in ALL)
    assert not [place for place, times in places.items() if times > 1]


def test_a_stale_patch_is_told_by_name(tmp_path: Path) -> None:
    """A patch whose old lines are gone from the sources is an error with its name, never a bug that was silently not planted."""
    mutation = ALL[0]
    (tmp_path / mutation.path).parent.mkdir(parents=True)
    (tmp_path / mutation.path).write_text("nothing = 1\n")
    with pytest.raises(Stale, match=f"{mutation.name}.patch does not apply"):
        mutation.applied(tmp_path)
    torn = tmp_path / "orders-torn.patch"
    torn.write_text("Area: orders\nBug: x\nCaught: y\n\n--- a/x.py\n+++ b/x.py\n@@ -1,2 +1,2 @@\n-a\n+b\n")
    with pytest.raises(Stale, match="orders-torn.patch"):
        read(torn)


@pytest.mark.side_by_side
def test_a_bug_nobody_sees_is_reported(tmp_path: Path) -> None:
    """The judge itself can fail: a catcher that passes beside a bug, and one that fails because the program is broken, catch nothing."""
    harmless = next(one for one in ALL if one.name == "orders-no-dedupe")
    tree = tmp_path / "harmless"
    trees.break_copy(trees.shared_sources(), tree, harmless)
    (tree / "test_blind.py").write_text("def test_sees_nothing():\n    pass\n\n\ndef test_is_broken():\n    raise NameError('x')\n")
    for node in ("test_blind.py::test_sees_nothing", "test_blind.py::test_is_broken", "test_blind.py::test_is_missing"):
        blind = Mutation(harmless.name, harmless.area, harmless.bug, "", node, harmless.path, harmless.hunk)
        assert not trees.judge(tree, blind).is_caught, node
