"""Does another bot with our tag trade on this account? Asked once at a start, before anything is placed.

Who calls it: assembly.py, on the main thread, with a function that reads the newest orders of the account. Client ids are `<tag>-<boot>-<counter>`
(DESIGN 3), and every place is in the intents before it is sent. So an order with our tag that is newer than the newest of our intents was placed
from another state folder: by a bot that is gone together with its folder, or by one that lives. Only watching tells which: one that lives places
or cancels.
Never: a look longer than `watch_s`, a word about orders of other tags.
"""

from collections.abc import Callable, Collection

POLL_S = 0.5
Made = tuple[int, int]  # boot, counter
NEVER: Made = (0, 0)


class SecondBot(Exception):
    """Another bot places orders with our tag; the text names it and says what to do."""


def made(client_order_id: str) -> Made:
    """When an order of ours was made; NEVER for a name that is not of our form. A cancel of ours appends a letter to the name."""
    parts = client_order_id.rstrip("ac").split("-")
    try:
        return (int(parts[1], 36), int(parts[2])) if len(parts) == 3 else NEVER
    except ValueError:
        return NEVER


def look(
    read: Callable[[], Collection[str]], tag: str, own: Made, watch_s: float, wait: Callable[[float], None], say: Callable[[str], None]
) -> Made:
    """The newest order of our tag, NEVER where there is none; `own` is the newest of our intents. Raises SecondBot, and whatever `read` raises."""

    def ours() -> dict[str, Made]:
        return {name: made(name) for name in read() if name.startswith(f"{tag}-")}

    seen = ours()
    newest = max(seen.values(), default=NEVER)
    if newest <= own:
        return newest
    say(f"orders tagged {tag} were placed from another state folder; watching {watch_s:g} s whether a bot still does")
    for _ in range(round(watch_s / POLL_S)):
        wait(POLL_S)
        now = ours()
        if fresh := sorted(now.keys() - seen.keys(), key=made):
            raise SecondBot(
                f"another bot trades on this account with the tag {tag} (order {fresh[-1]} came while we watched); stop it first, or give this one"
                " its own tag (exchange.order_tag)"
            )
    return newest
