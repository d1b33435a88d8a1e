"""python-binance's synchronous Client, without what its package loads beside it.

Who imports it: rest.py. `import binance` also loads the asynchronous client and its sockets (aiohttp and seven more: 11 MB of memory and
0.15 s of every start), none of which a program of threads uses. So `binance.client` is loaded from its own file, as it is published,
before the package's `__init__` has run; whoever imports `binance` afterwards gets the whole package.
Never: a changed class, a stand-in for a module.
"""

import importlib
import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from typing import TYPE_CHECKING, Any

PACKAGE = "binance"


def _load_client() -> Any:
    """`binance.client`; the package itself stays unloaded. Raises ImportError."""
    if PACKAGE in sys.modules:
        return importlib.import_module(f"{PACKAGE}.client")
    found = PathFinder.find_spec(PACKAGE)
    if found is None:
        raise ImportError(f"{PACKAGE} is not installed; pip install -r requirements.txt")
    sys.modules[PACKAGE] = module_from_spec(found)  # knows where its files are, has run none of them
    try:
        return importlib.import_module(f"{PACKAGE}.client")
    finally:
        del sys.modules[PACKAGE]


if TYPE_CHECKING:
    from binance.client import Client
else:
    Client = _load_client().Client

__all__ = ["Client"]
