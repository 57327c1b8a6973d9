"""The directory for later runs: in RAM, this user's alone, and nobody else can put one in its place."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bwrun.cache import place
from bwrun.cache.place import find_place
from tests.support.needs import unavailable
from tests.support.users import ANOTHER_USER, needs_root


@pytest.fixture
def memory() -> Iterator[Path]:
    """Give a directory of this test's own in RAM."""
    if not os.access("/dev/shm", os.W_OK):  # noqa: S108
        unavailable("there is no /dev/shm")
    found = Path(tempfile.mkdtemp(prefix="bwrun-test-place-", dir="/dev/shm"))
    yield found

    shutil.rmtree(found)


@pytest.fixture
def shared(memory: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a directory of this test's own that stands for /dev/shm: all may write to it, and it is sticky."""
    found = memory / "shm"
    found.mkdir()
    found.chmod(0o1777)
    monkeypatch.setattr(place, "SHARED_MEMORY", str(found))
    return found


@pytest.fixture
def runtime(memory: Path) -> Path:
    """Give a runtime directory, as systemd makes one."""
    found = memory / "runtime"
    found.mkdir(mode=0o700)
    return found


def found_at(
    environment: dict[str, str], chosen: str | None = None, *, create: bool = True
) -> tuple[str | None, list[str]]:
    """Return the path of the place that is found, and the problems; check that it is open, and private."""
    problems: list[str] = []
    found = find_place(environment, chosen, create=create, problems=problems)
    if found is None:
        return None, problems
    try:
        assert os.path.samestat(os.fstat(found.descriptor), os.lstat(found.path))
        assert not os.get_inheritable(found.descriptor)
        if chosen is None:
            assert found.in_ram
    finally:
        found.close()
    return found.path, problems


def test_is_made_in_the_runtime_directory(runtime: Path, shared: Path) -> None:
    """It is made once, for this user alone whatever the umask is, and found again; nothing is made elsewhere."""
    environment = {"XDG_RUNTIME_DIR": str(runtime)}
    before = os.umask(0)
    try:
        assert found_at(environment) == (f"{runtime}/bwrun", [])
    finally:
        os.umask(before)

    assert stat.S_IMODE((runtime / "bwrun").stat().st_mode) == 0o700
    assert found_at(environment) == found_at(environment, create=False) == (f"{runtime}/bwrun", [])
    assert list(shared.iterdir()) == []


def test_is_made_in_shared_memory_else(shared: Path) -> None:
    """Without a runtime directory it has the user's number in its name."""
    path = f"{shared}/bwrun-{os.geteuid()}"

    assert found_at({}) == found_at({"XDG_RUNTIME_DIR": ""}) == found_at({}, create=False) == (path, [])
    assert stat.S_IMODE(Path(path).stat().st_mode) == 0o700


def test_makes_nothing_when_it_only_looks(runtime: Path, shared: Path) -> None:
    """That there is no place yet is no problem for who only looks."""
    assert found_at({"XDG_RUNTIME_DIR": str(runtime)}, create=False) == (None, [])
    assert list(runtime.iterdir()) == list(shared.iterdir()) == []


def test_looking_costs_two_calls(runtime: Path, shared: Path) -> None:
    """A run that was never limited looks at two paths, and opens nothing: every run pays for that."""
    script = f"""
import sys
from bwrun.cache import place
place.SHARED_MEMORY = {str(shared)!r}
seen = []
sys.addaudithook(lambda event, arguments: event.startswith(("open", "os.")) and seen.append(event))
calls = []
lstat = place.os.lstat
place.os.lstat = lambda path: (calls.append(path), lstat(path))[1]
assert place.find_place({{"XDG_RUNTIME_DIR": {str(runtime)!r}}}, create=False) is None
print(seen, len(calls))
"""
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, encoding="ascii")

    assert done.stdout == "[] 2\n"


def make_file(path: Path) -> None:
    """Put a file there."""
    path.write_text("")


def make_link(path: Path) -> None:
    """Put a link to a directory there that would do."""
    (path.parent / "elsewhere").mkdir(mode=0o700)
    path.symlink_to("elsewhere")


def make_dead_link(path: Path) -> None:
    """Put a link that leads nowhere there."""
    path.symlink_to("nowhere")


def make_open(path: Path) -> None:
    """Put a directory there that others can read."""
    path.mkdir()
    path.chmod(0o755)


def make_writable(path: Path) -> None:
    """Put a directory there that others can write to."""
    path.mkdir()
    path.chmod(0o702)


def make_socket(path: Path) -> None:
    """Put a socket there."""
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


def make_pipe(path: Path) -> None:
    """Put a named pipe there, whose opening could wait for ever."""
    os.mkfifo(path)


SQUATTERS = (make_file, make_link, make_dead_link, make_open, make_writable, make_socket, make_pipe)


@pytest.mark.parametrize("create", [False, True])
@pytest.mark.parametrize("squat", SQUATTERS)
def test_what_else_lies_there_is_not_used(shared: Path, squat: Callable[[Path], None], *, create: bool) -> None:
    """Nothing but a closed directory is taken for the place, and the reason is said."""
    path = shared / f"bwrun-{os.geteuid()}"
    squat(path)
    before = os.lstat(path)

    found, problems = found_at({}, create=create)

    assert found is None
    (problem,) = problems
    assert problem.startswith(f"`{path}` ")
    assert (os.lstat(path).st_ino, os.lstat(path).st_mode) == (before.st_ino, before.st_mode)


def test_the_next_place_is_taken(runtime: Path, shared: Path) -> None:
    """What lies in the runtime directory is not usable, so it is made in shared memory, and the reason is kept."""
    make_link(runtime / "bwrun")

    found, problems = found_at({"XDG_RUNTIME_DIR": str(runtime)})

    assert found == f"{shared}/bwrun-{os.geteuid()}"
    assert problems == [f"`{runtime}/bwrun` is a link"]


@needs_root
@pytest.mark.parametrize("create", [False, True])
def test_a_directory_of_another_user(shared: Path, *, create: bool) -> None:
    """Somebody was there first and made it in advance."""
    path = shared / f"bwrun-{os.geteuid()}"
    path.mkdir(mode=0o700)
    os.chown(path, ANOTHER_USER, ANOTHER_USER)

    assert found_at({}, create=create) == (None, [f"`{path}` belongs to user {ANOTHER_USER}, not to you"])


def test_a_runtime_directory_that_others_can_write_to(runtime: Path, shared: Path) -> None:
    """Nothing is made where others could exchange it."""
    runtime.chmod(0o777)

    found, problems = found_at({"XDG_RUNTIME_DIR": str(runtime)})

    assert found == f"{shared}/bwrun-{os.geteuid()}"
    assert problems == [f"`{runtime}` (from XDG_RUNTIME_DIR) is writable by other users"]
    assert list(runtime.iterdir()) == []


@pytest.mark.parametrize("runtime_dir", ["relative", "/nonexistent/none"])
def test_a_runtime_directory_that_is_none(shared: Path, runtime_dir: str) -> None:
    """It is passed over."""
    found, problems = found_at({"XDG_RUNTIME_DIR": runtime_dir})

    assert found == f"{shared}/bwrun-{os.geteuid()}"
    assert len(problems) == 1


def on_disk() -> Path:
    """Return a directory on a disk: this file's; a machine that has it in RAM skips the test."""
    disk = Path(__file__).parent
    kind = subprocess.run(["stat", "-f", "-c", "%T", disk], check=True, capture_output=True, encoding="ascii").stdout
    if kind.strip() in ("tmpfs", "ramfs"):
        unavailable("the tests lie in RAM")
    return disk


def test_a_runtime_directory_on_a_disk(shared: Path) -> None:
    """It is passed over, for what is written there would stay."""
    with tempfile.TemporaryDirectory(dir=on_disk()) as folder:
        found, problems = found_at({"XDG_RUNTIME_DIR": folder})

        assert found == f"{shared}/bwrun-{os.geteuid()}"
        assert problems == [f"`{folder}` (from XDG_RUNTIME_DIR) is not in RAM"]
        assert list(Path(folder).iterdir()) == []


def test_no_place_at_all(memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where neither is to be had, each place has its reason."""
    monkeypatch.setattr(place, "SHARED_MEMORY", str(memory / "none"))

    problem = "is not in RAM" if os.access("/proc", os.W_OK) else "is not writable by you"
    assert found_at({"XDG_RUNTIME_DIR": "/proc"}) == (
        None,
        [f"`/proc` (from XDG_RUNTIME_DIR) {problem}", f"`{memory}/none` cannot be used: No such file or directory"],
    )


def test_a_chosen_directory(runtime: Path, shared: Path) -> None:
    """It is the only one, it is made if its parent is there, and it says whether it is in RAM."""
    with tempfile.TemporaryDirectory(dir=on_disk()) as folder:
        for chosen in (f"{folder}/made", f"{folder}/made/", f"{folder}/made"):
            found = find_place({"XDG_RUNTIME_DIR": str(runtime)}, chosen, create=True)

            assert found is not None
            assert (found.path, found.in_ram) == (f"{folder}/made", False)
            found.close()
        assert stat.S_IMODE(Path(folder, "made").stat().st_mode) == 0o700
    found = find_place({}, str(runtime), create=False)
    assert found is not None
    assert found.in_ram
    found.close()
    assert list(shared.iterdir()) == []


@pytest.mark.parametrize("squat", [make_file, make_link, make_dead_link, make_writable, make_socket, make_pipe])
def test_a_chosen_directory_that_is_none(runtime: Path, squat: Callable[[Path], None]) -> None:
    """A link is not followed, even with a slash at its end, and others must not be able to write there."""
    squat(runtime / "chosen")
    for chosen in (f"{runtime}/chosen", f"{runtime}/chosen/"):
        found, problems = found_at({}, chosen)

        assert found is None
        assert len(problems) == 1


@pytest.mark.parametrize("chosen", ["relative", "./x", "/nonexistent/none/deep", "/dev/null", "/dev/a\0b"])
def test_a_chosen_path_that_is_no_directory(shared: Path, chosen: str) -> None:
    """The reason is said, and no other place is taken."""
    found, problems = found_at({}, chosen)

    assert found is None
    assert len(problems) == 1
    assert list(shared.iterdir()) == []


@needs_root
def test_a_chosen_directory_of_another_user(runtime: Path) -> None:
    """Not even root uses it."""
    os.chown(runtime, ANOTHER_USER, ANOTHER_USER)

    assert found_at({}, str(runtime)) == (None, [f"`{runtime}` belongs to user {ANOTHER_USER}, not to you"])


def test_others_may_read_a_chosen_directory(runtime: Path) -> None:
    """The files in it are closed by themselves."""
    runtime.chmod(0o755)

    assert found_at({}, str(runtime)) == (str(runtime), [])


def test_parallel_runs_agree(runtime: Path) -> None:
    """Of many that make it at once, all find the same."""
    script = f"""
from bwrun.cache.place import find_place
import os
found = find_place({{"XDG_RUNTIME_DIR": {str(runtime)!r}}}, create=True)
print(os.fstat(found.descriptor).st_ino)
"""
    running = [subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) for _ in range(8)]

    assert {process.communicate()[0] for process in running} == {b"%d\n" % (runtime / "bwrun").stat().st_ino}
