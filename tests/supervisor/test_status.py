"""How a run ends: as its command ended, or with a status of bwrun's own that says what failed."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
from pathlib import Path

import pytest

from tests.supervisor import in_python, in_shell, output_of, started
from tests.support.needs import program
from tests.support.program import BWRUN, TIMEOUT, Surroundings

# Signals whose default is to end a process (signal(7)); KILL and PIPE among them.
ENDS = sorted(
    signal.valid_signals()
    - {signal.SIGCHLD, signal.SIGCONT, signal.SIGURG, signal.SIGWINCH}
    - {signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU}
)
NOBODY = 65534


@pytest.mark.parametrize("status", [0, 1, 42, 129, 130, 254, 255])
def test_exit_code(ready: Surroundings, status: int) -> None:
    """An exit code is handed on, one that looks like a signal's included."""
    assert ready.run("--", "sh", "-c", f"exit {status}").status == status


def test_every_exit_code(thorough: None, ready: Surroundings) -> None:
    """All 256 exit codes are handed on, also without a session."""
    assert [ready.run("--no-session", "--", "sh", "-c", f"exit {status}").status for status in range(256)] == list(
        range(256)
    )


@pytest.mark.parametrize("number", [1, 2, 3, 6, 9, 10, 11, 13, 14, 15, 34, 64])
def test_death_by_a_signal(ready: Surroundings, number: int) -> None:
    """A command that died by a signal makes bwrun die by the same signal, which the caller's wait() sees."""
    assert ready.run("--", "sh", "-c", f"kill -{number} $$").status == -number


def test_death_by_every_signal(thorough: None, ready: Surroundings) -> None:
    """Of all signals that end a process, bwrun dies as the command did."""
    assert [ready.run("--", "sh", "-c", f"kill -{number} $$").status for number in ENDS] == [-n for n in ENDS]


def test_one_core(ready: Surroundings) -> None:
    """A command that dumps core leaves one core file, bwrun none of its own."""
    pattern = Path("/proc/sys/kernel/core_pattern")
    if not pattern.exists() or pattern.read_text().strip() != "core":
        pytest.skip("core files do not go to the working directory here")
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    if hard == 0:
        pytest.skip("core files are forbidden here")
    before = Path("/core").exists()
    unlimited = f"import resource; resource.setrlimit(resource.RLIMIT_CORE, ({hard}, {hard}))"
    words = ["sh", "-c", "mkdir there; cd there; kill -SEGV $$"]
    with started(ready, "--", *words, before=in_python(unlimited)) as process:
        _, status = os.waitpid(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)

    assert os.WTERMSIG(status) == signal.SIGSEGV
    assert not os.WCOREDUMP(status)
    assert [path.name for path in (ready.work / "there").glob("core*")] == ["core"]
    assert list(ready.work.glob("core*")) == []
    assert Path("/core").exists() == before


@pytest.mark.parametrize(
    ("options", "environment"), [(["--signal-exit", "128"], {}), ([], {"BWRUN_SIGNAL_EXIT": "128"})]
)
def test_signal_as_a_code(ready: Surroundings, options: list[str], environment: dict[str, str]) -> None:
    """With --signal-exit 128 a command that died by signal N makes bwrun exit with 128+N."""
    assert ready.run(*options, "--", "sh", "-c", "kill -TERM $$", env=environment).status == 128 + signal.SIGTERM


def test_signal_as_a_code_is_for_signals(ready: Surroundings) -> None:
    """With --signal-exit 128 an exit code stays what it is."""
    assert ready.run("--signal-exit", "128", "--", "sh", "-c", "exit 15").status == 15


def test_xargs_stops(ready: Surroundings) -> None:
    """A command that was killed is seen as such by xargs, which starts no further one."""
    line = 'printf "1 2 3" | xargs -n 1 "$0" -- sh -c \'echo $0; kill -TERM $$\'; echo $?'

    assert output_of(ready, ["sh", "-c", line, BWRUN]) == b"1\n125\n"


def test_make_says_how_it_ended(ready: Surroundings) -> None:
    """A recipe that was terminated is told by make from one that failed."""
    (ready.work / "Makefile").write_text(f"all:\n\t@{BWRUN} -- sh -c 'kill -TERM $$$$'\n")
    done = subprocess.run(
        ["make"], check=False, cwd=ready.work, env=ready.environment, capture_output=True, text=True, timeout=TIMEOUT
    )

    assert "Terminated" in done.stderr
    assert "Error 143" not in done.stderr


def test_failed_login(ready: Surroundings) -> None:
    """A login that fails is 125, the command is not started, and nothing is left."""
    done = ready.run("--", "touch", "started", env={"BW_CLIENTSECRET": "wrong"})

    assert (done.status, done.codes) == (125, ["auth.invalid-api-key"])
    assert not (ready.work / "started").exists()
    assert ready.left() == []


# Where the session may be.


def test_next_place(ready: Surroundings) -> None:
    """Where XDG_RUNTIME_DIR is no directory the session is made in the next place, and gone from there too."""
    missing = f"{ready.runtime}/none"
    done = ready.run("--", "sh", "-c", 'echo "$BITWARDENCLI_APPDATA_DIR"', env={"XDG_RUNTIME_DIR": missing})
    directory = Path(done.stdout.strip())

    assert done.status == 0
    assert directory.name.startswith("bwrun.")
    assert not str(directory).startswith(str(ready.runtime))
    assert not directory.exists()


@pytest.mark.parametrize(
    "kind", ["missing", "a file", "writable by others", "another user's", "a link to another user's", "relative"]
)
def test_place_that_was_asked_for_is_no_good(ready: Surroundings, kind: str) -> None:
    """A BWRUN_RUNTIME_DIR that others could reach, or that is none, is refused and not replaced."""
    place = ready.work / "place"
    if kind == "a file":
        place.touch()
    elif kind != "missing":
        place.mkdir(mode=0o700)
    if kind == "writable by others":
        place.chmod(0o770)
    if "another user's" in kind:
        if os.geteuid() != 0:
            pytest.skip("only root can give a directory away")
        os.chown(place, NOBODY, NOBODY)
    chosen = ready.work / "link"
    if kind.startswith("a link"):
        chosen.symlink_to(place)
    else:
        chosen = Path("place") if kind == "relative" else place

    done = ready.run("--", "touch", "started", env={"BWRUN_RUNTIME_DIR": str(chosen)})

    assert (done.status, done.stdout) == (125, "")
    assert len(done.codes) == 1
    assert done.codes[0].endswith("runtime-dir")
    assert not (ready.work / "started").exists()


# Short of everything.


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_no_process_to_be_had(ready: Surroundings, processes: int) -> None:
    """Where a fork is refused bwrun says so with 125, the command is not started, and nothing is left."""
    if os.geteuid() != 0:
        pytest.skip("the limit counts all processes of a user: needs root, to become one that has none")
    program("setpriv", "setpriv is not installed (Debian: util-linux)")
    user = f"--reuid={1_000_000_000 + os.getpid()}"
    capability = "+dac_override"  # our files are root's
    as_user = ["setpriv", user, f"--inh-caps={capability}", f"--ambient-caps={capability}"]
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_NPROC, ({processes}, {processes}))"
    with started(
        ready, "--", "touch", "started", before=[*as_user, *in_python(limit)], stderr=subprocess.PIPE
    ) as process:
        _, stderr = process.communicate(timeout=TIMEOUT)

    assert b"Traceback" not in stderr
    assert b"bwrun: error: " in stderr
    assert process.returncode == 125
    assert not (ready.work / "started").exists()


@pytest.mark.parametrize("descriptors", range(5, 9))
def test_no_descriptor_to_be_had(ready: Surroundings, descriptors: int) -> None:
    """With hardly a descriptor to be had bwrun fails, the command is not started, and nothing is left."""
    with started(
        ready, "--", "touch", "started", before=in_shell(f"ulimit -n {descriptors}"), stderr=subprocess.PIPE
    ) as process:
        _, stderr = process.communicate(timeout=TIMEOUT)

    assert process.returncode != 0
    assert stderr
    assert not (ready.work / "started").exists()


def test_words_of_bwrun_find_no_reader(ready: Surroundings) -> None:
    """That nobody reads what bwrun says on stderr changes nothing of how it ends."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    with started(ready, "-v", "--", "sh", "-c", "exit 3", stderr=write_end) as process:
        os.close(write_end)

        assert process.wait(TIMEOUT) == 3
