"""What a server asks one run to wait, the other runs of the account heed: later ones, and those of the same time."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import socket
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import CANARY, CHEAP
from tests.server.control import Account, BitwardenServer, RecordedRequest
from tests.server.faults import RATE_LIMITED_OFFICIAL, RATE_LIMITED_VAULTWARDEN, Fault, Hang, Status
from tests.server.specs import AccountSpec
from tests.support.needs import unavailable
from tests.support.program import BWRUN, TIMEOUT, Ended, Surroundings
from tests.support.terminal import Terminal
from tests.support.users import ANOTHER_USER, needs_root

TOKEN, SYNC = "/connect/token", "/api/sync"
FORGET = "bwrun: hint: `bwrun --clean` forgets such waits"


@pytest.fixture(autouse=True)
def in_ram(ready: Surroundings) -> None:
    """Skip where the runtime directory of the tests is not in RAM."""
    if not str(ready.runtime).startswith("/dev/shm/"):  # noqa: S108
        unavailable("there is no /dev/shm")


def limit(seconds: float, status: int = 429) -> Status:
    """Return an answer that asks for a wait."""
    return Status(status, "{}", headers={"Retry-After": f"{seconds:.0f}"})


def place(surroundings: Surroundings) -> Path:
    """Return the directory for the records."""
    return surroundings.runtime / "bwrun"


def record_file(surroundings: Surroundings, account: Account, server: BitwardenServer, kind: str = "logins") -> Path:
    """Return the file of a record: the name is a hash of account, server and kind."""
    text = f"{account.client_id}\0{server.identity_url}\0{kind}"
    return place(surroundings) / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.wait"


def files(surroundings: Surroundings) -> list[Path]:
    """Return all files for later runs."""
    return sorted(place(surroundings).iterdir()) if place(surroundings).exists() else []


def text_of(wait: float, *, written: float = 0.0, status: int = 429, level: int = 1) -> str:
    """Return a record of a wait that began `written` seconds from now and ends `wait` seconds from now."""
    now = float(Path("/proc/uptime").read_text().split()[0])
    return f"bwrun-wait 1 {status} {level} told {now + written:.3f} {now + wait:.3f}\n"


def write(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a file as a run does."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def asked(server: BitwardenServer, path: str) -> list[RecordedRequest]:
    """Return the requests for a path."""
    return [request for request in server.requests() if request.path.endswith(path)]


def at_once(surroundings: Surroundings, count: int, *words: str) -> list[Ended]:
    """Run `bwrun WORDS…` so many times at the same time."""
    running = [
        subprocess.Popen(
            [BWRUN, *words], env=surroundings.environment, cwd=surroundings.work, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
        )
        for _ in range(count)
    ]  # fmt: skip
    ended = []
    for process in running:
        stdout, stderr = process.communicate(timeout=TIMEOUT)
        ended.append(Ended(process.returncode, stdout, stderr))
    return ended


def test_a_later_run_does_not_knock(ready: Surroundings, server: BitwardenServer) -> None:
    """The server asked for a minute: a run with less time says so and what to do, and sends nothing."""
    server.set_fault(Fault(TOKEN, RATE_LIMITED_OFFICIAL, count=1))
    assert ready.run("--timeout", "20", "--", "true").codes == ["server.rate-limit"]
    server.clear_requests()

    done = ready.run("--timeout", "20", "--", "true")

    said, *hints = done.stderr.splitlines()
    assert re.fullmatch(
        re.escape(f"bwrun: error: {server.url} limits logins: ")
        + r"\d+ s ago, it asked another run to wait \(429\); that wait goes on for [1-6]\d s,"
        r" but (20|1\d) s of the timeout are left \[server\.rate-limit\]",
        said,
    )
    assert re.fullmatch(r"bwrun: hint: wait that long with `--timeout [4-9]0`", hints[0])
    assert hints[-1] == FORGET
    assert done.status == 125
    assert server.requests() == []


def test_a_later_run_waits(ready: Surroundings, server: BitwardenServer) -> None:
    """With enough time a later run waits for the rest, says so with -v, and then needs one login."""
    server.set_fault(Fault(TOKEN, limit(4), count=1))
    assert ready.run("--timeout", "3.5", "--", "true").codes == ["server.rate-limit"]
    (first,) = asked(server, TOKEN)

    done = ready.run("-v", "--", "echo", "ran")

    _, second = asked(server, TOKEN)
    assert (done.status, done.stdout) == (0, "ran\n")
    assert second.time - first.time >= 4.0
    assert re.search(r"s  waiting [2-5] s: the server limits logins\n", done.stderr)
    assert files(ready) == []


def test_a_wait_is_told_on_a_terminal(ready: Surroundings, server: BitwardenServer, account: Account) -> None:
    """Who sits there reads why nothing happens; without a terminal nothing is said."""
    path = record_file(ready, account, server)
    write(path, text_of(2.5, level=0))
    with Terminal.start([BWRUN, "--", "echo", "ran"], ready.environment, ready.work) as terminal:
        assert terminal.ended() == 0
    assert re.fullmatch(r"bwrun: waiting [2-4] s: the server limits logins\nran", terminal.screen.strip())

    write(path, text_of(2.5))
    assert ready.run("--", "true") == Ended(0, "", "")


def test_a_wait_in_vain_is_in_the_error(ready: Surroundings, server: BitwardenServer) -> None:
    """What the waits took of the timeout is said when the rest was not enough."""
    server.set_fault(Fault(TOKEN, limit(2), count=1))
    server.set_fault(Fault(SYNC, Hang()))

    done = ready.run("--timeout", "6", "--", "true")

    assert done.codes == ["network.timeout"]
    assert re.search(
        r"timed out after 6 s while waiting for \S+; [23] s were waits: the server limits logins \[", done.stderr
    )


def test_a_failure_with_a_time_is_remembered(ready: Surroundings, server: BitwardenServer) -> None:
    """A server that says how long it will be down is not asked before that; without a time it is asked."""
    server.set_fault(Fault(TOKEN, limit(60, 503), count=1))
    assert ready.run("--timeout", "20", "--", "true").codes == ["server.unavailable"]
    server.clear_requests()

    done = ready.run("--timeout", "20", "--", "true")

    assert done.codes == ["server.unavailable"]
    assert re.search(r" failed: \d+ s ago, it asked another run to wait \(503\); that wait goes on for", done.stderr)
    assert server.requests() == []

    ready.run("--clean")
    server.clear_faults()
    server.set_fault(Fault(TOKEN, Status(503), count=4))
    assert ready.run("--", "true").codes == ["server.unavailable"]
    assert files(ready) == []


def test_a_server_that_names_no_time(ready: Surroundings, server: BitwardenServer, account: Account) -> None:
    """What bwrun waits there is remembered too, and grows: a later run does not begin anew with five seconds."""
    server.set_fault(Fault(TOKEN, RATE_LIMITED_VAULTWARDEN, count=2))
    assert ready.run("--timeout", "3", "--", "true").codes == ["server.rate-limit"]
    assert record_file(ready, account, server).read_text().split()[2:5] == ["429", "1", "own"]

    done = ready.run("--timeout", "3", "--", "true")
    assert re.search(r"s ago, it refused another run \(429\); that wait goes on for \d s, but", done.stderr)
    assert len(asked(server, TOKEN)) == 1

    write(record_file(ready, account, server), text_of(2, level=3))  # so the next wait is 40 s, a quarter more or less
    done = ready.run("--timeout", "20", "--", "true")
    assert done.codes == ["server.rate-limit"]
    assert re.search(r" and does not say how long to wait; .* after [1-6] s of waiting", done.stderr)
    assert record_file(ready, account, server).read_text().split()[2:5] == ["429", "4", "own"]
    assert len(asked(server, TOKEN)) == 2


def test_logins_and_requests_are_told_apart(ready: Surroundings, server: BitwardenServer, account: Account) -> None:
    """A limit on logins says nothing about requests; one on requests makes a login useless."""
    server.set_fault(Fault(SYNC, limit(60), count=1))
    assert ready.run("--timeout", "20", "--", "true").codes == ["server.rate-limit"]
    assert files(ready) == [record_file(ready, account, server, "requests")]
    server.clear_requests()

    done = ready.run("--timeout", "20", "--", "true")

    assert done.codes == ["server.rate-limit"]
    assert f"{server.url} limits requests: " in done.stderr
    assert server.requests() == []

    write(record_file(ready, account, server, "requests"), text_of(3))
    done = ready.run("-v", "--", "true")
    assert done.status == 0
    assert len(re.findall("waiting [1-5] s: the server limits requests", done.stderr)) == 1  # not for the config, too
    (login,), (sync,) = asked(server, TOKEN), asked(server, SYNC)
    assert sync.time - login.time >= 1.5
    assert files(ready) == []


def test_only_the_same_account_and_server(ready: Surroundings, server: BitwardenServer, account: Account) -> None:
    """Nobody knows whether the server limits an account or an address: another account is not held up."""
    write(record_file(ready, account, server), text_of(600))
    ready.use(server, server.add_account(AccountSpec("eve@example.com", f"pw {CANARY}", kdf=CHEAP)))

    assert ready.run("--", "true").status == 0

    ready.use(server, account)
    with BitwardenServer.start() as another:
        moved = another.add_account(AccountSpec("ada@example.com", f"pw {CANARY}", kdf=CHEAP))
        ready.use(another, moved)
        assert ready.run("--", "true").status == 0
    ready.use(server, account)
    assert ready.run("--timeout", "5", "--", "true").codes == ["server.rate-limit"]


def test_a_record_says_nothing_about_the_account(
    ready: Surroundings, server: BitwardenServer, account: Account
) -> None:
    """It is closed to others, and neither its name nor its text has a word of the account, the server or the answer."""
    words = [account.client_id, account.user_id, account.email, account.client_secret, CANARY, "localhost", "Echo"]
    server.set_fault(Fault(TOKEN, Status(429, f'{{"message": "Echo {account.client_secret}, again in 9m"}}')))
    ready.run("--", "true")

    (path,) = files(ready)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert re.fullmatch(r"[0-9a-f]{32}\.wait", path.name)
    assert re.fullmatch(r"bwrun-wait 1 429 1 told [0-9.]+ [0-9.]+\n", path.read_text())
    assert not any(word in path.name + path.read_text() for word in words)


def test_a_limit_on_logins_does_not_hold_up_a_cached_vault(
    ready: Surroundings, server: BitwardenServer, account: Account
) -> None:
    """Whoever has a vault in the cache needs no login, and is not refused one."""
    assert ready.run("--cache", "--", "true").status == 0
    write(record_file(ready, account, server), text_of(600))
    server.clear_requests()

    assert ready.run("--cache", "--timeout", "20", "--", "true") == Ended(0, "", "")

    assert [request.path for request in server.requests()] == ["/api/accounts/revision-date"]
    assert ready.run("--timeout", "20", "--", "true").codes == ["server.rate-limit"]


def test_a_limit_on_requests_holds_up_a_cached_vault(
    ready: Surroundings, server: BitwardenServer, account: Account
) -> None:
    """It is not asked whether it is current; a server that is down for a time is one that `--offline` does without."""
    assert ready.run("--cache", "--", "true").status == 0
    path = record_file(ready, account, server, "requests")
    server.clear_requests()

    write(path, text_of(600))
    assert ready.run("--cache", "--offline", "--timeout", "20", "--", "true").codes == ["server.rate-limit"]
    write(path, text_of(600, status=503))
    assert ready.run("--cache", "--timeout", "20", "--", "true").codes == ["server.unavailable"]
    done = ready.run("--cache", "--offline", "--timeout", "20", "--", "true")

    assert (done.status, done.codes) == (0, [])
    assert "using the vault that was cached" in done.stderr
    assert server.requests() == []


def test_clean_forgets(ready: Surroundings, server: BitwardenServer, account: Account) -> None:
    """`--clean` removes the records of all accounts, what a killed run left of one too, and nothing else."""
    write(record_file(ready, account, server), text_of(600))
    write(place(ready) / "0123456789abcdef.wait", "")
    write(place(ready) / "else", "")
    (place(ready) / "directory.wait").mkdir()

    done = ready.run("--clean")

    assert done.stdout == (
        "bwrun: removed 0 session(s) that killed runs left behind\n"
        "bwrun: removed 2 record(s) of how long servers asked to wait\n"
    )
    assert [path.name for path in files(ready)] == ["directory.wait", "else"]
    assert ready.run("--", "true").status == 0
    assert ready.run("--clean").stdout == "bwrun: removed 0 session(s) that killed runs left behind\n"


def test_a_success_forgets_what_is_over(ready: Surroundings, server: BitwardenServer, account: Account) -> None:
    """A record whose wait is over holds nobody up, and the login that succeeds removes it."""
    write(record_file(ready, account, server), text_of(-0.5, written=-5))

    assert ready.run("--", "true") == Ended(0, "", "")
    assert files(ready) == []


def make_link(path: Path) -> None:
    """Make a link to a record that would count."""
    elsewhere = path.parent.parent.parent / "elsewhere"
    write(elsewhere, text_of(600))
    path.symlink_to(elsewhere)


def make_socket(path: Path) -> None:
    """Make a socket that nobody listens to."""
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


ATTACKS: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: write(path, ""),
    "damaged": lambda path: write(path, text_of(600)[:-9]),
    "bits flipped": lambda path: write(path, text_of(600).replace("told", "tolt")),
    "garbage": lambda path: path.write_bytes(os.urandom(64)),
    "large": lambda path: write(path, text_of(600) + "x" * 10**6),
    "of another format": lambda path: write(path, text_of(600).replace("wait 1", "wait 2")),
    "from the future": lambda path: write(path, text_of(700, written=100)),
    "for years": lambda path: write(path, text_of(10**8)),
    "open to others": lambda path: write(path, text_of(600), mode=0o604),
    "a link": make_link,
    "a dead link": lambda path: path.symlink_to("nowhere"),
    "a link to itself": lambda path: path.symlink_to(path),
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a directory": Path.mkdir,
    "a pipe": os.mkfifo,
    "a socket": make_socket,
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_is_no_record_is_ignored(
    ready: Surroundings, server: BitwardenServer, account: Account, attack: str
) -> None:
    """It holds nobody up, and nothing is said; where a link leads stays as it is."""
    path = record_file(ready, account, server)
    place(ready).mkdir(mode=0o700)
    ATTACKS[attack](path)

    assert ready.run("--", "true") == Ended(0, "", "")

    server.set_fault(Fault(TOKEN, RATE_LIMITED_OFFICIAL, count=1))
    assert ready.run("--timeout", "20", "--", "true").codes == ["server.rate-limit"]
    if attack != "a directory":
        assert re.fullmatch(r"bwrun-wait 1 429 1 told [0-9.]+ [0-9.]+\n", path.read_text())
        assert not path.is_symlink()
    if attack == "a link":
        assert (path.parent.parent.parent / "elsewhere").exists()
    shutil.rmtree(place(ready))


@needs_root
@pytest.mark.parametrize("what", ["file", "directory"])
def test_another_user_s(ready: Surroundings, server: BitwardenServer, account: Account, what: str) -> None:
    """Neither the record nor the directory of another user counts, not even for root."""
    path = record_file(ready, account, server)
    write(path, text_of(600))
    os.chown(path if what == "file" else path.parent, ANOTHER_USER, ANOTHER_USER)

    assert ready.run("--", "true") == Ended(0, "", "")


@needs_root
def test_another_place_for_records(ready: Surroundings, server: BitwardenServer) -> None:
    """Where the runtime directory cannot be used, /dev/shm is; either way that is no error of a run."""
    server.set_fault(Fault(TOKEN, RATE_LIMITED_OFFICIAL, count=1))
    # Its own /dev/shm, for `--clean` of another test may look there. The runtime directory is gone with the real one.
    script = 'mount -t tmpfs tmpfs /dev/shm && "$@"; "$@"; ls /dev/shm/bwrun-*'
    done = ready.run("--timeout", "20", "--", "true", before=["unshare", "--mount", "sh", "-c", script, "sh"])

    assert done.codes == ["server.rate-limit", "server.rate-limit"]
    assert done.stdout.endswith(".wait\n")
    assert len(asked(server, TOKEN)) == 1


def test_a_run_without_faults_leaves_nothing(ready: Surroundings) -> None:
    """It makes no directory and no file."""
    assert ready.run("--", "true") == Ended(0, "", "")
    assert list(ready.runtime.iterdir()) == []


@pytest.mark.slow
def test_parallel_runs_knock_together_once(ready: Surroundings, server: BitwardenServer) -> None:
    """
    Twelve runs during a limit: each is refused at most once at the start, and none knocks before the time is over.

    Without the records, each would come back by itself whatever another was told.
    """
    write_time = time.time()
    server.set_fault(Fault(TOKEN, limit(8), count=1))
    assert ready.run("--timeout", "7", "--", "true").codes == ["server.rate-limit"]
    first = asked(server, TOKEN)[0]
    assert first.time >= write_time

    ended = at_once(ready, 12, "--", "echo", "ran")

    assert [(one.status, one.stdout) for one in ended] == [(0, "ran\n")] * 12
    later = asked(server, TOKEN)[1:]
    assert len(later) == 12
    assert min(request.time for request in later) >= first.time + 8.0
    assert files(ready) == []


def test_a_waiting_run_heeds_a_newer_refusal(ready: Surroundings, server: BitwardenServer, account: Account) -> None:
    """While one run waits, another is refused for longer: the first does not knock when its own time is over."""
    path = record_file(ready, account, server)
    write(path, text_of(2))
    with subprocess.Popen(
        [BWRUN, "-v", "--timeout", "40", "--", "true"], env=ready.environment, cwd=ready.work, stderr=subprocess.PIPE,
        encoding="utf-8", start_new_session=True,
    ) as process:  # fmt: skip
        assert process.stderr is not None
        assert any("waiting" in line for line in process.stderr)
        write(path.with_suffix(".new"), text_of(600))
        path.with_suffix(".new").rename(path)
        stderr = process.communicate(timeout=TIMEOUT)[1]

    assert Ended(process.returncode, "", stderr).codes == ["server.rate-limit"]
    assert "that wait goes on for" in stderr
    assert asked(server, TOKEN) == []
