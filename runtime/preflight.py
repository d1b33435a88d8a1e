"""Before anything of ours is loaded: is this the right Python, and does it have what requirements.txt names?

Who calls it: bot.py, first of all, on the main thread; a few ms. Written so that an old Python gets this far.
Never: an import of what it looks for.
"""

import importlib.util
import os
import sys

PYTHON_MIN = (3, 11)
# What we import of others; requirements.txt names them.
MODULES = ("websocket", "requests", "binance", "tenacity", "yaml", "pydantic", "msgspec", "sortedcontainers", "aiohttp", "sqlalchemy", "alembic")


def missing(modules: tuple = MODULES, version: tuple = sys.version_info) -> str:  # type: ignore[type-arg] # as an old Python can read it
    """What is missing and the mend, in one line; empty where all is there."""
    if tuple(version[:2]) < PYTHON_MIN:
        return f"this is Python {version[0]}.{version[1]} ({sys.executable}); greenlight needs {PYTHON_MIN[0]}.{PYTHON_MIN[1]} or newer"
    absent = [name for name in modules if importlib.util.find_spec(name) is None]
    if not absent:
        return ""
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    venv = os.path.join(root, ".venv")
    own = os.path.join(venv, "bin", "python")
    is_other = os.path.exists(own) and os.path.realpath(sys.prefix) != os.path.realpath(venv)
    mend = f"{own} bot.py" if is_other else f"{sys.executable} -m pip install -r {os.path.join(root, 'requirements.txt')}"
    return f"{sys.executable} lacks {', '.join(absent)}; run: {mend}"
