"""Whether another bot with our tag lives is decided by what the account shows, and only by that (DESIGN 3)."""

import pytest

from runtime.namesake import NEVER, SecondBot, look, made

TAG = "glab"
OWN = (int("mf000000", 36), 7)


class Account:
    """One reading after the other; the last one stays."""

    def __init__(self, *readings: str) -> None:
        self.readings = [frozenset(reading.split()) for reading in readings]
        self.waited_s = 0.0
        self.said: list[str] = []

    def read(self) -> frozenset[str]:
        return self.readings.pop(0) if len(self.readings) > 1 else self.readings[0]

    def wait(self, seconds: float) -> None:
        self.waited_s += seconds

    def look(self, own: tuple[int, int] = OWN) -> tuple[int, int]:
        return look(self.read, TAG, own, 6.0, self.wait, self.said.append)


NAMES = [("glab-10-7", (36, 7)), ("glab-10-7c", (36, 7)), ("glab-10-7a", (36, 7)), ("web-1", NEVER), ("a-b-c", NEVER)]


@pytest.mark.parametrize(("name", "expected"), NAMES)
def test_a_name_tells_when_it_was_made(name: str, expected: tuple[int, int]) -> None:
    """Boot and counter order all names of one tag, also those that a cancel of ours renamed."""
    assert made(name) == expected


@pytest.mark.parametrize("names", ["", "web-1 x-HNA2TXFJ", "glab-mf000000-7", "glab-mf000000-7c glab-touooq-9", "other-zzzzzzzz-1"])
def test_our_own_past_costs_no_wait(names: str) -> None:
    """Nothing newer than our intents was placed with our tag: the start goes on at once."""
    account = Account(names)
    account.look()
    assert (account.waited_s, account.said) == (0, [])


def test_a_bot_that_places_is_found() -> None:
    """An order of our tag appears while we watch and we did not place it: refused, with its name and what to do."""
    account = Account("glab-mf000000-7 glab-mf111111-3", "glab-mf111111-3", "glab-mf111111-3 glab-mf111111-4")
    with pytest.raises(SecondBot, match=r"tag glab \(order glab-mf111111-4 came.*exchange\.order_tag"):
        account.look()
    assert account.waited_s == 1.0


def test_a_bot_with_a_copy_of_our_folder_is_found() -> None:
    """The boot is the newest of our intents, but the counter went on: another process does that."""
    account = Account("glab-mf000000-8", "glab-mf000000-8 glab-mf000000-9")
    with pytest.raises(SecondBot):
        account.look()


def test_a_cancel_is_a_sign_of_life() -> None:
    """A bot cancels under the order's name and a letter."""
    with pytest.raises(SecondBot):
        Account("glab-mf111111-3", "glab-mf111111-3c").look()


def test_a_lost_folder_is_no_second_bot() -> None:
    """Orders newer than our intents, and nobody touches them: the watch ends in time and tells how new they are."""
    account = Account("glab-mf111111-3 glab-mf000000-9")
    assert account.look(NEVER) == (int("mf111111", 36), 3)
    assert account.waited_s == 6.0 and "another state folder" in account.said[0]
