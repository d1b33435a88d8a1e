"""API keys: from the environment, else from the system's keyring, else from a 0600 file in the state folder. Never from the config.

A key is an API key with its secret (HMAC), or with the PEM file of its private half (Ed25519 or RSA), which then takes the secret's place.
Who calls it: bot.py, on the main thread, for a venue that needs keys. Never: a key in a repr, an error or a log; a wait without a limit.
"""

import importlib
import importlib.util
import re
import stat
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from runtime.config_source import FILE_BYTES_MAX, read_file
from runtime.worker import Worker

KEY, SECRET, PEM = "GREENLIGHT_API_KEY", "GREENLIGHT_API_SECRET", "GREENLIGHT_PRIVATE_KEY_FILE"
FILE, NAMES = "keys.yaml", ("api_key", "api_secret", "private_key_file")
PEM_BEGINS = "-----BEGIN "
PLAIN = re.compile(r"[!-~]+")
SERVICE, KEYRING_S = "greenlight", 10.0


class KeysError(Exception):
    """No usable keys; the text says what to do and holds no secret."""


@dataclass(frozen=True)
class Keys:
    """`private_key` is the PEM text; where it is set, `api_secret` is empty."""

    api_key: str = field(repr=False)
    api_secret: str = field(repr=False)
    private_key: str = field(default="", repr=False)

    def __repr__(self) -> str:
        return "Keys(***)"


def read_keys(environ: Mapping[str, str], state_dir: Path, ask: Callable[[], Mapping[str, str]] | None = None) -> Keys:
    """Environment first, then the keyring (`ask`), then `keys.yaml` in the state folder. Raises KeysError."""
    key, secret, pem = (environ.get(name, "").strip() for name in (KEY, SECRET, PEM))
    if secret and pem:
        raise KeysError(f"{SECRET} and {PEM} are both set in the environment; a key has one of them")
    if key and (secret or pem):
        return Keys(_plain(key, KEY), _plain(secret, SECRET), _private_key(Path(pem)) if pem else "")
    if key or secret or pem:
        raise KeysError(f"{SECRET if key else KEY} is not set in the environment; both parts of a key are needed")
    if kept := (ask or ask_keyring)():
        return _from_keyring(kept)
    path = state_dir / FILE
    if not path.exists():
        raise KeysError(f"this venue needs keys: set {KEY} and {SECRET}, or write api_key and api_secret to {path} (mode 0600)")
    return _from_file(path)


def ask_keyring() -> dict[str, str]:
    """What the keyring holds under `greenlight`; nothing where the package `keyring` or a keyring is missing. It may ask the person: 10 s at most."""
    if importlib.util.find_spec("keyring") is None:
        return {}
    found: dict[str, str] = {}

    def look(stopping: threading.Event) -> None:
        try:
            keyring = importlib.import_module("keyring")
            found.update({name: str(text).strip() for name in NAMES if (text := keyring.get_password(SERVICE, name))})
        except Exception as error:  # a backend's own; its text may hold anything
            found["fault"] = type(error).__name__

    asked = Worker("keyring", look)
    asked.start()
    asked.stop(time.monotonic() + KEYRING_S)
    if asked.is_running:
        raise KeysError(f"the keyring gives no answer in {KEYRING_S:.0f} s; unlock it, or set {KEY} and {SECRET}")
    return {} if "fault" in found else found


def _from_keyring(kept: Mapping[str, str]) -> Keys:
    key, secret, pem = (kept.get(name, "") for name in NAMES)
    if not key or bool(secret) is bool(pem):
        raise KeysError(f"the keyring must hold api_key and api_secret (or private_key_file) under {SERVICE}; `keyring set {SERVICE} api_key`")
    return Keys(_plain(key, "api_key in the keyring"), _plain(secret, "api_secret in the keyring"), _private_key(Path(pem)) if pem else "")


def _from_file(path: Path) -> Keys:
    _check_private(path)
    source = read_file(path)
    if any(not problem.line for problem in source.problems):
        raise KeysError(f"{path} {source.problems[0].text}")  # it could not be read at all: nothing of it is in the words
    key, secret, pem = (source.data.get(name, "") for name in NAMES)
    texts = all(isinstance(one, str) for one in (key, secret, pem))
    if source.problems or not texts or not key or bool(secret) is bool(pem):
        raise KeysError(f"{path} must hold two lines, api_key: ... and api_secret: ... (or private_key_file: ... with the path of a PEM file)")
    key, secret = _plain(str(key), f"api_key in {path}"), _plain(str(secret), f"api_secret in {path}")
    return Keys(key, secret, _private_key(path.parent / str(pem)) if pem else "")


def _plain(text: str, name: str) -> str:
    """As it is, or KeysError: further on it would end in an error that quotes it."""
    if text and not PLAIN.fullmatch(text):
        raise KeysError(f"{name} holds a blank, a line break or another character that no key has; copy it again")
    return text


def _private_key(path: Path) -> str:
    if not path.is_file():
        raise KeysError(f"the private key file {path} does not exist")
    _check_private(path)
    text = path.read_text(encoding="ascii", errors="replace").strip()
    if not text.startswith(PEM_BEGINS) or "PRIVATE KEY" not in text.partition("\n")[0]:
        raise KeysError(f"{path} is no PEM file of a private key (it begins with -----BEGIN PRIVATE KEY-----)")
    return text


def _check_private(path: Path) -> None:
    about = path.stat()
    if not (stat.S_ISREG(about.st_mode) or stat.S_ISDIR(about.st_mode)):
        raise KeysError(f"{path} is no plain file")  # a pipe without a writer would hold the start for ever
    if about.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise KeysError(f"{path} can be read by others; run: chmod 600 {path}")
    if about.st_size > FILE_BYTES_MAX:
        raise KeysError(f"{path} is too large to be a key file")
