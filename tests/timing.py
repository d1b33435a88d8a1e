"""How long a test waits for what must come, and how it measures what must be quick, on a machine that others use too.

Who uses it: tests with threads, sockets and processes. A wait ends with its event, so its limit is wide and only a hang meets it. A busy machine
makes one try late, not each: what must be quick is judged by the quickest of a few tries.
"""

from collections.abc import Callable

SOON_S = 30.0


def quickest_s(measured_s: Callable[[], float], enough_s: float, tries: int = 5) -> float:
    """The shortest of a few measurements; no more are made once one is below `enough_s`."""
    shortest_s = measured_s()
    for _ in range(tries - 1):
        if shortest_s < enough_s:
            break
        shortest_s = min(shortest_s, measured_s())
    return shortest_s
