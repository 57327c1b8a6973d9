"""Where a session lies, and what happens when there is no place, no space, no descriptor, no process for it."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from tests.supervisor.clearing import GONE, PYTHON, Run, wait_cleared
from tests.support.needs import unavailable
from tests.support.program import Ended, Surroundings
from tests.support.terminal import wait_until
from tests.support.users import ANOTHER_USER, as_user, needs_root

WHERE = ("sh", "-c", 'printf %s "$BITWARDENCLI_APPDATA_DIR"')


# Where it lies --------------------------------------------------------------------------------------------------------


def test_nothing_is_written_to_home(ready: Surroundings) -> None:
    """A run writes nothing into HOME and the working directory."""
    assert ready.run("--", *WHERE).status == 0

    assert list(ready.home.iterdir()) == list(ready.work.iterdir()) == []


@pytest.mark.parametrize("home", [None, "", "/proc", "/nonexistent"])
def test_home_that_cannot_be_used(ready: Surroundings, home: str | None) -> None:
    """Without HOME, or with one that nobody can write to, a run is as always."""
    done = ready.run("--", *WHERE, env={"HOME": home})

    assert (done.status, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{ready.runtime}/bwrun.")
    assert ready.left() == []


def test_directory_is_private(ready: Surroundings) -> None:
    """The session's directory is 0700 and its files 0600, whatever the umask."""
    script = 'cd "$BITWARDENCLI_APPDATA_DIR"; stat -c %a . *; umask'
    for umask in ("000", "077", "777"):
        done = ready.run("--", "sh", "-c", script, before=["sh", "-c", f'umask {umask}; exec "$@"', "sh"])

        assert (done.status, done.stderr) == (0, "")
        modes = done.stdout.split()
        assert modes[0] == "700"
        assert set(modes[1:-1]) == {"600"}
        assert modes[-1] == f"0{umask}"


@pytest.mark.linux("a directory in RAM")
@pytest.mark.parametrize("runtime", [None, "", "/nonexistent", "/proc", "relative", "/etc/passwd"])
def test_falls_back(ready: Surroundings, runtime: str | None) -> None:
    """Without an XDG_RUNTIME_DIR that can be used the session is in /dev/shm, and gone afterwards; nothing is said."""
    done = ready.run("--", *WHERE, env={"XDG_RUNTIME_DIR": runtime, "TMPDIR": None})

    assert (done.status, done.stderr) == (0, "")
    assert Path(done.stdout).parent == Path("/dev/shm")  # noqa: S108
    assert not Path(done.stdout).exists()


def open_to_others(path: Path) -> None:
    """Let others write to a directory."""
    path.chmod(0o770)


def give_away(path: Path) -> None:
    """Make a directory another user's."""
    os.chown(path, ANOTHER_USER, ANOTHER_USER)


def remove(path: Path) -> None:
    """Leave nothing there."""
    path.rmdir()


def replace_by_file(path: Path) -> None:
    """Put a file in the directory's place."""
    path.rmdir()
    path.touch()


def replace_by_loop(path: Path) -> None:
    """Put a link to itself in the directory's place."""
    path.rmdir()
    path.symlink_to(path)


def replace_by_link_to_anothers(path: Path) -> None:
    """Put a link to another user's directory in the directory's place."""
    path.rename(path.with_name("elsewhere"))
    give_away(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


SPOILT = [
    pytest.param(remove, "No such file or directory", id="missing"),
    pytest.param(replace_by_file, "is not a directory", id="a file"),
    pytest.param(replace_by_loop, "cannot be used", id="a link to itself"),
    pytest.param(open_to_others, "is writable by other users", id="group-writable"),
    pytest.param(give_away, "belongs to user ", id="another user's", marks=needs_root),
    pytest.param(replace_by_link_to_anothers, "belongs to user ", id="a link to another user's", marks=needs_root),
]


@pytest.mark.parametrize(("spoil", "why"), SPOILT)
def test_chosen_place_cannot_be_used(ready: Surroundings, tmp_path: Path, spoil: object, why: str) -> None:
    """A BWRUN_RUNTIME_DIR that cannot be used is an error that says why, not a reason to look elsewhere."""
    place = tmp_path / "place"
    place.mkdir(mode=0o700)
    assert callable(spoil)
    spoil(place)
    done = ready.run("--", "sh", "-c", "echo started > started", env={"BWRUN_RUNTIME_DIR": str(place)})

    assert (done.status, done.stdout, done.codes) == (125, "", ["session.runtime-dir"])
    assert why in done.stderr
    assert str(place) in done.stderr
    assert list(ready.work.iterdir()) == []


def test_chosen_place_must_be_absolute(ready: Surroundings) -> None:
    """A relative BWRUN_RUNTIME_DIR is refused: the supervisor's working directory is not the caller's."""
    (ready.work / "place").mkdir(mode=0o700)
    done = ready.run("--", "true", env={"BWRUN_RUNTIME_DIR": "place"})

    assert (done.status, done.codes) == (125, ["session.runtime-dir"])


@pytest.mark.linux("a directory in RAM")
@pytest.mark.parametrize(("spoil", "why"), SPOILT)
def test_runtime_dir_cannot_be_used(ready: Surroundings, tmp_path: Path, spoil: object, why: str) -> None:
    """An XDG_RUNTIME_DIR that cannot be used is passed over."""
    place = tmp_path / "place"
    place.mkdir(mode=0o700)
    assert callable(spoil)
    spoil(place)
    done = ready.run("--", *WHERE, env={"XDG_RUNTIME_DIR": str(place)})

    assert (done.status, done.stderr) == (0, "")
    assert Path(done.stdout).parent == Path("/dev/shm")  # noqa: S108
    assert not Path(done.stdout).exists()


def test_link_to_ones_own(ready: Surroundings, tmp_path: Path) -> None:
    """A BWRUN_RUNTIME_DIR that is a link to one's own directory is good: the session's path has no link in it."""
    place, link = tmp_path / "place", tmp_path / "link"
    place.mkdir(mode=0o700)
    link.symlink_to(place)
    done = ready.run("--", *WHERE, env={"BWRUN_RUNTIME_DIR": str(link)})

    assert (done.status, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{place}/bwrun.")
    assert list(place.iterdir()) == []


def test_sticky_directory_of_roots(ready: Surroundings) -> None:
    """A directory of root's that all may write to is good if it is sticky, as /tmp is."""
    done = ready.run("--", *WHERE, env={"BWRUN_RUNTIME_DIR": "/tmp"})  # noqa: S108

    assert stat.S_IMODE(Path("/tmp").stat().st_mode) == 0o1777  # noqa: S108
    assert done.status == 0
    assert Path(done.stdout).parent == Path("/tmp")  # noqa: S108
    assert not Path(done.stdout).exists()


# No space, no descriptors, no processes -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "codes"),
    [
        (0, ["session.no-directory"]),  # not even the owner's mark
        (64, ["session.write"]),
        (4096, ["session.write"]),
    ],
)
def test_files_may_not_grow(ready: Surroundings, limit: int, codes: list[str]) -> None:
    """With RLIMIT_FSIZE too small a run fails with 125, says where it could not write, and leaves nothing."""
    before = ["prlimit", f"--fsize={limit}"]
    place = {"BWRUN_RUNTIME_DIR": str(ready.runtime), "XDG_RUNTIME_DIR": None}
    done = ready.run("--", "sh", "-c", "echo started", before=before, env=place)

    assert (done.status, done.stdout, done.codes) == (125, "", codes)
    assert str(ready.runtime) in done.stderr
    assert ready.left() == []


FULL = """\
set -e
mount -t tmpfs -o "$1" none "$XDG_RUNTIME_DIR"
shift
test -z "$FILL" || head -c "$FILL" /dev/zero > "$XDG_RUNTIME_DIR/fill"
set +e
"$@"
status=$?
set -e
rm -f "$XDG_RUNTIME_DIR/fill"
ls -A "$XDG_RUNTIME_DIR"
exit $status
"""


@needs_root
@pytest.mark.parametrize(
    ("options", "fill", "codes"),
    [
        ("size=8k", "", ["session.write"]),
        ("size=16k", "12k", ["session.write"]),
        ("size=16k", "16k", ["session.no-directory"]),
        ("size=1m,nr_inodes=1", "", ["session.no-directory"]),
        ("size=1m,nr_inodes=2", "", ["session.no-directory"]),
        ("size=1m,nr_inodes=3", "", ["session.write"]),
    ],
)
def test_disk_full(ready: Surroundings, options: str, fill: str, codes: list[str]) -> None:
    """On a full disk a run fails with 125, says where it could not write, and leaves nothing."""
    env = {"FILL": fill, "BWRUN_RUNTIME_DIR": str(ready.runtime)}
    before = ["unshare", "-m", "sh", "-c", FULL, "sh", options]
    done = ready.run("--", "sh", "-c", "echo started", before=before, env=env)

    assert (done.status, done.stdout, done.codes) == (125, "", codes)
    assert str(ready.runtime) in done.stderr
    assert ready.left() == []


@pytest.mark.linux("a directory in RAM")
@needs_root
def test_disk_full_and_another_place(ready: Surroundings) -> None:
    """When not even a directory can be made in the best place, the next one is used."""
    before = ["unshare", "-m", "sh", "-c", FULL, "sh", "size=1m,nr_inodes=1"]
    done = ready.run("--", *WHERE, before=before, env={"FILL": ""})

    assert (done.status, done.stderr) == (0, "")
    assert Path(done.stdout).parent == Path("/dev/shm")  # noqa: S108
    assert not Path(done.stdout).exists()


@needs_root
def test_disk_fills_while_the_command_runs(ready: Surroundings) -> None:
    """A disk that the command filled does not keep the session from being removed."""
    script = 'head -c 100m /dev/zero > "$BITWARDENCLI_APPDATA_DIR/x"; exit 4'
    before = ["unshare", "-m", "sh", "-c", FULL, "sh", "size=1m"]
    done = ready.run("--", "sh", "-c", script, before=before, env={"FILL": ""})

    assert "No space left" in done.stderr
    assert (done.status, done.stdout) == (4, "")


@pytest.mark.linux("a directory in RAM")
@needs_root
def test_no_place_at_all(ready: Surroundings) -> None:
    """Where nothing can be written, a run fails with 125 and names the variables that could help."""
    script = 'for d in /dev/shm /tmp; do mount --bind $d $d && mount -o remount,bind,ro $d; done && exec "$@"'
    env = {"XDG_RUNTIME_DIR": "/proc", "TMPDIR": "/proc"}
    done = ready.run("--", "true", before=("unshare", "-m", "sh", "-c", script, "sh"), env=env)

    assert (done.status, done.codes) == (125, ["session.no-directory"])
    assert done.stderr.splitlines()[0] == (
        "bwrun: error: cannot make a directory for the session: "
        "`/dev/shm` is on a read-only file system; `/tmp` is on a read-only file system; "
        "`/proc` cannot be used: No such file or directory [session.no-directory]"
    )
    assert "BWRUN_RUNTIME_DIR" in done.stderr
    assert "--no-session" in done.stderr


@pytest.mark.linux("a directory in RAM")
def test_user_namespace(ready: Surroundings) -> None:
    """In a user namespace without root, /tmp and /dev/shm belong to nobody: that is said of each of them."""
    before = as_user(ready, ANOTHER_USER) if os.geteuid() == 0 else []
    before = [*before, "unshare", "--user", "--map-root-user"]
    probe = ready.run_program(*before, "true")
    if probe.status != 0:
        unavailable(f"no user namespace can be made: {probe.stderr.strip()}")
    env = {"XDG_RUNTIME_DIR": None, "TMPDIR": "/nonexistent"}
    done = ready.run("--", "true", before=before, env=env)

    assert (done.status, done.codes) == (125, ["session.no-directory"])
    assert done.stderr.splitlines()[0] == (
        "bwrun: error: cannot make a directory for the session: XDG_RUNTIME_DIR is not set; "
        "`/dev/shm` belongs to user 65534 (nobody), not to you or root; "
        "`/nonexistent` (from TMPDIR) cannot be used: No such file or directory; "
        "`/tmp` belongs to user 65534 (nobody), not to you or root [session.no-directory]"
    )
    assert ready.run("--no-session", "--", "true", before=before, env=env) == Ended(0, "", "")


@needs_root
def test_only_tmpdir(ready: Surroundings, tmp_path: Path) -> None:
    """Without XDG_RUNTIME_DIR and /dev/shm the session is in TMPDIR, and without that in /tmp."""
    temporary = tmp_path / "tmp"
    temporary.mkdir(mode=0o700)
    script = 'mount --bind /dev/shm /dev/shm && mount -o remount,bind,ro /dev/shm && exec "$@"'
    before = ["unshare", "-m", "sh", "-c", script, "sh"]
    places: list[tuple[str | None, Path]] = [(str(temporary), temporary), (None, Path("/tmp"))]  # noqa: S108
    for value, where in places:
        done = ready.run("--", *WHERE, before=before, env={"XDG_RUNTIME_DIR": None, "TMPDIR": value})

        assert (done.status, done.stderr) == (0, "")
        assert Path(done.stdout).parent == where
        assert not Path(done.stdout).exists()


@pytest.mark.parametrize("count", range(4, 24))
def test_few_descriptors(ready: Surroundings, count: int) -> None:
    """With few descriptors a run either succeeds or fails with 125; it never leaves anything."""
    before = ["prlimit", f"--nofile={count}"]
    done = ready.run("--", "echo", "started", before=before, env={})
    wait_cleared(ready)

    # (With the fewest Python itself cannot start, which is its own status 1.)
    assert done.status in (0, 125) or (done.status == 1 and count < 6)
    assert (done.stdout == "started\n") == (done.status == 0)
    assert "Traceback" not in done.stderr or count < 6
    if done.status == 125:
        assert done.codes != []


@needs_root
@pytest.mark.parametrize("count", range(1, 12))
def test_few_processes(ready: Surroundings, tmp_path: Path, count: int) -> None:
    """With few processes (and threads) allowed a run either succeeds or fails with 125; it never leaves anything."""
    user = 20_000 + os.getpid() % 3000 * 12 + count  # of its own: the limit counts all that the user runs
    before = [*as_user(ready, user), "prlimit", f"--nproc={count}"]
    done = ready.run("--", "echo", "started", before=before, env={})
    try:
        wait_cleared(ready)
    except AssertionError:
        raise AssertionError(f"not cleared after {done}") from None

    assert done.status in (0, 125)
    assert (done.stdout == "started\n") == (done.status == 0)
    assert "Traceback" not in done.stderr
    if done.status == 125:
        assert done.codes != []


# What cannot be removed -----------------------------------------------------------------------------------------------

MOUNT = 'mkdir "$BITWARDENCLI_APPDATA_DIR/x" && mount -t tmpfs none "$BITWARDENCLI_APPDATA_DIR/x" && exit "$1"'


@needs_root
@pytest.mark.parametrize("status", [0, 3])
def test_cannot_be_removed(ready: Surroundings, status: int) -> None:
    """A session that cannot be removed is told, and is 125 if the command ended with 0; a later run removes it."""
    with Run.start(ready, "--", "sh", "-c", MOUNT, "sh", str(status), before=["unshare", "-m"]) as run:
        done = run.wait()

    assert (done.status, done.codes) == (status or 125, ["session.not-cleared"])
    (name,) = ready.left()
    assert f"{ready.runtime}/{name}" in done.stderr
    assert {path.name for path in (ready.runtime / name).iterdir()} <= {"x", "owner"}
    try:
        # The mount is gone with the last process of its namespace: the janitor, which goes on trying for a while.
        wait_until(lambda: "removed 1 " in ready.run("--clean").stdout, GONE)
        assert ready.left() == []
    finally:
        shutil.rmtree(ready.runtime / name, ignore_errors=True)


@needs_root
def test_janitor_goes_on_trying(ready: Surroundings) -> None:
    """What bwrun itself could not remove its janitor removes as soon as that is possible."""
    immutable = 'touch "$BITWARDENCLI_APPDATA_DIR/x"; chattr +i "$BITWARDENCLI_APPDATA_DIR/x"; exit 3'
    with Run.start(ready, "--", "sh", "-c", immutable) as run:
        done = run.wait()
    (name,) = ready.left()
    subprocess.run(["chattr", "-i", ready.runtime / name / "x"], check=True)

    assert (done.status, done.codes) == (3, ["session.not-cleared"])
    wait_cleared(ready)


@pytest.mark.parametrize("mode", ["000", "100", "500"])
@pytest.mark.parametrize("below", [False, True])
def test_closed_by_the_command(ready: Surroundings, mode: str, *, below: bool) -> None:
    """A session that the command closed to its own user is removed all the same."""
    script = 'cd "$BITWARDENCLI_APPDATA_DIR"; mkdir -p a/b; touch a/b/c; chmod "$1" a/b a; test "$2" || chmod "$1" .'
    words = ("--", "sh", "-c", script, "sh", mode, "below" if below else "")
    before = as_user(ready, ANOTHER_USER) if os.geteuid() == 0 else []
    done = ready.run(*words, before=before, env={})

    assert (done.status, done.stderr) == (0, "")
    assert ready.left() == []


def test_filled_by_the_command(ready: Surroundings) -> None:
    """A session is removed whatever the command put into it: many files, deep directories, links, pipes, odd names."""
    script = r"""
cd "$BITWARDENCLI_APPDATA_DIR" && mkdir "a
b" ' ' "$(printf '\377')" && mkfifo -- -pipe && ln -s "$OLDPWD" out && ln -s loop loop && mkdir many
for i in $(seq 2000); do : > many/$i; done
rm owner; mkfifo owner
"""
    precious = ready.work / "precious"
    precious.touch()
    done = ready.run("--", "sh", "-c", script)

    assert (done.status, done.stderr) == (0, "")
    assert ready.left() == []
    assert precious.exists()


def test_deep_directories(ready: Surroundings) -> None:
    """A session is removed however deep the directories are that the command made in it."""
    script = """\
import os
os.chdir(os.environ["BITWARDENCLI_APPDATA_DIR"])
for _ in range(1500):
    os.mkdir("deep")
    os.chdir("deep")
"""
    done = ready.run("--", *PYTHON, script)
    try:
        assert (done.status, done.stderr) == (0, "")
        wait_cleared(ready)
    finally:
        subprocess.run(["rm", "-rf", *ready.runtime.iterdir()], check=True)


@pytest.mark.slow
def test_daemons_that_write(ready: Surroundings) -> None:
    """Daemons that go on making files there, as fast as they can, keep neither bwrun nor the session for ever."""
    script = """\
import os, sys
stop = os.path.abspath("stop")
os.chdir(os.environ["BITWARDENCLI_APPDATA_DIR"])
for _ in range(2):
    if os.fork() == 0:
        os.setsid()
        null = os.open("/dev/null", os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        number = 0
        while number % 100 or not os.path.exists(stop):
            number += 1
            try:
                os.close(os.open(f"{os.getpid()}-{number}", os.O_CREAT | os.O_WRONLY))
            except FileNotFoundError:
                os._exit(0)  # the directory is no more
        os._exit(1)
while len(os.listdir()) < 100:
    pass
"""
    try:
        done = ready.run("--", *PYTHON, script)
    finally:
        (ready.work / "stop").touch()
    wait_cleared(ready)

    assert done.status in (0, 125)


def test_removed_by_the_command(ready: Surroundings) -> None:
    """A command that removes its session itself changes nothing: its status, no message."""
    done = ready.run("--", "sh", "-c", 'rm -rf "$BITWARDENCLI_APPDATA_DIR"; exit 6')

    assert (done.status, done.stderr) == (6, "")


def test_replaced_by_a_link(ready: Surroundings) -> None:
    """A command that puts a link in the place of its session does not make bwrun remove what that leads to."""
    outside = ready.work / "outside"
    outside.mkdir()
    (outside / "precious").touch()
    script = f'rm -rf "$BITWARDENCLI_APPDATA_DIR"; ln -s {outside} "$BITWARDENCLI_APPDATA_DIR"; exit 6'
    done = ready.run("--", "sh", "-c", script)

    assert (outside / "precious").exists()
    assert done.status == 6
    for name in ready.left():
        (ready.runtime / name).unlink()
