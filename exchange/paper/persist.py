"""The account on disk: read at the start, written within 200 ms of a change and at every exit.

Two files in one folder: `account.json` (balances, open orders, order lists, counters; replaced whole) and `history.jsonl` (closed
orders and trades, appended once each). Both belong to their owner alone (0600). Called on the event loop; a kill -9
of this very process loses at most the last interval, the end of the bot (end-of-file on stdin) loses nothing. Never: half an account file.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import asdict, is_dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from exchange.paper.encode import encode
from exchange.paper.matching import Matching

VERSION = 1
SAVE_EVERY_S = 0.2
SAVE_ANYWAY_S = 5.0  # the market moves on without us: its last middle and its public ids are saved too
SAVE_SHARE_MAX = 0.05  # of the loop's time; when saving is slow it happens less often
HISTORY_ROWS_MAX = 100_000
Json = dict[str, object]


class StateError(Exception):
    """The state cannot be read or written; the text is for the person at the console."""


def new_instance() -> int:
    """The number of a new account, as `uid` shows it."""
    return 100_000_000 + secrets.randbelow(900_000_000)


def _row(value: object) -> Json:
    """A dataclass as plain JSON, decimals as text."""
    assert is_dataclass(value) and not isinstance(value, type)
    return {name: str(item) if isinstance(item, Decimal) else item for name, item in asdict(value).items()}


def _row_of(line: bytes) -> Json | None:
    """None for what is no row: a torn line."""
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None


class StateFolder:
    """One state folder and what of the history is already in it."""

    def __init__(self, folder: Path) -> None:
        self.account_path = folder / "account.json"
        self.history_path = folder / "history.jsonl"
        self._open_ids: dict[str, set[int]] = {}
        self._next_ids: dict[str, tuple[int, int]] = {}
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StateError(f"cannot use the state folder {folder}: {error.strerror}") from error

    # --- reading --------------------------------------------------------------------------------------------------

    def load(self) -> Json | None:
        """What was saved, in the form `Matching.load` takes under "matching", or None when there is nothing yet.

        Raises StateError when it cannot be understood.
        """
        try:
            state = json.loads(self.account_path.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StateError(f"cannot read {self.account_path}: {error.strerror}") from error
        except (ValueError, RecursionError) as error:
            raise StateError(f"{self.account_path} is not valid JSON ({error}); start with --fresh") from error
        if not isinstance(state, dict) or state.get("version") != VERSION:
            raise StateError(f"{self.account_path} is not a paper account of version {VERSION}; start with --fresh")
        try:
            self._join_history(state)
        except (KeyError, ValueError, TypeError, AttributeError, AssertionError) as error:
            raise StateError(f"{self.account_path} cannot be understood ({error!r}); start with --fresh") from error
        return state

    def _join_history(self, state: Json) -> None:
        """Add closed orders and trades; rows newer than the account (a crash between the files) do not count."""
        matching = state["matching"]
        assert isinstance(matching, dict)
        rows = self._history_rows()
        for symbol, archive in matching["symbols"].items():
            next_order, next_trade, _ = archive["next"]
            orders, trades = {}, {}
            for row in rows:
                if row.get("symbol") != symbol:
                    continue
                if "trade_id" in row and row["trade_id"] < next_trade:
                    trades[row["trade_id"]] = row
                elif "trade_id" not in row and row["order_id"] < next_order:
                    orders[row["order_id"]] = row
            orders.update({row["order_id"]: row for row in archive["orders"]})
            archive["orders"] = [orders[key] for key in sorted(orders)]
            archive["trades"] = [trades[key] for key in sorted(trades)]
            self._open_ids[symbol] = {key for key, row in orders.items() if row["status"] in ("NEW", "PARTIALLY_FILLED")}
            self._next_ids[symbol] = (next_order, next_trade)

    def _history_rows(self) -> list[dict[str, Any]]:
        """The newest rows, oldest first; a torn last line is skipped. The file is cut when it has grown too long."""
        rows: deque[dict[str, Any]] = deque(maxlen=HISTORY_ROWS_MAX)
        count = 0
        for line in self._history_lines():
            count += 1
            if (row := _row_of(line)) is not None:
                rows.append(row)
        if count > 2 * HISTORY_ROWS_MAX:
            self._replace(self.history_path, b"".join(encode(row) + b"\n" for row in rows))
        return list(rows)

    def _history_lines(self) -> Iterator[bytes]:
        try:
            with self.history_path.open("rb") as file:
                yield from file
        except FileNotFoundError:
            return
        except OSError as error:
            raise StateError(f"cannot read {self.history_path}: {error.strerror}") from error

    # --- writing --------------------------------------------------------------------------------------------------

    def forget(self) -> None:
        """A new instance begins: the old history goes."""
        try:
            self.history_path.unlink(missing_ok=True)
        except OSError as error:
            raise StateError(f"cannot remove {self.history_path}: {error.strerror}") from error
        self._open_ids, self._next_ids = {}, {}

    def save(self, matching: Matching, rest: Json) -> None:
        """Append what is finished, then replace the account. Raises StateError."""
        balances = {asset: [str(free), str(locked)] for asset, (free, locked) in matching.balances().items()}
        symbols: Json = {}
        finished: list[bytes] = []
        for symbol, archive in matching.archives.items():
            finished.extend(self._finished(symbol, matching))
            symbols[symbol] = {
                "next": [archive.next_order_id, archive.next_trade_id, archive.next_execution_id],
                "last_price": str(archive.last_price),
                "orders": [_row(archive.orders[order_id]) for order_id in archive.open_ids],
                "trades": [],
            }
        self._append(finished)
        for symbol, archive in matching.archives.items():
            self._open_ids[symbol] = set(archive.open_ids)
            self._next_ids[symbol] = (archive.next_order_id, archive.next_trade_id)
        state = {"version": VERSION, **rest, "matching": {"balances": balances, "symbols": symbols, "lists": matching.lists.dump()}}
        self._replace(self.account_path, encode(state))

    def _finished(self, symbol: str, matching: Matching) -> list[bytes]:
        """Encoded rows of the orders and trades of one symbol that ended since the last save."""
        archive = matching.archives[symbol]
        first_order = min(archive.orders, default=archive.next_order_id)
        next_order, next_trade = self._next_ids.get(symbol, (first_order, 0))
        candidates = sorted(self._open_ids.get(symbol, set())) + list(range(next_order, archive.next_order_id))
        closed = [archive.orders[key] for key in candidates if key in archive.orders and key not in archive.open_ids]
        trades = []
        for trade in reversed(archive.trades):
            if trade.trade_id < next_trade:
                break
            trades.append(trade)
        return [encode(_row(value)) + b"\n" for value in (*closed, *reversed(trades))]

    def _append(self, lines: list[bytes]) -> None:
        if not lines:
            return
        try:
            descriptor = os.open(self.history_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(descriptor, "ab") as file:
                file.write(b"".join(lines))
        except OSError as error:
            raise StateError(f"cannot write {self.history_path}: {error.strerror}") from error

    @staticmethod
    def _replace(path: Path, content: bytes) -> None:
        beside = path.with_suffix(f".tmp{os.getpid()}")
        try:
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            os.replace(beside, path)
        except OSError as error:
            raise StateError(f"cannot write {path}: {error.strerror}") from error


class Saver:
    """Saves when something changed. `changes` is a counter that grows with every change."""

    def __init__(
        self, save: Callable[[], None], changes: Callable[[], int], complain: Callable[[str], None]
    ) -> None:
        self._save = save
        self._changes = changes
        self._complain = complain
        self._saved = -1
        self._complaint = ""
        self.duration_ms_max = 0.0

    def save(self, anyway: bool = False) -> None:
        """Save now if anything changed, or anyway; a full disk is said once per cause, not fatal."""
        changes = self._changes()
        if changes == self._saved and not anyway:
            return
        began = time.monotonic()
        try:
            self._save()
        except StateError as error:
            if str(error) != self._complaint:
                self._complaint = str(error)
                self._complain(self._complaint)
            return
        self._saved, self._complaint = changes, ""
        self.duration_ms_max = max(self.duration_ms_max, (time.monotonic() - began) * 1000)

    async def run(self) -> None:
        """Until canceled: look every 200 ms, less often when saving takes long."""
        pause_s, saved_s = SAVE_EVERY_S, time.monotonic()
        while True:
            await asyncio.sleep(pause_s)
            began = time.monotonic()
            self.save(anyway=began - saved_s >= SAVE_ANYWAY_S)
            if began - saved_s >= SAVE_ANYWAY_S:
                saved_s = began
            pause_s = max(SAVE_EVERY_S, (time.monotonic() - began) / SAVE_SHARE_MAX)
