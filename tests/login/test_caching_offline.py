"""`--offline`: the cache is used when the server cannot be reached or fails, and not when it refuses."""

from __future__ import annotations

import base64
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cache.test_place import on_disk
from tests.login.test_caching_changes import SPEC
from tests.login.test_login_failures import messages
from tests.server.faults import RATE_LIMITED_OFFICIAL, CloseMidBody, Fault, Hang, Status
from tests.server.specs import ItemSpec, Login, Pbkdf2
from tests.support.cache_file import CacheFile
from tests.support.cached import COLD, DOWN, SHOW, WARM, Cached
from tests.support.program import BWRUN, Ended

NEW = ItemSpec("new", Login("n", "n3w"))
WARNING = re.compile(r"warning: using the vault that was cached [0-9]+ (s|min) ago: .+")


def assert_used(done: Ended) -> None:
    """The run used the cache, and said so in one warning."""
    assert (done.status, done.stdout) == (0, "p4ss"), done.stderr
    assert len(messages(done)) == 1
    assert WARNING.fullmatch(messages(done)[0]), messages(done)


@pytest.fixture
def filled(cached: Cached) -> Cached:
    """Give runs that have filled the cache."""
    assert cached.ask() == COLD
    return cached


@pytest.fixture
def disk(cached: Cached) -> Iterator[Path]:
    """Give a directory on a disk, in which these runs keep the cache."""
    folder = on_disk() / f"caches-{cached.account.user_id}"
    folder.mkdir(mode=0o700)
    cached.surroundings.environment["BWRUN_CACHE_DIR"] = str(folder)
    yield folder

    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


def test_a_server_that_fails(filled: Cached) -> None:
    """A 5xx to the only question: the cache is used, as old as --cache allows; without --offline it is an error."""
    filled.server.set_fault(Fault("", DOWN))

    assert_used(filled.run("--offline"))
    assert_used(filled.run(env={"BWRUN_OFFLINE": "auto"}))
    assert filled.run().codes == ["server.unavailable"]
    assert filled.run("--offline=off").codes == ["server.unavailable"]
    filled.change(lambda file: file.moved(3700, "written"))
    assert filled.run("--offline").codes == ["server.unavailable"]
    assert_used(filled.run("--offline", cache="--cache=2h"))


def test_a_token_that_has_ended(filled: Cached) -> None:
    """An hour later no token is valid any more: that is what --offline is for."""
    filled.change(lambda file: file.moved(3590, "issued"))
    filled.server.set_fault(Fault("", DOWN))

    assert_used(filled.run("--offline"))


def test_a_vault_that_cannot_be_fetched(filled: Cached) -> None:
    """The vault has changed, and the server fails when it is fetched: the one in the cache is used."""
    filled.server.add_items(filled.account, NEW)
    filled.server.set_fault(Fault("/api/sync", DOWN))

    assert_used(filled.run("--offline"))
    assert filled.run().codes == ["server.unavailable"]
    filled.recover()
    assert filled.ask() == ["date", "sync"]


def test_a_login_that_fails(filled: Cached) -> None:
    """The server takes the token no more, and cannot log in: it did not answer whether the key is still good."""
    filled.server.expire_tokens(filled.account)
    filled.server.set_fault(Fault("/connect/token", DOWN))

    done = filled.run("--offline")

    assert done.codes == ["server.unavailable"]  # it refused the token
    assert filled.path.exists()


@pytest.mark.parametrize("on_a_disk", [pytest.param(False, marks=pytest.mark.slow), True])
def test_a_server_that_hangs(cached: Cached, request: pytest.FixtureRequest, *, on_a_disk: bool) -> None:
    """After --timeout the cache is used; on a disk, the key is derived then."""
    if on_a_disk:
        request.getfixturevalue("disk")
    cached.ask()
    cached.server.set_fault(Fault("/revision-date", Hang()))

    assert_used(cached.run("--offline", "--timeout", "1"))


@pytest.mark.slow
def test_a_costly_kdf_after_a_server_that_hangs(cached: Cached, disk: Path) -> None:
    """On a disk the key is derived after --timeout has passed, however long that takes."""
    cached.use(cached.server.add_account(replace(SPEC, kdf=Pbkdf2(8_000_000))))
    assert cached.ask() == COLD
    cached.server.set_fault(Fault("/revision-date", Hang()))

    assert_used(cached.run("--offline", "--timeout", "1"))


@pytest.mark.parametrize(
    ("action", "code"),
    [(RATE_LIMITED_OFFICIAL, "server.rate-limit"), (Status(200, "<html>", "text/html"), "server.not-json")],
)
def test_what_is_no_failure(filled: Cached, action: Status, code: str) -> None:
    """A limit and a login page are answers: they are told."""
    filled.server.set_fault(Fault("/revision-date", action))

    assert filled.run("--offline", "--timeout", "30").codes == [code]
    assert filled.path.exists()


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_refusal(filled: Cached, status: int) -> None:
    """If the server refuses token and login, that is an error, and the cache is gone."""
    filled.server.set_fault(Fault("/revision-date", Status(status, "{}")))
    filled.server.set_fault(Fault("/connect/token", Status(status, '{"error": "invalid_client"}')))

    (code,) = filled.run("--offline").codes

    assert code.startswith("auth.")
    assert not filled.path.exists()
    assert filled.run("--offline=always").codes == ["config.nothing-cached"]


def test_nothing_to_use(cached: Cached) -> None:
    """Without a cache the usual error comes; `always` has one of its own, and asks nothing."""
    always = cached.run("--offline=always")
    assert (always.status, always.stdout, always.codes) == (125, "", ["config.nothing-cached"])
    assert cached.asked() == []
    check = cached.surroundings.run("--cache", "--offline=always", "--check")
    assert check.codes == ["config.nothing-cached"]
    cached.server.set_fault(Fault("", DOWN))
    assert cached.run("--offline").codes == ["server.unavailable"]
    cached.recover()
    assert cached.ask("--offline") == COLD
    assert cached.ask("--offline=always") == []
    cached.server.add_items(cached.account, NEW)
    assert cached.ask("--offline=always") == []
    assert cached.ask("--offline") == ["date", "sync"]
    cached.change(lambda file: file.moved(3700, "written"))
    assert cached.run("--offline=always").codes == ["config.nothing-cached"]
    assert cached.ask("--offline=always", cache="--cache=2h") == []


def test_always_with_a_token_that_has_ended(filled: Cached) -> None:
    """Nothing is asked, so no token is needed; -v says that nothing was checked."""
    filled.change(lambda file: file.moved(7200, "issued"))

    done = filled.run("-v", "--offline=always")

    assert (done.status, done.stdout) == (0, "p4ss")
    assert "ago, not checked\n" in done.stderr


def test_a_check_says_it(filled: Cached) -> None:
    """`--check` with a server that fails says how old the vault is."""
    filled.server.set_fault(Fault("", DOWN))

    done = filled.surroundings.run("--cache", "--offline", "--check")

    assert done.status == 0
    assert re.search(r"\nvault        cached [0-9]+ s ago, offline\n", done.stdout)


@pytest.mark.slow
def test_an_answer_that_breaks_off(filled: Cached) -> None:
    """A connection that is closed in the answer counts as one that cannot be had."""
    filled.server.set_fault(Fault("/revision-date", CloseMidBody()))

    assert_used(filled.run("--offline"))


def test_many_at_once(filled: Cached) -> None:
    """Runs that wait for one whose request failed use the cache, too."""
    filled.server.add_items(filled.account, NEW)
    filled.server.set_fault(Fault("/api/sync", DOWN))
    words: list[str | Path] = [BWRUN, "--cache", "--offline", *SHOW]
    environment, work = filled.surroundings.environment, filled.surroundings.work
    runs = [
        subprocess.Popen(
            words, env=environment, cwd=work, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
        )
        for _ in range(6)
    ]
    printed = [run.communicate() for run in runs]
    for run, (stdout, stderr) in zip(runs, printed, strict=True):
        assert_used(Ended(run.returncode, stdout, stderr))
    assert filled.path.exists()
    filled.recover()
    assert filled.ask() == ["date", "sync"]


def test_on_a_disk(cached: Cached, disk: Path) -> None:
    """There is no user key in the file, so each run derives it; all else is the same."""
    assert cached.ask() == COLD
    (path,) = disk.glob("*.cache")
    cached.surroundings.runtime.joinpath("bwrun").mkdir(exist_ok=True)
    assert list(cached.surroundings.runtime.joinpath("bwrun").iterdir()) == []
    file = CacheFile.read(path.read_bytes(), cached.owner)
    assert file.state["user_key"] is None
    key = bytes.fromhex(cached.account.user_key_hex)
    for form in (key, base64.b64encode(key), base64.b64encode(key[:33])[:40], cached.account.user_key_hex.encode()):
        for part in (*file.parts.values(), file.stamp):
            assert form not in part
    done = cached.run("-v")
    assert "unlocked the vault with the master password (PBKDF2, 5000 iterations)" in done.stderr
    assert cached.ask() == WARM
    assert cached.ask("--offline=always") == cached.ask("--max-age", "99") == []
    cached.server.set_fault(Fault("", DOWN))
    assert_used(cached.run("--offline"))
