"""Threads that are switched as often as the interpreter can: what holds here does not hang on luck."""

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def frantic() -> Iterator[None]:
    """Every other thread is offered the turn after each few bytecodes instead of every 5 ms."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)
