"""The same seed gives the same commands, fills and books: in one process, and whatever PYTHONHASHSEED says."""

import os
import subprocess
import sys
from pathlib import Path

from sim.world import run_world

SEEDS = (0, 7)
ROOT = Path(__file__).resolve().parents[2]
SCRIPT = "from sim.world import run_world\nfor seed in {seeds}: print(run_world(seed).digest)"


def test_same_seed_same_digest() -> None:
    """Nothing of one world leaks into the next."""
    assert [run_world(seed).digest for seed in SEEDS] == [run_world(seed).digest for seed in SEEDS]


def test_seeds_differ() -> None:
    """The digest depends on what happened."""
    assert run_world(SEEDS[0]).digest != run_world(SEEDS[1]).digest


def test_hash_seed_does_not_matter() -> None:
    """Two processes with different hash seeds agree: no set or id decides anything."""
    outputs = []
    for hash_seed in ("1", "4242"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", SCRIPT.format(seeds=SEEDS)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, timeout=120, check=True)
        outputs.append(done.stdout)
    assert outputs[0] == outputs[1]
    assert len(outputs[0].split()) == len(SEEDS)
