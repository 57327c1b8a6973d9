"""`bwrun --mask` on pipes and files: what comes through, in which order, and how it ends."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import psutil
import pytest

from tests.conftest import CHEAP
from tests.server.control import Account, BitwardenServer
from tests.server.specs import AccountSpec, ItemSpec, Login
from tests.support.portable import name_of
from tests.support.program import BWRUN, TIMEOUT, Ended, Surroundings
from tests.support.terminal import wait_until
from tests.support.users import ANOTHER_USER, as_user

MASK = "<concealed by bwrun>"
SECRET = "hunter2!swordfish"
NOTES = "first line of it\nsecond line of it\n"
PYTHON = sys.executable


@pytest.fixture(scope="module")
def vault(server: BitwardenServer) -> Account:
    """Make an account with values of several kinds."""
    return server.add_account(
        AccountSpec(
            "mask@example.com",
            "correct horse",
            kdf=CHEAP,
            items=(
                ItemSpec("prod-db", Login(username="deploy", password=SECRET), notes=NOTES),
                ItemSpec("short", Login(username="root", password="abc")),
                ItemSpec("other", Login(username="ada", password="another-password", totp="JBSWY3DPEHPK3PXP")),
            ),
        )
    )


@pytest.fixture
def masked(run_in: Surroundings) -> Surroundings:
    """Give surroundings in which `$PW` is the secret, and output is masked."""
    run_in.environment |= {"PW": "bw://prod-db/password", "BWRUN_MASK": "1"}
    return run_in


def shell(surroundings: Surroundings, script: str, *options: str) -> Ended:
    """Run a script of sh."""
    return surroundings.run(*options, "--", "sh", "-c", script)


@contextmanager
def running(
    surroundings: Surroundings, *words: str, before: Sequence[str] = (), **pipes: int | IO[bytes]
) -> Iterator[subprocess.Popen[bytes]]:
    """Run `BEFORE… bwrun WORDS…` in the background; at the end of the block it is killed."""
    process = subprocess.Popen(
        [*before, BWRUN, *words],
        env=surroundings.full_environment({}),
        cwd=surroundings.work,
        start_new_session=True,
        **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **pipes},  # type: ignore[call-overload]
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
        wait_until(lambda: surroundings.left() == [])


def masker_of(pid: int) -> psutil.Process:
    """Return the process that masks for the bwrun with this pid."""
    return next(one for one in psutil.Process(pid).children() if name_of(one) == "output-masker")


def test_off_by_default(masked: Surroundings) -> None:
    """A wrapper changes nothing that it was not asked to."""
    done = masked.run("--", "sh", "-c", "echo $PW", env={"BWRUN_MASK": None})

    assert done.stdout == f"{SECRET}\n"


@pytest.mark.parametrize(
    ("options", "variable", "stdout", "stderr"),
    [
        (["--mask"], None, MASK, MASK),
        ([], "1", MASK, MASK),
        ([], "on", MASK, MASK),
        (["--mask=stdout"], None, MASK, SECRET),
        (["--mask=stderr"], None, SECRET, MASK),
        ([], "stderr", SECRET, MASK),
        (["--mask=0"], "1", SECRET, SECRET),
        ([], "0", SECRET, SECRET),
    ],
)
def test_chosen_outputs(
    masked: Surroundings, options: list[str], variable: str | None, stdout: str, stderr: str
) -> None:
    """The option chooses, and wins over the variable."""
    done = masked.run(*options, "--", "sh", "-c", "echo $PW; echo $PW >&2", env={"BWRUN_MASK": variable})

    assert (done.status, done.stdout, done.stderr) == (0, f"{stdout}\n", f"{stderr}\n")


def test_unknown_choice_is_an_error(masked: Surroundings) -> None:
    """A choice that does not exist is no choice."""
    assert masked.run("--mask=all", "--", "true").codes == ["config.mask"]
    assert masked.run("--", "true", env={"BWRUN_MASK": "maybe"}).codes == ["config.mask"]


def test_all_that_was_injected(masked: Surroundings) -> None:
    """References, parts of a text, fields, files, templates and BW_SESSION are masked; other text is not."""
    (masked.work / "in.txt").write_text("password={{ bw://prod-db/password }}\nname=app\n")
    script = "echo $PW; echo $URL; cat $FILE; cat $T; echo $BW_SESSION; echo $USERNAME; echo plain $PLAIN"
    words = ["-e", "URL=postgres://app:{{ bw://other/password }}@db", "-e", "FILE=@bw://prod-db/notes"]
    words += ["--template", "in.txt:T", "-e", "PLAIN=not-from-the-vault", "-e", "USERNAME=bw://prod-db/username"]

    assert shell(masked, script, *words).stdout.splitlines() == [
        MASK, f"postgres://app:{MASK}@db", MASK, f"password={MASK}", "name=app", MASK, MASK,
        "plain not-from-the-vault",
    ]  # fmt: skip


def test_encoded_values(masked: Surroundings) -> None:
    """What the command's tools make of a value is masked too."""
    script = (
        'printf %s "$PW" | base64; printf %s "$PW" | od -An -v -tx1 | tr -d " \\n"; echo; printf "u:%s" "$PW" | base64'
    )
    lines = shell(masked, script).stdout.splitlines()

    assert lines[:2] == [MASK, MASK]
    assert base64.b64encode(f"u:{SECRET}".encode()).decode()[4:-2] not in lines[2]


@pytest.mark.parametrize("value", ["bw://short/password", "bw://short/username"])
def test_short_value(masked: Surroundings, value: str) -> None:
    """Three characters stay, four do not."""
    done = shell(masked, "echo $X", "-e", f"X={value}")

    assert done.stdout == ("abc\n" if "password" in value else f"{MASK}\n")


def test_other_bytes_pass_unchanged(masked: Surroundings) -> None:
    """Binary output, NULs, invalid UTF-8, and no newline at the end."""
    data = bytes(range(256)) * 1000 + os.urandom(100_000) + b"\xff no newline"
    (masked.work / "data").write_bytes(data)
    with running(masked, "--", "cat", "data") as process:
        assert process.communicate(timeout=TIMEOUT)[0] == data


def test_value_cut_into_writes(masked: Surroundings) -> None:
    """One byte at a time, with time between: no part of it shows, whatever the command waits for but its input."""
    script = "import os, time\nfor c in os.environ['PW']: os.write(1, c.encode()); time.sleep(0.05)\n"
    done = masked.run("--", PYTHON, "-c", script)

    assert done.stdout == MASK


def test_stays_held_back_while_time_passes(masked: Surroundings) -> None:
    """A beginning of a value does not show because the command sleeps, or waits for a pipe or a child."""
    script = "(printf hunt; sleep 1; printf 'er2!sword'; sleep 0.5; printf fish) | cat; printf hunt; sleep 1; echo er"
    with running(masked, "--", "sh", "-c", script, stdin=subprocess.PIPE) as process:
        assert process.stdout is not None
        first = os.read(process.stdout.fileno(), 100)

        assert first == MASK.encode()
        assert os.read(process.stdout.fileno(), 100) == b"hunter\n"


@pytest.mark.linux("who waits for input")
@pytest.mark.parametrize(
    "waits",
    [
        "",
        "select.select([0], [], []);",
        "p = select.poll(); p.register(0); p.poll();",
        "p = select.epoll(); p.register(0, 1); p.poll();",
    ],
    ids=["read", "select", "poll", "epoll"],
)
def test_prompt_shows_when_the_command_reads(masked: Surroundings, waits: str) -> None:
    """What is held back shows as soon as the command, or a child of it, waits for its input, in whatever way."""
    script = f"import select; print('hunt', end='', flush=True); {waits} print('got', input())"
    with running(masked, "--", "sh", "-c", '"$0" -c "$1"; true', PYTHON, script, stdin=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert os.read(process.stdout.fileno(), 100) == b"hunt"
        process.stdin.write(b"it\n")
        process.stdin.close()

        assert process.stdout.read() == b"got it\n"


def test_order_of_one_file_for_both(masked: Surroundings) -> None:
    """With `2>&1` what is written to both keeps its order."""
    script = "for i in 1 2 3 4 5 6 7 8 9; do echo out $i $PW; echo err $i >&2; done"
    with running(masked, "--", "sh", "-c", script, stderr=subprocess.STDOUT) as process:
        output = process.communicate(timeout=TIMEOUT)[0].decode()

    assert output.splitlines() == [line for i in range(1, 10) for line in (f"out {i} {MASK}", f"err {i}")]


@pytest.mark.parametrize("mode", ["wb", "ab"])
def test_output_into_a_file(masked: Surroundings, mode: str) -> None:
    """A file gets the output in order, behind what the caller wrote to it before."""
    path = masked.work / "log"
    path.write_bytes(b"")
    with path.open(mode) as log:
        os.write(log.fileno(), b"begin\n")
        subprocess.run(
            [BWRUN, "--", "sh", "-c", "echo $PW; echo x >&2; echo y"], check=True, stdout=log, stderr=log,
            stdin=subprocess.DEVNULL, env=masked.full_environment({}), cwd=masked.work, timeout=TIMEOUT,
        )  # fmt: skip
        os.write(log.fileno(), b"end\n")

    assert path.read_text() == f"begin\n{MASK}\nx\ny\nend\n"


def test_kinds_of_the_outputs(masked: Surroundings) -> None:
    """On a pipe the command gets a pipe; /dev/null and a closed descriptor stay what they are."""
    look = "import os, stat\nopen('kinds', 'w').write(str(stat.S_ISCHR(os.fstat(1).st_mode)))\nos.fstat(2)\n"
    done = subprocess.run(
        ["sh", "-c", 'exec "$0" -- "$1" -c "$2" >/dev/null 2>&-', BWRUN, PYTHON, look], check=False, timeout=TIMEOUT,
        env=masked.full_environment({}), cwd=masked.work,
    )  # fmt: skip

    assert done.returncode == 1  # os.fstat(2) failed
    assert (masked.work / "kinds").read_text() == "True"
    assert shell(masked, "stat -Lc %F /proc/$$/fd/1 /proc/$$/fd/2 | cat").stdout.splitlines() == ["fifo", "fifo"]


def test_status_and_signals(masked: Surroundings) -> None:
    """Masking changes no exit status."""
    assert shell(masked, "exit 37").status == 37
    assert shell(masked, "kill -TERM $$").status == -signal.SIGTERM
    assert masked.run("--", "no-such-command").codes == ["command.not-found"]


def test_does_not_wait_for_a_grandchild(masked: Surroundings) -> None:
    """A process in the background that holds the pipe does not hold bwrun; what it writes later is lost, not shown."""
    script = "echo first; (sleep 2; echo $PW; echo $PW >&2; echo later > alive) & echo second"
    began = time.monotonic()
    done = shell(masked, script)

    assert (done.status, done.stdout) == (0, "first\nsecond\n")
    assert time.monotonic() - began < 60
    assert not (masked.work / "alive").exists()


def test_all_of_the_output_is_through_at_the_end(masked: Surroundings) -> None:
    """What the command wrote just before its end is not lost, with or without a grandchild."""
    script = f'(sleep 5) & exec {PYTHON} -c \'print("x" * 900_000 + " hunt", end="")\''

    assert shell(masked, script).stdout == "x" * 900_000 + " hunt"


def test_killed_masker_ends_the_output(masked: Surroundings) -> None:
    """After `kill -9` of the masker nothing more comes through, and the writer gets SIGPIPE."""
    script = "echo ready; read go; echo $PW; echo $PW >&2; touch reached"
    with running(masked, "--", "sh", "-c", script, stdin=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == b"ready\n"
        masker = masker_of(process.pid)
        masker.kill()
        wait_until(lambda: not masker.is_running())
        process.stdin.write(b"\n")
        process.stdin.close()
        output, errors = process.stdout.read(), process.stderr.read() if process.stderr else b""

        assert process.wait(TIMEOUT) == -signal.SIGPIPE
    assert output == b""
    assert b"[mask.killed]" in errors
    assert SECRET.encode() not in errors
    assert not (masked.work / "reached").exists()


@pytest.mark.linux("closed memory, names of processes")
def test_masker_is_closed_and_named(masked: Surroundings) -> None:
    """No process of the same user can look into the masker; no value is in its arguments or its environment."""
    before = as_user(masked, ANOTHER_USER) if os.geteuid() == 0 else []
    with running(masked, "--", "sh", "-c", "echo ready; sleep 600", before=before) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        pid = masker_of(process.pid).pid
        user, owner = Path(f"/proc/{pid}").stat().st_uid, Path(f"/proc/{pid}/mem").stat().st_uid
        words = Path(f"/proc/{pid}/cmdline").read_bytes()

        assert user != owner == 0  # which the kernel does with a process that is not dumpable
        assert SECRET.encode() not in words
        assert b"bwrun" not in words
        if os.getuid() == 0:
            assert SECRET.encode() not in Path(f"/proc/{pid}/environ").read_bytes()


def test_killed_supervisor(masked: Surroundings) -> None:
    """After `kill -9` of bwrun the command ends, what it says then is masked, and the masker ends with it."""
    script = "trap 'echo $PW; exit' TERM; echo ready; while :; do sleep 0.1; done"
    with running(masked, "--", "sh", "-c", script) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        masker = masker_of(process.pid)
        process.kill()

        assert process.stdout.read() == f"{MASK}\n".encode()
        wait_until(lambda: not masker.is_running())


def test_reader_that_goes_away(masked: Surroundings) -> None:
    """When nobody reads any more, the command gets SIGPIPE, as without bwrun."""
    with running(masked, "--", "yes") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"y\n"
        process.stdout.close()

        assert process.wait(TIMEOUT) == -signal.SIGPIPE


def test_full_disk(masked: Surroundings) -> None:
    """An output that cannot be written is an error, not a silence."""
    with (
        Path("/dev/full").open("wb", buffering=0) as full,
        running(masked, "--", "sh", "-c", "echo x; sleep 0.2; echo y", stdout=full) as process,
    ):
        _, errors = process.communicate(timeout=TIMEOUT)

    assert b"[mask.output]" in errors


def test_slow_reader_slows_the_command(masked: Surroundings) -> None:
    """Between the command and a reader that does not read, no more than the pipes' own sizes is stored."""
    script = (
        "import os\nn = 0\nwhile n < 64 << 20:\n n += os.write(1, b'x' * 65536)\n open('written', 'w').write(str(n))\n"
    )
    with running(masked, "--", PYTHON, "-c", script) as process:
        path = masked.work / "written"
        wait_until(lambda: path.exists() and path.read_text().isdecimal())
        sizes = [-1, 0]
        while sizes[-1] != sizes[-2]:  # until the command is stuck
            time.sleep(0.5)
            sizes.append(int(path.read_text() or -1))

        assert sizes[-1] < 8 << 20
        assert process.stdout is not None
        assert len(process.stdout.read()) == 64 << 20


@pytest.mark.slow
def test_memory_is_flat(masked: Surroundings) -> None:
    """A gigabyte of output takes no more memory than ten megabytes."""
    peaks = []
    for size in ("10M", "1G"):
        with running(
            masked, "--", "sh", "-c", f"head -c {size} /dev/zero; echo; read x", stdin=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            masker = masker_when_there(process.pid)
            while process.stdout.read1(1 << 20)[-1:] != b"\n":  # type: ignore[attr-defined]
                pass
            peaks.append(peak_of(masker.pid))

    assert peaks[1] < peaks[0] + 2048, peaks


def masker_when_there(pid: int) -> psutil.Process:
    """Wait for the masker, and return it."""
    wait_until(lambda: any(name_of(one) == "output-masker" for one in psutil.Process(pid).children()))
    return masker_of(pid)


def peak_of(pid: int) -> int:
    """Return the peak of a process's resident memory in KiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def test_small_session_is_masked(masked: Surroundings) -> None:
    """In a session that is limited, all secrets of its items are masked, even those that nothing refers to."""
    script = "echo another-password; echo JBSWY3DPEHPK3PXP; echo ada"
    limited = shell(masked, script, "--only", "other", "--only", "prod-db")
    whole = shell(masked, script)

    assert limited.stdout == f"{MASK}\n{MASK}\nada\n"
    assert whole.stdout == "another-password\nJBSWY3DPEHPK3PXP\nada\n"


def test_nested_run_masks(masked: Surroundings) -> None:
    """A run inside a run masks what it injects itself, and does not become the command in place."""
    inner = f"{BWRUN} --mask -e PW=bw://prod-db/password -- sh -c 'echo $PW; echo $BW_SESSION'"
    done = masked.run("--", "sh", "-c", inner, env={"BWRUN_MASK": None})

    assert done.stdout == f"{MASK}\n{MASK}\n"


def test_a_command_has_no_children_of_its_own(masked: Surroundings) -> None:
    """The masker is no child of the command, and none of its descriptors reaches the command."""
    script = "import os\nprint(sorted(map(int, os.listdir('/proc/self/fd')))[:-1])\ntry: os.wait()\n"
    script += "except ChildProcessError: print('none')\n"

    assert masked.run("--", PYTHON, "-c", script).stdout == "[0, 1, 2]\nnone\n"
