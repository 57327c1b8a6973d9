"""Fixtures: a real server, an account on it, the installed program in empty surroundings, the official CLI."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.server.control import Account, BitwardenServer
from tests.server.specs import AccountSpec, ItemSpec, Login, Pbkdf2
from tests.support.cached import Cached
from tests.support.needs import IS_CI, unavailable
from tests.support.program import IS_PORTABLE, Surroundings

OFFICIAL_BW = Path(__file__).parent / "cli" / "node_modules" / ".bin" / "bw"
CHEAP = Pbkdf2(iterations=5_000)  # the least that is accepted: most tests are not about the KDF
CANARY = "canary-7f3a"  # a part of every secret of the account: it must turn up nowhere


FUZZ = 8  # pid and group together: sixteen of each signal
KEPT = 1  # of the cases of a test that starts processes, `make test` takes so many, and `make test-long` all
LONG = {"thorough", "fuzz", "crowd"}  # fixtures of tests that do more when they are asked to

# No time limit, and no complaint about slow input: a busy machine is no failure.
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("usual", PATIENT, derandomize=IS_CI, max_examples=50)
settings.register_profile("thorough", PATIENT, max_examples=1000)


def pytest_configure(config: pytest.Config) -> None:
    """Choose how many examples a property gets, before the modules with properties are imported; ignore no signal."""
    for number in (signal.SIGHUP, signal.SIGQUIT):  # nohup and shells in the background ignore them, for all children
        signal.signal(number, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # so do shells without job control
        signal.signal(signal.SIGINT, signal.default_int_handler)
    settings.load_profile("thorough" if config.getoption("--thorough") else "usual")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """
    Mark the tests that do more when they are asked to: `make test-long` runs these.

    Those with the official CLI, which take long, come first, so that no process is left with one when all others end.
    """
    thin_out(items, config.getoption("--kept"))
    items.sort(key=lambda item: item.get_closest_marker("official_cli") is None)
    for item in items:
        fixtures = item.fixturenames if isinstance(item, pytest.Function) else ()
        if not LONG.isdisjoint(fixtures) or item.get_closest_marker("hypothesis"):
            item.add_marker("long")
        needs_linux = item.get_closest_marker("linux")
        if needs_linux is not None and IS_PORTABLE:
            item.add_marker(pytest.mark.skip(reason=f"only Linux has it: {needs_linux.args[0]}"))


def thin_out(items: list[pytest.Item], kept: int) -> None:
    """Mark as slow the cases of a test that starts processes which `make test` leaves out; `kept` of them stay."""
    cases: dict[str, list[pytest.Item]] = {}
    for item in items:
        starts_processes = isinstance(item, pytest.Function) and "bare" in item.fixturenames
        if starts_processes and item.path.name != "test_commands.py" and not item.get_closest_marker("slow"):
            cases.setdefault(item.nodeid.partition("[")[0], []).append(item)
    for group in cases.values():
        for number, item in enumerate(group):
            if len(group) > kept and number * kept // len(group) == (number - 1) * kept // len(group):
                item.add_marker("slow")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what a person may want more of; known answers of others are not a part of this project."""
    parser.addoption("--vectors", type=Path, default=None, help="folder with known answers and recorded replies")
    parser.addoption("--kept", type=int, default=KEPT, help=f"cases to keep of a test that starts processes [{KEPT}]")
    parser.addoption("--thorough", action="store_true", help="all 256 exit codes, all signals, more random moments")
    parser.addoption(
        "--portable", action="store_true", help="run the half of bwrun that is for other systems than Linux"
    )
    parser.addoption("--fuzz", type=int, default=FUZZ, help=f"random kills of each kind [{FUZZ}]")
    parser.addoption("--fuzz-seed", type=int, default=None, help="seed of the random kills, to repeat a failure")


@pytest.fixture(scope="session")
def vectors(request: pytest.FixtureRequest) -> Path:
    """Return the folder with known answers; without --vectors the test is skipped."""
    folder = request.config.getoption("--vectors")
    if folder is None:
        pytest.skip("known answers of other projects: give their folder with --vectors")
    assert isinstance(folder, Path)
    return folder


@pytest.fixture(scope="session")
def server() -> Iterator[BitwardenServer]:
    """Start a server for all tests of this process; who sets faults clears them."""
    with BitwardenServer.start() as running:
        yield running


@pytest.fixture(scope="session")
def account(server: BitwardenServer) -> Account:
    """Make an account with a cheap KDF and two items."""
    return server.add_account(
        AccountSpec(
            "ada@example.com",
            f"correct horse {CANARY}",
            kdf=CHEAP,
            items=(
                ItemSpec("prod-db", Login(username="deploy", password="p4ss")),
                ItemSpec("mail", Login(username="ada", password="m4il", totp="JBSWY3DPEHPK3PXP")),
            ),
        )
    )


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Surroundings]:
    """
    Give empty surroundings; after the test, no session may be left in them.

    Their runtime directory is in RAM where that can be had, as it is on every system that makes one.
    """
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108
    with tempfile.TemporaryDirectory(prefix="bwrun-test-", dir=memory) as folder:
        runtime = Path(folder, "runtime")
        runtime.mkdir(mode=0o700)
        surroundings = Surroundings.make(tmp_path, runtime)
        yield surroundings

        assert surroundings.left() == []


@pytest.fixture
def ready(bare: Surroundings, server: BitwardenServer, account: Account) -> Iterator[Surroundings]:
    """Give surroundings in which `bwrun -- …` just works; the server's faults are cleared afterwards."""
    server.clear_faults()
    server.clear_requests()
    bare.use(server, account)
    yield bare

    server.clear_faults()


@pytest.fixture
def run_in(bare: Surroundings, server: BitwardenServer, vault: Account) -> Surroundings:
    """Give surroundings with the account of the module's fixture `vault`, and a server that was asked nothing."""
    server.clear_faults()
    server.clear_requests()
    bare.use(server, vault)
    return bare


@contextmanager
def short_runtime(surroundings: Surroundings) -> Iterator[None]:
    """For the block, give surroundings a runtime directory whose path is short enough for a socket in a session."""
    before = surroundings.runtime
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108
    with tempfile.TemporaryDirectory(prefix="bwrun-", dir=memory) as folder:
        surroundings.runtime = Path(folder)
        surroundings.environment["XDG_RUNTIME_DIR"] = folder
        yield

        assert surroundings.left() == []
    surroundings.runtime = before


@pytest.fixture
def cached(ready: Surroundings, server: BitwardenServer) -> Cached:
    """Give runs with `--cache` of an account of the test's own."""
    items = (ItemSpec("prod-db", Login(username="deploy", password="p4ss")),)
    found = Cached(ready, server, server.add_account(AccountSpec("cached@example.com", CANARY, CHEAP, items=items)))
    found.use(found.account)
    return found


@pytest.fixture(scope="session")
def keys_account(server: BitwardenServer) -> Account:
    """Make an account with SSH keys."""
    from tests.support.ssh_vault import ssh_account  # noqa: PLC0415  (it needs this module)

    return server.add_account(ssh_account())


@pytest.fixture
def with_keys(ready: Surroundings, server: BitwardenServer, keys_account: Account) -> Iterator[Surroundings]:
    """Give surroundings with SSH keys, and with room for an agent's socket."""
    ready.use(server, keys_account)
    with short_runtime(ready):
        yield ready


@pytest.fixture(scope="session")
def official_bw() -> Path:
    """Return the pinned official CLI; a machine without Node skips its tests, CI must have it."""
    if not (OFFICIAL_BW.exists() and shutil.which("node")):
        unavailable("the official CLI is not installed (make dev, with Node and npm)")
    return OFFICIAL_BW


@pytest.fixture
def thorough(request: pytest.FixtureRequest) -> None:
    """Skip the test without --thorough."""
    if not request.config.getoption("--thorough"):
        pytest.skip("takes minutes: --thorough")
