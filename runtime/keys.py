"""API keys: from the environment, else from a 0600 file in the state folder. Never from the config.

Who calls it: bot.py, on the main thread, for a venue that needs keys. Never: a key in a repr, an error or a log.
"""

import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from runtime.config_source import FILE_BYTES_MAX, read_file

KEY, SECRET = "GREENLIGHT_API_KEY", "GREENLIGHT_API_SECRET"
FILE = "keys.yaml"


class KeysError(Exception):
    """No usable keys; the text says what to do and holds no secret."""


@dataclass(frozen=True)
class Keys:
    api_key: str = field(repr=False)
    api_secret: str = field(repr=False)

    def __repr__(self) -> str:
        return "Keys(***)"


def read_keys(environ: Mapping[str, str], state_dir: Path) -> Keys:
    """Environment first, then `keys.yaml` in the state folder. Raises KeysError."""
    key, secret = environ.get(KEY, "").strip(), environ.get(SECRET, "").strip()
    if key and secret:
        return Keys(key, secret)
    if key or secret:
        raise KeysError(f"{KEY if secret else SECRET} is not set in the environment; both are needed")
    path = state_dir / FILE
    if not path.exists():
        raise KeysError(f"this venue needs keys: set {KEY} and {SECRET}, or write api_key and api_secret to {path} (mode 0600)")
    return _from_file(path)


def _from_file(path: Path) -> Keys:
    about = path.stat()
    if about.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise KeysError(f"{path} can be read by others; run: chmod 600 {path}")
    if about.st_size > FILE_BYTES_MAX:
        raise KeysError(f"{path} is too large to be a key file")
    source = read_file(path)
    key, secret = source.data.get("api_key"), source.data.get("api_secret")
    if source.problems or not isinstance(key, str) or not isinstance(secret, str) or not key or not secret:
        raise KeysError(f"{path} must hold two lines, api_key: ... and api_secret: ...")
    return Keys(key, secret)
