"""python-binance loaded in part: what the bot spares itself, and that nobody else notices."""

import subprocess
import sys

from tests.paper.exchange_client import ROOT


def said_by(program: str) -> str:
    """What a fresh interpreter prints for these lines."""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_asynchronous_half_stays_unloaded() -> None:
    """Loading the venue's REST side loads neither aiohttp nor python-binance's package: a program of threads pays for no event loop."""
    program = "import sys, exchange.binance.rest; print([name for name in ('aiohttp', 'binance', 'binance.async_client') if name in sys.modules])"
    assert said_by(program) == "[]"


def test_a_later_import_gets_the_whole_package() -> None:
    """Whoever imports python-binance beside the bot gets all of it, with the very class the bot uses."""
    program = "from exchange.binance.client import Client; import binance; print(binance.Client is Client, binance.AsyncClient.__name__)"
    assert said_by(program) == "True AsyncClient"


def test_an_earlier_import_is_used() -> None:
    """Where the package is loaded already, its own client is taken."""
    assert said_by("import binance; from exchange.binance.client import Client; print(binance.Client is Client)") == "True"
