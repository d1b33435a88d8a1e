"""The tag that marks orders as ours: `gl` and four characters, drawn once per state folder.

Who calls it: bot.py at start. Never: a new tag while the folder has one - orders of earlier runs would become foreign.
"""

import os
import re
import secrets
from pathlib import Path

TAG = re.compile(r"[A-Za-z0-9]{2,8}")
LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"
FILE = "tag"


class TagUnusable(Exception):
    """The folder's tag file holds something else."""


def order_tag(folder: Path) -> str:
    """The folder's tag, drawn and kept where it has none. Raises TagUnusable, OSError."""
    if kept := kept_tag(folder):
        return kept
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    drawn = "gl" + "".join(secrets.choice(LETTERS) for _ in range(4))
    path = folder / FILE
    draft = path.with_suffix(".draft")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(drawn + "\n")
    os.replace(draft, path)  # in one step: a full disk must not leave half a tag that orders then go by
    return drawn


def kept_tag(folder: Path) -> str:
    """The folder's tag; empty where none was drawn yet. Raises TagUnusable, OSError."""
    path = folder / FILE
    if not path.exists():
        return ""
    kept = path.read_text(encoding="ascii", errors="replace").strip()
    if kept and not TAG.fullmatch(kept):
        raise TagUnusable(f"{path} holds no order tag (2 to 8 letters or digits); write your orders' tag into it, or delete it to draw another")
    return kept
