"""Settings every test shares: hypothesis without deadlines (two shared cores), with a fixed seed so that a failure repeats; and the marker
`side_by_side`.

A marked test is one that mostly waits for processes of its own. It may use `tmp_path` and its parameters, no other fixture, and measures nothing
that a busy machine changes. Those of a run are done three at a time, each in a thread; what one says counts at its own place, at the end of the list.
Where many others are run too, that happens from the beginning and in a second pytest (tests/beside.py): the core that the others leave idle is enough
for them, and tests that count threads see none of theirs.
"""

import os
import signal
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests import beside

settings.register_profile("greenlight", deadline=None, derandomize=True, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("planted", settings.get_profile("greenlight"), phases=(Phase.explicit, Phase.generate))  # the first failure will do
settings.load_profile(os.environ.get("GREENLIGHT_HYPOTHESIS", "greenlight"))

# A hundred processes are started: each finds the sources compiled, whatever the environment says.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Where the suite runs under nohup its bots must not inherit that: a handler is not inherited, SIG_IGN is.
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, lambda number, frame: None)

AT_A_TIME = 3
FOLDERS = pytest.StashKey[pytest.TempPathFactory]()
POOL = pytest.StashKey[ThreadPoolExecutor]()
DONE = pytest.StashKey[Future[None]]()
BESIDE = pytest.StashKey[beside.Beside]()


@pytest.fixture(scope="session", autouse=True)
def _folders(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> None:
    request.session.stash[FOLDERS] = tmp_path_factory


def pytest_configure(config: pytest.Config) -> None:
    if told := os.environ.get(beside.TOLD_IN):
        config.pluginmanager.register(beside.Teller(told))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_is_marked)


def _is_marked(item: pytest.Item) -> bool:
    return item.get_closest_marker("side_by_side") is not None


def pytest_collection_finish(session: pytest.Session) -> None:
    marked = [item.nodeid for item in session.items if _is_marked(item)]
    if beside.is_worth_it(session.config, len(marked), len(session.items) - len(marked)):
        session.stash[BESIDE] = beside.Beside(session.config, marked)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if BESIDE in session.stash:
        session.stash[BESIDE].end()
    if POOL in session.stash:
        session.stash[POOL].shutdown(wait=True, cancel_futures=True)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """A marked test was begun together with all others that are marked; its own place in the list waits for it."""
    if not _is_marked(pyfuncitem):
        return None
    if BESIDE in pyfuncitem.session.stash:
        pyfuncitem.session.stash[BESIDE].result(pyfuncitem.nodeid)
        return True
    if DONE not in pyfuncitem.stash:
        _begin(pyfuncitem.session)
    pyfuncitem.stash[DONE].result()
    return True


def _begin(session: pytest.Session) -> None:
    """All marked tests of this run, in their order."""
    pool = session.stash[POOL] = ThreadPoolExecutor(AT_A_TIME, "side-by-side")
    for item in session.items:
        if isinstance(item, pytest.Function) and _is_marked(item):
            item.stash[DONE] = pool.submit(item.obj, **_arguments(item, session.stash[FOLDERS]))


def _arguments(item: pytest.Function, folders: pytest.TempPathFactory) -> dict[str, Any]:
    given = dict(item.callspec.params) if hasattr(item, "callspec") else {}
    if "tmp_path" in item.fixturenames:
        given["tmp_path"] = folders.mktemp(item.originalname, numbered=True)
    return given
