"""What killed runs left is swept by the next run and by `--clean`; what lives, is foreign or too young is not."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from tests.supervisor.clearing import GONE, SLEEP, Run
from tests.support.program import IS_PORTABLE, Surroundings
from tests.support.terminal import wait_until
from tests.support.users import ANOTHER_USER, as_user, needs_root

NO_PROCESS = 2**22 + 1  # above the highest pid that Linux gives (PID_MAX_LIMIT)
TEST_SESSION = 'test -s "$BITWARDENCLI_APPDATA_DIR/data.json"'
RANDOM = "0123456789abcdef"
OLD = 3600  # seconds


def session(runtime: Path, *, pid: int = NO_PROCESS, owner: str | None = f"{NO_PROCESS} 1\n", age: int = OLD) -> Path:
    """Make a directory as a run makes one, with a vault in it and `owner` as its mark."""
    path = runtime / f"bwrun.{pid}.{RANDOM}"
    path.mkdir(mode=0o700)
    (path / "data.json").write_text("{}")
    if owner is not None:
        (path / "owner").write_text(owner)
    os.utime(path, (time.time() - age,) * 2)
    return path


def start_time(pid: int) -> str:
    """Return what a run writes into its mark: field 22 of /proc/PID/stat, or the time that psutil gives."""
    if IS_PORTABLE:
        return str(psutil.Process(pid).create_time())
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]


def sweep(surroundings: Surroundings, how: str, *, count: int) -> None:
    """Sweep by `--clean`, which says how many it removed, or by a run."""
    done = surroundings.run("--clean") if how == "--clean" else surroundings.run("--", "true")

    said = f"bwrun: removed {count} session(s) that killed runs left behind\n" if how == "--clean" else ""
    assert (done.status, done.stdout, done.stderr) == (0, said, "")


STALE: dict[str, Callable[[Path], object]] = {
    "owner dead": session,
    "owner dead, young": lambda runtime: session(runtime, age=0),
    "pid taken by another": lambda runtime: session(runtime, owner=f"{os.getpid()} 1\n"),
    "unmarked, old": lambda runtime: session(runtime, owner=None),
    "mark empty, old": lambda runtime: session(runtime, owner=""),
    "mark is nonsense, old": lambda runtime: session(runtime, owner="none of your business\n"),
    "mark is a directory, old": lambda runtime: make_mark(session(runtime, owner=None), Path.mkdir),
    "mark is a link, old": lambda runtime: make_mark(
        session(runtime, owner=None), lambda mark: mark.symlink_to("/proc/self/stat")
    ),
    "mark is a pipe, old": lambda runtime: make_mark(session(runtime, owner=None), os.mkfifo),
    "closed": lambda runtime: session(runtime).chmod(0),
    "with closed directories": lambda runtime: with_closed_directory(session(runtime)),
    "with links": lambda runtime: with_links(session(runtime)),
    "deep": lambda runtime: deepen(session(runtime), 1500),
}


def make_mark(path: Path, make: Callable[[Path], object]) -> None:
    """Put something else in the place of the owner's mark, and let it be long ago."""
    make(path / "owner")
    os.utime(path, (time.time() - OLD,) * 2)


def with_closed_directory(path: Path) -> None:
    """Put a directory that forbids its owner everything into the session."""
    inner = path / "a" / "b"
    inner.mkdir(parents=True)
    (inner / "c").touch()
    inner.chmod(0)
    inner.parent.chmod(0)


def with_links(path: Path) -> None:
    """Put links to what must stay into the session."""
    outside = path.parent.parent / "outside"
    outside.mkdir()
    (outside / "precious").touch()
    (path / "to-directory").symlink_to(outside)
    (path / "to-file").symlink_to(outside / "precious")
    (path / "to-nothing").symlink_to("/nonexistent")


def deepen(path: Path, levels: int) -> None:
    """Make directories inside one another, deeper than a path may be long."""
    descriptor = os.open(path, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("deep", dir_fd=descriptor)
        inner = os.open("deep", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
    os.close(descriptor)


@pytest.mark.parametrize("what", STALE)
def test_stale_is_swept(bare: Surroundings, what: str) -> None:
    """A session whose owner is gone is removed, in whatever state it is, and no link out of it is followed."""
    STALE[what](bare.runtime)
    try:
        sweep(bare, "--clean", count=1)
        assert bare.left() == []
    finally:
        subprocess.run(["rm", "-rf", *bare.runtime.iterdir()], check=True)
    assert sorted(path.name for path in bare.runtime.parent.glob("outside/*")) == (
        ["precious"] if what == "with links" else []
    )


@pytest.mark.parametrize("what", ["owner dead", "unmarked, old"])
def test_stale_is_swept_by_a_run(ready: Surroundings, what: str) -> None:
    """Each run sweeps what killed ones left, silently."""
    STALE[what](ready.runtime)
    sweep(ready, "a run", count=1)

    assert ready.left() == []


KEPT: dict[str, Callable[[Path], object]] = {
    "owner lives": lambda runtime: session(runtime, owner=f"{os.getpid()} {start_time(os.getpid())}\n"),
    "unmarked, young": lambda runtime: session(runtime, owner=None, age=0),
    "unmarked, not yet 10 minutes old": lambda runtime: session(runtime, owner=None, age=500),
    "a file": lambda runtime: (runtime / f"bwrun.1.{RANDOM}").touch(),
    "a link": lambda runtime: (runtime / f"bwrun.1.{RANDOM}").symlink_to(kept_elsewhere(runtime)),
    "no random": lambda runtime: (runtime / "bwrun.1").mkdir(),
    "random too short": lambda runtime: (runtime / "bwrun.1.0123").mkdir(),
    "random too long": lambda runtime: (runtime / f"bwrun.1.{RANDOM}0").mkdir(),
    "random not hex": lambda runtime: (runtime / "bwrun.1.0123456789ABCDEF").mkdir(),
    "no pid": lambda runtime: (runtime / f"bwrun..{RANDOM}").mkdir(),
    "pid no number": lambda runtime: (runtime / f"bwrun.x.{RANDOM}").mkdir(),
    "pid in other digits": lambda runtime: (runtime / f"bwrun.²٣.{RANDOM}").mkdir(),
    "other program": lambda runtime: (runtime / f"bwrun2.1.{RANDOM}").mkdir(),
    "a word more": lambda runtime: (runtime / f"bwrun.1.{RANDOM}.x").mkdir(),
}


def kept_elsewhere(runtime: Path) -> Path:
    """Make what looks like a stale session, under another name."""
    return session(runtime).rename(runtime / "elsewhere")


def tree(root: Path) -> list[str]:
    """Return all paths below a directory."""
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


@pytest.mark.parametrize("what", KEPT)
def test_others_are_kept(bare: Surroundings, what: str) -> None:
    """A session that may be a live run's, and all that is not a session by its name and kind, stays as it is."""
    KEPT[what](bare.runtime)
    for path in bare.runtime.iterdir():
        if "young" not in what and "not yet" not in what:
            os.utime(path, (time.time() - OLD,) * 2, follow_symlinks=False)
    before = tree(bare.runtime)
    sweep(bare, "--clean", count=0)

    assert tree(bare.runtime) == before != []
    subprocess.run(["rm", "-rf", *bare.runtime.iterdir()], check=True)


@needs_root
def test_another_users_is_kept(bare: Surroundings) -> None:
    """What belongs to another user stays, even where root sweeps."""
    path = session(bare.runtime)
    os.chown(path, ANOTHER_USER, ANOTHER_USER)
    sweep(bare, "--clean", count=0)

    assert (path / "data.json").exists()
    subprocess.run(["rm", "-rf", path], check=True)


@needs_root
def test_closed_to_an_ordinary_user(bare: Surroundings) -> None:
    """A session that its command closed is removed, also for a user whom modes stop."""
    runtime = bare.home / "runtime"
    runtime.mkdir(mode=0o700)
    session(runtime).chmod(0)

    done = bare.run("--clean", before=as_user(bare, ANOTHER_USER), env={"XDG_RUNTIME_DIR": str(runtime)})
    assert (done.status, done.stdout) == (0, "bwrun: removed 1 session(s) that killed runs left behind\n"), done.stderr
    assert list(runtime.iterdir()) == []


def test_locked_is_kept(bare: Surroundings) -> None:
    """A session that somebody holds the lock of stays, whatever its mark says; without the lock it goes."""
    path = session(bare.runtime)
    descriptor = os.open(path, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    sweep(bare, "--clean", count=0)
    os.close(descriptor)

    assert (path / "data.json").exists()
    sweep(bare, "--clean", count=1)


def test_live_runs_are_untouched(ready: Surroundings) -> None:
    """Sweeps by other runs and by `--clean` leave a live run's session as it is, a stopped run's too."""
    with Run.start(ready, "--", *SLEEP) as run, Run.start(ready, "--", *SLEEP) as other:
        run.wait_ready()
        other.wait_ready()
        other.kill(signal.SIGSTOP)
        wait_until(lambda: other.members()[0].status() == psutil.STATUS_STOPPED, GONE)
        before = tree(ready.runtime)
        sweep(ready, "--clean", count=0)
        sweep(ready, "a run", count=0)

        assert tree(ready.runtime) == before
        assert len(ready.left()) == 2
        other.kill(signal.SIGCONT)
        for one in (run, other):
            one.kill(signal.SIGTERM)
            one.wait()


def test_live_run_is_known_by_its_mark_alone(ready: Surroundings) -> None:
    """Without a lock (a file system that has none) a live run's session is known by pid and start time."""
    with Run.start(ready, "--", *SLEEP) as run:
        run.wait_ready()
        (name,) = ready.left()
        copy = ready.runtime / f"bwrun.{run.pid}.{RANDOM}"
        subprocess.run(["cp", "-a", ready.runtime / name, copy], check=True)
        os.utime(copy, (time.time() - OLD,) * 2)
        sweep(ready, "--clean", count=0)

        assert tree(copy) == tree(ready.runtime / name)
        run.kill(signal.SIGTERM)
        run.wait()
        sweep(ready, "--clean", count=1)


def test_clean_needs_nothing(bare: Surroundings) -> None:
    """`--clean` works without credentials, server, HOME and PATH, and finds nothing where nothing is."""
    for env in ({}, {"HOME": None, "PATH": None, "LANG": None}):
        done = bare.run("--clean", env=env)
        assert (done.status, done.stderr) == (0, "")
        assert done.stdout == "bwrun: removed 0 session(s) that killed runs left behind\n"


def test_every_place_is_swept(bare: Surroundings, tmp_path: Path) -> None:
    """`--clean` looks wherever a run could have put its session: XDG_RUNTIME_DIR and TMPDIR."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    for place in (bare.runtime, temporary):
        session(place)
    done = bare.run("--clean", env={"TMPDIR": str(temporary)})

    assert done.stdout == "bwrun: removed 2 session(s) that killed runs left behind\n"
    assert list(temporary.iterdir()) == []


def test_chosen_place_is_swept_alone(bare: Surroundings, tmp_path: Path) -> None:
    """With BWRUN_RUNTIME_DIR `--clean` looks there and nowhere else."""
    chosen = tmp_path / "chosen"
    chosen.mkdir(mode=0o700)
    for place in (bare.runtime, chosen):
        session(place)
    done = bare.run("--clean", env={"BWRUN_RUNTIME_DIR": str(chosen)})

    assert done.stdout == "bwrun: removed 1 session(s) that killed runs left behind\n"
    assert list(chosen.iterdir()) == []
    sweep(bare, "--clean", count=1)


def test_clean_names_a_place_it_cannot_use(bare: Surroundings, tmp_path: Path) -> None:
    """`--clean` with a BWRUN_RUNTIME_DIR that is not there is an error, not a silent nothing."""
    done = bare.run("--clean", env={"BWRUN_RUNTIME_DIR": str(tmp_path / "missing")})

    assert (done.status, done.codes, done.stdout) == (125, ["config.runtime-dir"], "")


def test_many_sweepers(ready: Surroundings) -> None:
    """Sweepers at the same moment remove and count each session once, among them, and disturb no run that starts."""
    count = 40
    for pid in range(count):
        session(ready.runtime, pid=pid)
    with ExitStack() as stack:
        sweepers = [stack.enter_context(Run.start(ready, "--clean")) for _ in range(4)]
        ended = [one.wait() for one in sweepers]

    assert {(one.status, one.stderr) for one in ended} == {(0, "")}
    assert sum(int(one.stdout.split()[2]) for one in ended) == count
    assert ready.left() == []


def test_sweepers_and_starting_runs(ready: Surroundings) -> None:
    """A run whose session a sweeper looks at in the moment of its making goes on undisturbed."""
    with ExitStack() as stack:
        runs = [stack.enter_context(Run.start(ready, "--", "sh", "-c", TEST_SESSION)) for _ in range(6)]
        while any(run.process.poll() is None for run in runs):
            sweep(ready, "--clean", count=0)

        assert {(run.wait().status, run.stderr) for run in runs} == {(0, "")}
    assert ready.left() == []
