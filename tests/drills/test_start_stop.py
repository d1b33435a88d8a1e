"""Lives of a session leave nothing behind (issue 2, "Must be seen" 5; DESIGN 7, I25)."""

from pathlib import Path

from tests.drills.lives import live


def test_start_and_stop_leave_nothing(tmp_path: Path) -> None:
    """Threads, descriptors, handlers and queue lengths are equal before and after; every stop is proven; the lifecycle itself costs under 1 % CPU."""
    lives = live(tmp_path, 3)
    assert lives.left == []
    assert lives.failures == []
    assert lives.waiting == 0
    assert lives.proven == lives.count
    assert lives.own_percent < 1.0
