"""The session's directory: made so that nobody else gets in, swept only when its owner is gone, removed whole."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bwrun.supervisor import bases, directory, removing, sweeping
from bwrun.system import processes
from tests.support.terminal import wait_until
from tests.support.users import needs_root

NAME = "bwrun.4000000.0123456789abcdef"
OLD = 601  # seconds: older than what may still be on its way to its mark
NOBODY = 65534
LOOPS = 200


@pytest.fixture
def base() -> Iterator[Path]:
    """Give a base directory that other users can pass through, in RAM if that can be had."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108
    found = Path(tempfile.mkdtemp(prefix="bwrun-test-directory-", dir=memory))
    found.chmod(0o755)
    yield found

    shutil.rmtree(found)


def start_time(pid: int) -> str:
    """Return the 22nd field of /proc/PID/stat (proc(5))."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]


def left_behind(base: Path, name: str = NAME, *, mark: str | None, age: float = 0) -> Path:
    """Make a session directory as a run leaves it: with a file, an owner's mark, and nobody's lock."""
    made = base / name
    made.mkdir(mode=0o700)
    (made / "data.json").write_text("{}")
    if mark is not None:
        (made / "owner").write_text(mark)
    os.utime(made, (time.time() - age, time.time() - age))
    return made


def dead_mark() -> str:
    """Return the mark of a process that has ended and was waited for."""
    with subprocess.Popen(["sleep", "60"]) as process:
        mark = f"{process.pid} {start_time(process.pid)}\n"
        process.kill()
    return mark


def is_locked(path: Path) -> bool:
    """Return whether somebody holds the lock of the directory."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def start(code: str, *words: str | Path, drop: bool = False) -> subprocess.Popen[str]:
    """Start `code` in a process of its own, which has imported the modules; with `drop`, as nobody if we are root."""
    prelude = "import os, sys, time, fcntl\nfrom bwrun.supervisor import bases, directory, removing, sweeping\n"
    if drop and os.geteuid() == 0:
        prelude += f"os.setgroups([]); os.setresgid(*[{NOBODY}] * 3); os.setresuid(*[{NOBODY}] * 3)\n"
    root = Path(__file__).parents[2]
    return subprocess.Popen(
        [sys.executable, "-B", "-c", prelude + code, *words],
        cwd="/",
        env={"PATH": os.defpath, "PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )


def remove_as_nobody(path: Path) -> bool:
    """Return what `remove()` says when the tests' user is not root, who may do everything."""
    with start("print(removing.remove(sys.argv[1]))", path, drop=True) as process:
        said = process.communicate()[0].strip()
    assert said in ("True", "False")
    return said == "True"


def give_to_nobody(path: Path) -> None:
    """Make nobody the owner of all below and at `path`, if the tests run as root."""
    if os.geteuid() == 0:
        for entry in (path, *path.rglob("*")):
            os.chown(entry, NOBODY, NOBODY, follow_symlinks=False)


# Making


def test_candidate_is_in_its_base() -> None:
    """A candidate's name says whose it is, cannot be guessed, and is never the same twice."""
    one, other = directory.new_path("/base"), directory.new_path("/base")

    assert one != other
    assert one.startswith(f"/base/bwrun.{os.getpid()}.")
    assert directory.is_session_name(Path(one).name)


@settings(deadline=None)  # a loaded machine is no failure
@given(st.integers(0, 1 << 22), st.binary(min_size=8, max_size=8))
def test_names_of_sessions_are_known(pid: int, random: bytes) -> None:
    """Every name that a candidate can have is known as one."""
    assert directory.is_session_name(f"bwrun.{pid}.{random.hex()}")


@pytest.mark.parametrize(
    "name",
    [
        "", "bwrun", "bwrun.", "bwrun.1", "bwrun.1.", "bwrun..0123456789abcdef", "bwrun.x.0123456789abcdef",
        "bwrun.1.0123456789ABCDEF", "bwrun.1.0123456789abcde", "bwrun.1.0123456789abcdef0", "bwrun.1.0123456789abcdeg",
        "bwrun.1.0123456789abcdef.old", " bwrun.1.0123456789abcdef", "Bwrun.1.0123456789abcdef",
        ".bwrun.1.0123456789abcdef", "bwrun.-1.0123456789abcdef", "bwrun.².0123456789abcdef",
        "bwrun-1-0123456789abcdef", "bwrun.1.2.0123456789abcdef", "bwrun.1.01234567/9abcdef",
    ],
)  # fmt: skip
def test_other_names_are_not_sessions(name: str) -> None:
    """A name that differs in anything is not bwrun's."""
    assert not directory.is_session_name(name)


def test_makes_a_private_directory(base: Path) -> None:
    """A directory is made for its owner alone whatever the umask, which stays as it was, and bears the owner's mark."""
    path = Path(directory.new_path(str(base)))
    before = os.umask(0o777)
    try:
        descriptor = directory.make(str(path))
        after = os.umask(0o777)
    finally:
        os.umask(before)

    assert after == 0o777
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert stat.S_IMODE((path / "owner").stat().st_mode) == 0o600
    assert (path / "owner").read_text() == f"{os.getpid()} {start_time(os.getpid())}\n"
    assert path.samefile(f"/proc/self/fd/{descriptor}")
    assert not os.get_inheritable(descriptor)
    assert is_locked(path)
    os.close(descriptor)
    assert not is_locked(path)


def test_make_takes_nothing_that_is_there(base: Path) -> None:
    """A path that exists, be it a directory, a file or a link, is never taken over."""
    (base / "directory").mkdir()
    (base / "file").touch()
    (base / "link").symlink_to(base / "directory")

    for name in ("directory", "file", "link"):
        with pytest.raises(FileExistsError):
            directory.make(str(base / name))
    assert list((base / "directory").iterdir()) == []


def test_make_waits_for_a_sweeper_that_looks(base: Path) -> None:
    """A sweeper that looks at a directory before it is locked neither makes a run fail nor gets the lock for good."""
    look = """
while True:
    for name in os.listdir(sys.argv[1]):
        try:
            found = os.open(os.path.join(sys.argv[1], name), os.O_RDONLY)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(found, fcntl.LOCK_EX | fcntl.LOCK_NB)
            time.sleep(0.001)
        except BlockingIOError:
            pass
        os.close(found)
"""
    lookers = [start(look, base) for _ in range(3)]
    try:
        for _ in range(LOOPS):
            path = directory.new_path(str(base))
            descriptor = directory.make(path)

            assert is_locked(Path(path))
            assert removing.remove(path)
            os.close(descriptor)
    finally:
        for looker in lookers:
            looker.kill()
            looker.communicate()


def test_many_runs_and_sweeps_at_once_lose_nothing(base: Path) -> None:
    """Of many runs that make and clear beside sweeps, none fails, none loses its directory, and nothing is left."""
    run = """
for _ in range(int(sys.argv[2])):
    path = directory.new_path(sys.argv[1])
    descriptor = directory.make(path)
    open(path + "/data.json", "x").close()
    sweeping.sweep(sys.argv[1])
    assert sorted(os.listdir(path)) == ["data.json", "owner"]
    assert removing.remove(path)
    os.close(descriptor)
"""
    runs = [start(run, base, str(LOOPS // 4)) for _ in range(4)]
    sweepers = [start("while True: sweeping.sweep(sys.argv[1])", base) for _ in range(2)]
    try:
        for process in runs:
            process.communicate()
    finally:
        for process in sweepers:
            process.kill()
            process.communicate()

    assert [process.returncode for process in runs] == [0] * 4
    assert list(base.iterdir()) == []


# Sweeping


def test_sweeps_what_a_dead_owner_left(base: Path) -> None:
    """A directory whose owner has ended is removed at any age, and counted."""
    left_behind(base, mark=dead_mark())
    left_behind(base, "bwrun.5000000.fedcba9876543210", mark=dead_mark())

    assert sweeping.sweep(str(base)) == 2
    assert list(base.iterdir()) == []


def wait_for_state(pid: int, state: str) -> None:
    """Wait until a process is in a state, as psutil names it."""
    wait_until(lambda: psutil.Process(pid).status() == state)


def test_sweeps_what_a_zombie_left(base: Path) -> None:
    """An owner that has ended and was not waited for is gone as well."""
    with subprocess.Popen(["sleep", "60"]) as process:
        made = left_behind(base, mark=f"{process.pid} {start_time(process.pid)}\n")
        assert sweeping.sweep(str(base)) == 0
        process.kill()
        wait_for_state(process.pid, psutil.STATUS_ZOMBIE)
        assert sweeping.sweep(str(base)) == 1
    assert not made.exists()


def test_spares_a_live_owner(base: Path) -> None:
    """A directory whose owner runs is not touched, however old, even without its lock (a file system without locks)."""
    made = left_behind(base, mark=f"{os.getpid()} {start_time(os.getpid())}\n", age=OLD * 100)

    assert sweeping.sweep(str(base)) == 0
    assert sorted(path.name for path in made.iterdir()) == ["data.json", "owner"]


def test_spares_a_stopped_owner(base: Path) -> None:
    """An owner that was stopped by Ctrl-Z lives."""
    with subprocess.Popen(["sleep", "60"]) as process:
        made = left_behind(base, mark=f"{process.pid} {start_time(process.pid)}\n")
        process.send_signal(signal.SIGSTOP)
        wait_for_state(process.pid, psutil.STATUS_STOPPED)

        assert sweeping.sweep(str(base)) == 0
        process.kill()
    assert made.exists()


def test_a_reused_pid_is_another_process(base: Path) -> None:
    """A process that has the owner's pid by now, and another start time, does not keep the directory."""
    left_behind(base, mark=f"{os.getpid()} {int(start_time(os.getpid())) - 1}\n")

    assert sweeping.sweep(str(base)) == 1


def test_spares_what_is_locked(base: Path) -> None:
    """A directory that somebody holds the lock of is not touched, whatever its mark says (another PID namespace)."""
    made = left_behind(base, mark=dead_mark(), age=OLD)
    descriptor = os.open(made, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)

    assert sweeping.sweep(str(base)) == 0
    os.close(descriptor)
    assert sweeping.sweep(str(base)) == 1


@pytest.mark.parametrize("mark", [None, "", "\n", "no pid", "-1 0", "1.5 0", "\xff"])
def test_what_has_no_mark_is_swept_when_it_is_old(base: Path, mark: str | None) -> None:
    """A directory without a mark that names a process may be on its way to it: it is kept for ten minutes."""
    left_behind(base, mark=mark, age=OLD - 60)
    assert sweeping.sweep(str(base)) == 0

    os.utime(base / NAME, (time.time() - OLD, time.time() - OLD))
    assert sweeping.sweep(str(base)) == 1


def test_mark_is_not_followed_through_a_link(base: Path) -> None:
    """A mark that is a link says nothing: the directory counts as unmarked."""
    (base / "mark").write_text(dead_mark())
    made = left_behind(base, mark=None)
    (made / "owner").symlink_to(base / "mark")

    assert sweeping.sweep(str(base)) == 0


def test_spares_everything_with_another_name(base: Path) -> None:
    """What does not bear the very form of a session's name is never touched."""
    mark = dead_mark()
    names = [
        "bwrun",
        "bwrun.1",
        "bwrun.1.0123456789ABCDEF",
        f"{NAME}.bak",
        "data",
        "bwrun.x.0123456789abcdef",
        f"x{NAME}",
    ]
    for name in names:
        left_behind(base, name, mark=mark, age=OLD)

    assert sweeping.sweep(str(base)) == 0
    assert sorted(path.name for path in base.iterdir()) == sorted(names)


def test_spares_links_and_files_with_a_sessions_name(base: Path) -> None:
    """A link is not followed and not removed, nor is a file: neither is what a run makes."""
    target = left_behind(base, "target", mark=dead_mark(), age=OLD)
    (base / NAME).symlink_to(target)
    (base / "bwrun.1.0123456789abcdef").touch()
    os.utime(base / "bwrun.1.0123456789abcdef", (0, 0))

    assert sweeping.sweep(str(base)) == 0
    assert (base / NAME).is_symlink()
    assert sorted(path.name for path in target.iterdir()) == ["data.json", "owner"]


@needs_root
def test_spares_other_users_directories(base: Path) -> None:
    """A directory of another user's is not touched, even by root."""
    made = left_behind(base, mark=dead_mark(), age=OLD)
    os.chown(made, NOBODY, NOBODY)

    assert sweeping.sweep(str(base)) == 0
    assert (made / "data.json").exists()


def test_nothing_to_sweep(base: Path) -> None:
    """A base that is gone or is no directory is swept of nothing, without an error."""
    (base / "file").touch()

    assert [sweeping.sweep(str(path)) for path in (base, base / "gone", base / "file")] == [0, 0, 0]


# Removing


def test_removes_all_that_is_in_it(base: Path) -> None:
    """Files, directories in directories, links, pipes and sockets are all removed, hidden ones too."""
    made = left_behind(base, mark="x")
    deep = made / "a" / "b" / "c"
    deep.mkdir(parents=True)
    (deep / ".hidden").touch()
    (deep / "file").touch(mode=0o000)
    (made / "a" / "empty").mkdir()
    (made / "dangling").symlink_to("nowhere")
    os.mkfifo(made / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(made / "socket"))
    os.link(made / "data.json", made / "second name")
    (made / "bytes\udcff").touch()

    assert removing.remove(str(made))
    assert list(base.iterdir()) == []


def test_follows_no_link_out_of_it(base: Path) -> None:
    """What a link inside points to, above, beside or at the root, is not touched: the link alone is removed."""
    outside = base / "outside"
    (outside / "inner").mkdir(parents=True)
    (outside / "inner" / "file").touch()
    mode = outside.stat().st_mode
    made = left_behind(base, mark="x")
    (made / "sub").mkdir()
    targets = (outside, outside / "inner", outside / "inner" / "file", Path(".."), Path("../.."), Path("/"))
    for number, target in enumerate(targets):
        (made / f"link{number}").symlink_to(target)
        (made / "sub" / f"link{number}").symlink_to(target)

    assert removing.remove(str(made))
    assert (outside / "inner" / "file").exists()
    assert outside.stat().st_mode == mode


def test_a_link_in_its_place_is_not_followed(base: Path) -> None:
    """If somebody put a link where the directory was, its target is not emptied, and nothing is called removed."""
    target = left_behind(base, "target", mark="x")
    (base / NAME).symlink_to(target)

    assert not removing.remove(str(base / NAME))
    assert len(list(target.iterdir())) == 2


def test_what_is_gone_is_removed(base: Path) -> None:
    """A directory that is not there any more counts as removed."""
    assert removing.remove(str(base / NAME))
    assert removing.remove(str(base / "gone" / NAME))


@pytest.mark.parametrize("mode", [0o500, 0o300, 0o000])
@pytest.mark.parametrize("place", [".", "sub", "sub/sub"])
def test_removes_what_the_command_made_unreadable(base: Path, mode: int, place: str) -> None:
    """A directory whose owner took the rights away is removed all the same, without root's help."""
    base.chmod(0o777)
    made = left_behind(base, mark="x")
    (made / "sub" / "sub").mkdir(parents=True)
    (made / "sub" / "sub" / "file").touch()
    give_to_nobody(made)
    (made / place).chmod(mode)

    assert remove_as_nobody(made)
    assert not made.exists()


@needs_root
def test_removes_all_it_can(base: Path) -> None:
    """What cannot be removed, because the command made it as root, keeps nothing else from being removed."""
    base.chmod(0o777)
    made = left_behind(base, mark="x")
    for name in ("b", "k", "x"):
        (made / f"secret-{name}").touch()
    give_to_nobody(made)
    for name in ("a", "c", "j", "l", "w", "z"):
        (made / f"of-root-{name}").mkdir(mode=0o755)
        (made / f"of-root-{name}" / "file").touch()
    (made / "empty-of-root").mkdir(mode=0o755)

    assert not remove_as_nobody(made)
    assert sorted(path.name[:7] for path in made.iterdir()) == ["of-root"] * 6 + ["owner"]


@pytest.mark.parametrize("depth", [100, 600])
def test_removes_what_is_very_deep(base: Path, depth: int) -> None:
    """Directories in directories, deeper than Python recurses, are removed without an exception."""
    made = left_behind(base, mark="x")
    descriptor = os.open(made, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=descriptor)
        inner = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
    os.close(descriptor)
    no_limit = "removing.REMOVE_CPU_TIME = removing.REMOVE_TIME = 3600.0"  # for a machine that is busy, or a slow disk
    with start(f"{no_limit}; print(removing.remove(sys.argv[1]))", made) as process:
        said = process.communicate()[0]

    subprocess.run(["rm", "-rf", made], check=True)
    assert said == "True\n"


def test_removes_on_a_machine_that_is_busy(base: Path) -> None:
    """Time in which it has no core does not count: what nobody writes to is removed whole, however long that takes."""
    made = left_behind(base, mark="x")
    for number in range(3000):
        (made / str(number)).touch()
    busy = """
import signal
signal.signal(signal.SIGALRM, lambda *_: time.sleep(3))
signal.setitimer(signal.ITIMER_REAL, 0.005)
print(removing.remove(sys.argv[1]))
"""
    with start(busy, made) as process:
        said = process.communicate()[0]

    assert said == "True\n"


@pytest.mark.slow
def test_whoever_goes_on_writing_cannot_hold_it_up(base: Path) -> None:
    """What the command left running may write faster than is removed: an end is made, and it is tried again later."""
    made = left_behind(base, mark="x")
    write = """
number = 0
while True:
    number += 1
    try:
        os.mkdir(f"{sys.argv[1]}/{os.getpid()}-{number}")
    except OSError:
        time.sleep(0.001)
    try:
        os.rmdir(f"{sys.argv[1]}/{os.getpid()}-{number - 500}")
    except OSError:
        pass
"""
    writers = [start(write, made) for _ in range(4)]
    try:
        while len(list(made.iterdir())) < 10:
            time.sleep(0.01)
        with start("removing.remove(sys.argv[1])", made) as process:
            try:
                ended = process.wait(120) == 0
            except subprocess.TimeoutExpired:
                ended = False
                process.kill()
    finally:
        for writer in writers:
            writer.kill()
            writer.communicate()

    assert ended


# Where


def places(environment: dict[str, str]) -> list[str]:
    """Return the places for a session, without those that cannot be used."""
    return bases.find_bases(environment)[0]


@pytest.mark.parametrize(
    ("mode", "problem"),
    [
        (0o700, None), (0o755, None), (0o711, None), (0o1777, None), (0o1770, None),
        (0o770, "is writable by other users"), (0o775, "is writable by other users"),
        (0o777, "is writable by other users"), (0o702, "is writable by other users"),
    ],
)  # fmt: skip
def test_a_base_is_ours_alone_or_sticky(base: Path, mode: int, problem: str | None) -> None:
    """A base that others can write to is usable only if it is sticky, as /tmp is."""
    base.chmod(mode)

    assert bases.why_unusable(str(base)) == problem


def test_a_base_is_an_absolute_directory(base: Path) -> None:
    """A relative path, a missing one, a file and a broken link each have a reason of their own."""
    (base / "file").touch()
    (base / "dangling").symlink_to("nowhere")

    assert bases.why_unusable("tmp") == "is not an absolute path"
    assert bases.why_unusable(str(base / "gone")) == "cannot be used: No such file or directory"
    assert bases.why_unusable(str(base / "dangling")) == "cannot be used: No such file or directory"
    assert bases.why_unusable(str(base / "file")) == "is not a directory"
    assert bases.why_unusable(str(base / "file" / "below")) == "cannot be used: Not a directory"


@needs_root
@pytest.mark.parametrize("mode", [0o755, 0o1777, 0o777])
def test_a_base_of_another_users_is_refused(base: Path, mode: int) -> None:
    """Who owns a base can do with what is in it what he likes: it is ours or root's."""
    os.chown(base, NOBODY, NOBODY)
    base.chmod(mode)

    assert bases.why_unusable(str(base)) == "belongs to user 65534 (nobody), not to you or root"


@needs_root
def test_a_base_of_roots_serves_others_only_if_they_can_write(base: Path) -> None:
    """A base of root's is usable for another user if it is sticky and writable, and refused by its reason if not."""
    found = []
    for mode in (0o1777, 0o755):
        base.chmod(mode)
        with start("print(bases.why_unusable(sys.argv[1]))", base, drop=True) as process:
            found.append(process.communicate()[0].strip())

    assert found == ["None", "is not writable by you"]


def test_a_link_to_a_good_base_is_one(base: Path) -> None:
    """A link is judged by what it leads to, and the session is made at the real place."""
    (base / "link").symlink_to(base / "real")
    (base / "real").mkdir(mode=0o700)

    assert bases.why_unusable(str(base / "link")) is None
    assert places({"BWRUN_RUNTIME_DIR": str(base / "link")}) == [os.path.realpath(base / "real")]
    (base / "real").chmod(0o777)
    assert bases.why_unusable(str(base / "link")) == "is writable by other users"


def test_the_chosen_base_is_not_replaced(base: Path) -> None:
    """BWRUN_RUNTIME_DIR is the only place if it is set; if it cannot be used, that is an error that says why."""
    environment = {"BWRUN_RUNTIME_DIR": str(base), "XDG_RUNTIME_DIR": "/tmp", "TMPDIR": "/tmp"}  # noqa: S108
    assert places(environment) == [os.path.realpath(base)]

    base.chmod(0o777)
    with pytest.raises(bases.UnusableBaseError, match="is writable by other users"):
        places(environment)
    with pytest.raises(bases.UnusableBaseError, match="not an absolute path"):
        places({"BWRUN_RUNTIME_DIR": "tmp"})


def test_bases_in_their_order(base: Path) -> None:
    """Without a choice, the user's own RAM comes first, then everybody's, then TMPDIR; what is unusable is left out."""
    for name in ("xdg", "tmp"):
        (base / name).mkdir(mode=0o700)
    xdg, tmp = str(base / "xdg"), str(base / "tmp")
    shared = [path for path in ("/dev/shm", "/tmp") if bases.why_unusable(path) is None]  # noqa: S108
    real = os.path.realpath

    assert places({"XDG_RUNTIME_DIR": xdg, "TMPDIR": tmp, "BWRUN_RUNTIME_DIR": ""}) == list(
        dict.fromkeys(map(real, [xdg, *shared[:-1], tmp, *shared[-1:]]))
    )
    assert places({"XDG_RUNTIME_DIR": "relative", "TMPDIR": str(base / "gone")}) == list(map(real, shared))
    assert places({"XDG_RUNTIME_DIR": xdg, "TMPDIR": xdg})[0] == real(xdg)
    assert places({"XDG_RUNTIME_DIR": xdg, "TMPDIR": xdg}).count(real(xdg)) == 1


def test_each_place_has_its_reason(base: Path) -> None:
    """Each place that cannot be used is named, with the variable that it is from, and why."""
    found, refused = bases.find_bases({"XDG_RUNTIME_DIR": "relative", "TMPDIR": str(base / "gone")})

    assert refused[0] == "`relative` (from XDG_RUNTIME_DIR) is not an absolute path"
    assert f"`{base}/gone` (from TMPDIR) cannot be used: No such file or directory" in refused
    assert len(found) + len(refused) == 4
    assert bases.find_bases({})[1][0] == "XDG_RUNTIME_DIR is not set"


def test_start_times_are_those_of_proc() -> None:
    """A process is known by its pid and its start time together, and only while it runs."""
    with subprocess.Popen(["sleep", "60"]) as process:
        started = start_time(process.pid)

        assert processes.start_time(process.pid) == started
        assert processes.is_alive(process.pid, started)
        assert not processes.is_alive(process.pid, str(int(started) + 1))
        assert processes.is_descendant(process.pid, os.getpid())
        assert not processes.is_descendant(os.getpid(), process.pid)
        process.kill()
    assert not processes.is_alive(process.pid, started)
    assert processes.start_time(process.pid) == "0"
