"""The tag that marks orders as ours: `gl` and four characters, drawn once per state folder.

Who calls it: bot.py at start. Never: a new tag while the folder has one - orders of earlier runs would become foreign.
"""

import os
import secrets
from pathlib import Path

LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"
FILE = "tag"


def order_tag(folder: Path) -> str:
    """Read the folder's tag, or draw and keep one."""
    path = folder / FILE
    if path.exists():
        kept = path.read_text(encoding="ascii").strip()
        if kept:
            return kept
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    drawn = "gl" + "".join(secrets.choice(LETTERS) for _ in range(4))
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(drawn + "\n")
    return drawn
