"""`python -m tests.mutations [NAME ...]`: plants each bug, says who catches it; with --seek finds the first seed of the simulator that does.

Who runs it: a person who adds a bug, or whose change has moved the seeds. Exit code 1 where a bug goes unnoticed.
Never: a change to the checkout.
"""

import argparse
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.mutations import trees
from tests.mutations.patch import Mutation, read_all
from tests.mutations.trees import Verdict


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutations", description="Planted bugs and who catches them.")
    parser.add_argument("names", nargs="*", help="patches without their ending (default: all)")
    parser.add_argument("--jobs", type=int, default=2, help="at a time (default %(default)s)")
    parser.add_argument("--seek", metavar="INVARIANT", help="instead of the pinned catcher: the first seed that breaks it (ANY: any invariant)")
    options = parser.parse_args()
    chosen = [one for one in read_all() if not options.names or one.name in options.names]
    unnoticed = 0
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(options.jobs) as pool:
        sources = trees.copy_sources(Path(folder) / "sources")
        for mutation, verdict in zip(chosen, pool.map(lambda one: _judged(sources, one, options.seek), chosen), strict=True):
            unnoticed += not verdict.is_caught
            word = "caught   " if verdict.is_caught else "UNNOTICED"
            print(f"{word} {mutation.name} · {mutation.caught}\n          {verdict.words[:300]}", flush=True)
    print(f"{len(chosen) - unnoticed} of {len(chosen)} caught")
    return 1 if unnoticed or not chosen else 0


def _judged(sources: Path, mutation: Mutation, seek: str | None) -> Verdict:
    tree = trees.break_copy(sources, sources.parent / mutation.name, mutation)
    if seek is None:
        return trees.judge(tree, mutation)
    code, output = trees.run_seeds(tree, f"0:{trees.SEEDS_MAX}:{seek}")
    return Verdict(code == 1, output.strip())


if __name__ == "__main__":
    sys.exit(main())
