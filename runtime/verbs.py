"""The one-shot verbs that need no venue: init, check, show-config, schema, and questions to a running bot.

Who calls it: bot.py, on the main thread. Every function returns an exit code. Never: an overwrite of a person's file.
"""

import json
import os
import sys
import time
from pathlib import Path

import msgspec

from core.printable import printable
from core.snapshot import Snapshot
from runtime.config import Loaded, schema, show_config
from runtime.config_docs import config_yaml
from runtime.control import ask
from runtime.instance_lock import holder
from runtime.summary import config_lines, status_lines, why_lines

EXIT_OK, EXIT_USAGE, EXIT_UNREACHABLE = 0, 2, 3
ASK_TIMEOUT_S = 3.0
CHECK_TIMEOUT_S = 0.3  # a check is over within a second
PROOF_WAIT_S, PROOF_POLL_S = 3.0, 0.1


def init(path: Path, default: Path) -> int:
    """Write the commented config with all defaults; an existing file stays as it is. `default` is the one read without --config. Raises OSError."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(config_yaml())
    except FileExistsError:
        print(f"{path} exists and stays as it is; move it away to get a new one", file=sys.stderr)
        return EXIT_USAGE
    command = "python bot.py" if path.resolve() == default.resolve() else f"python {default.parent / 'bot.py'} --config {path}"
    print(f"{path} written; `{command}` trades with it on the paper exchange")
    return EXIT_OK


def check(loaded: Loaded, path: Path, state_dir: Path) -> int:
    """The file is whole; a bot that runs on this state folder says what it has taken of it, at once or not at all."""
    print(f"{path} ok: {len(show_config(loaded))} settings, venue {loaded.config.venue}, {', '.join(loaded.config.symbols)}")
    answer = ask(state_dir / "control.sock", {"verb": "status"}, CHECK_TIMEOUT_S)
    if answer is not None and answer.get("snapshot"):
        print("\n".join(f"the running bot: {line}" for line in _settings(answer)))
    return EXIT_OK


def _settings(answer: dict[str, object]) -> list[str]:
    config = answer.get("config")
    return config_lines(msgspec.convert(answer["snapshot"], Snapshot), config if isinstance(config, dict) else {})


def print_config(loaded: Loaded) -> int:
    print("\n".join(show_config(loaded)))
    return EXIT_OK


def print_schema() -> int:
    print(json.dumps(schema(), indent=2))
    return EXIT_OK


def ask_bot(verb: str, state_dir: Path, as_json: bool) -> int:
    """status, why, resume, close: answered by the running bot over its control socket. A status brings a fresh proof with it."""
    place = state_dir / "control.sock"
    answer = ask(place, {"verb": verb}, ASK_TIMEOUT_S)
    if verb == "status" and answer is not None:
        answer = _with_fresh_proof(place, answer)
    if answer is None:
        print(no_answer(state_dir) or "no bot runs on this state folder; start one with `python bot.py`", file=sys.stderr)
        return EXIT_UNREACHABLE
    if as_json:
        print(json.dumps(answer))
    elif "snapshot" in answer:
        snapshot = msgspec.convert(answer["snapshot"], Snapshot)
        print("\n".join(map(printable, why_lines(snapshot) if verb == "why" else [*status_lines(snapshot), *_settings(answer)])))
    else:
        print(printable(answer.get("text", answer)))
    return EXIT_OK if answer.get("ok", True) else EXIT_USAGE


def no_answer(state_dir: Path) -> str:
    """What to say of a bot that holds the folder and does not answer; empty where none does."""
    if state_dir.exists() and not os.access(state_dir, os.R_OK | os.X_OK):
        return f"{state_dir}: Permission denied; the verbs are for who runs the bot"
    pid = holder(state_dir)
    return f"a bot (pid {pid}) works on {state_dir} and did not answer within {ASK_TIMEOUT_S:g} s: it starts, stops or hangs" if pid else ""


def _with_fresh_proof(place: Path, first: dict[str, object]) -> dict[str, object]:
    """Ask for a proof and wait for its verdict, within a limit: in motion there may be none, and the last one is shown with its age."""
    proven_ns, answer = _proven_ns(first), first
    ends_s = time.monotonic() + PROOF_WAIT_S
    ask(place, {"verb": "proof"}, ASK_TIMEOUT_S)
    while _proven_ns(answer) == proven_ns and time.monotonic() < ends_s:
        time.sleep(PROOF_POLL_S)
        answer = ask(place, {"verb": "status"}, ASK_TIMEOUT_S) or answer
    return answer


def _proven_ns(answer: dict[str, object]) -> object:
    snapshot = answer.get("snapshot")
    proof = snapshot.get("proof") if isinstance(snapshot, dict) else None
    return proof.get("at_ns") if isinstance(proof, dict) else None
