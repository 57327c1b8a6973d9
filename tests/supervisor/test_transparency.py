"""The command finds everything as its caller left it: descriptors, directory, limits, environment, search paths."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.supervisor import PYTHON, Word, in_python, in_shell, output_of, started
from tests.support.program import BWRUN, TIMEOUT, Surroundings
from tests.support.terminal import wait_until
from tests.support.users import needs_root

# Prints which descriptors are open and what they are, without opening one that stays.
SHOW_DESCRIPTORS = """\
import os
for number in range(64):
    try:
        print(number, os.readlink(f"/proc/self/fd/{number}"))
    except OSError:
        pass
"""
# Prints what else a process inherits.
SHOW_INHERITED = """\
import ctypes, os
prctl = ctypes.CDLL(None).prctl
killer = ctypes.c_int()
prctl(2, ctypes.byref(killer))  # PR_GET_PDEATHSIG
print("umask", oct(os.umask(0)), "nice", os.nice(0), "dir", os.getcwd(), "killed with parent", killer.value)
print("dumpable", prctl(3), "affinity", os.sched_getaffinity(0))
print("timers", open("/proc/self/timerslack_ns").read(), "oom", open("/proc/self/oom_score_adj").read())
print(open("/proc/self/limits").read(), os.getgroups(), os.getresuid(), os.getresgid())
"""
SESSION = {b"BW_SESSION", b"BITWARDENCLI_APPDATA_DIR", b"NODE_EXTRA_CA_CERTS"}
OURS = {b"BW_CLIENTID", b"BW_CLIENTSECRET", b"BW_PASSWORD", b"BWRUN_SERVER"}


def bare_and_under(
    surroundings: Surroundings, before: Sequence[Word], *words: Word, env: Mapping[str, str | None] | None = None
) -> tuple[bytes, bytes]:
    """Return what words print without bwrun and under it, both started by the words `before`."""
    return (
        output_of(surroundings, [*before, *words], env),
        output_of(surroundings, [*before, BWRUN, "--", *words], env),
    )


# Descriptors.


def test_descriptors(ready: Surroundings) -> None:
    """The command has the very descriptors that bwrun was given, also those from 3 on, and none of bwrun's own."""
    ends = [os.pipe() for _ in range(4)]
    given = {0: ends[0][0], 1: ends[1][1], 2: ends[2][1], 7: ends[3][1], 11: ends[3][0]}
    opening = "".join(f"os.dup2({source}, {number});" for number, source in given.items() if number > 2)
    numbers = set(given.values())
    closing = "".join(f"os.close({number});" for number in numbers - set(given))
    inherit = {number for pair in ends for number in pair} & numbers
    done = subprocess.Popen(
        [*in_python(f"{opening}{closing}"), BWRUN, "--", *PYTHON, SHOW_DESCRIPTORS],
        env=ready.environment,
        cwd=ready.work,
        stdin=given[0],
        stdout=given[1],
        stderr=given[2],
        pass_fds=inherit,
        start_new_session=True,
    )
    expected = {number: f"pipe:[{os.fstat(source).st_ino}]" for number, source in given.items()}
    for _, write_end in ends:
        os.close(write_end)
    with os.fdopen(ends[1][0]) as stdout:
        lines = stdout.read().splitlines()

    assert done.wait(TIMEOUT) == 0
    assert {int(line.split()[0]): line.split()[1] for line in lines} == expected
    for number in (ends[0][0], ends[2][0], ends[3][0]):
        os.close(number)


@pytest.mark.parametrize("closed", [{0}, {1}, {2}, {0, 1, 2}], ids=str)
def test_closed_descriptors(ready: Surroundings, closed: set[int]) -> None:
    """What the caller closed of stdin, stdout and stderr is closed for the command, and its status is its own."""
    closing = " ".join(f"{number}>&-" for number in closed)
    script = "for n in 0 1 2; do [ ! -e /proc/$$/fd/$n ] || set -- $@ $n; done; echo $* > open; exit 3"
    with started(ready, "--", "sh", "-c", script, before=in_shell(f'exec "$@" {closing}'), stdin=0) as process:
        assert process.wait(TIMEOUT) == 3

    assert {int(word) for word in (ready.work / "open").read_text().split()} == {0, 1, 2} - closed


def test_stdin_is_the_commands(ready: Surroundings) -> None:
    """Not a byte of a piped stdin is read by bwrun."""
    text = "".join(f"line {number}\n" for number in range(20_000))

    assert ready.run("--", "cat", stdin=text).stdout == text


def test_stdout_ends_when_the_command_closes_it(ready: Surroundings) -> None:
    """A reader of stdout sees its end as soon as the command closes it, although bwrun still runs."""
    closes = "echo up; exec >&-; while [ ! -e go ]; do sleep 0.05; done; exit 3"
    with started(ready, "--", "sh", "-c", closes, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.read() == b"up\n"  # returns at the end only
        assert process.poll() is None
        (ready.work / "go").touch()

        assert process.wait(TIMEOUT) == 3


def test_input_pipe_breaks_when_the_command_closes_it(ready: Surroundings) -> None:
    """Who writes to the command's stdin gets EPIPE as soon as the command has closed it."""
    closes = "exec <&-; : > up; while [ ! -e go ]; do sleep 0.05; done"
    with started(ready, "--", "sh", "-c", closes) as process:
        wait_until((ready.work / "up").exists)
        assert process.stdin is not None
        with pytest.raises(BrokenPipeError):
            os.write(process.stdin.fileno(), b"x")
        (ready.work / "go").touch()

        assert process.wait(TIMEOUT) == 0


def test_jobserver(ready: Surroundings) -> None:
    """Under `make -j4` a `bwrun -- make` has a part in the jobserver: four of its jobs run at once."""
    (ready.work / "Makefile").write_text(f"all:\n\t+@{BWRUN} -- $(MAKE) --no-print-directory -f inner\n")
    targets = "one two three four"
    (ready.work / "inner").write_text(
        f"all: {targets}\n{targets}:\n"
        f"\t@: > $@.up; n=0; while [ $$(ls *.up | wc -l) -lt 4 ] && [ $$n -lt 1000 ]; do n=$$((n+1)); sleep 0.1; done\n"
        "\t@test $$(ls *.up | wc -l) = 4\n"
    )
    done = subprocess.run(
        ["make", "--no-print-directory", "-j4"],
        check=False,
        cwd=ready.work,
        env=ready.environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_jobserver_of_its_own(ready: Surroundings) -> None:
    """`bwrun -- make -j4` runs four jobs at once."""
    (ready.work / "Makefile").write_text(
        "all: 1 2 3 4\n1 2 3 4:\n"
        "\t@: > $@.up; n=0; while [ $$(ls *.up | wc -l) -lt 4 ] && [ $$n -lt 1000 ]; do n=$$((n+1)); sleep 0.1; done\n"
        "\t@test $$(ls *.up | wc -l) = 4\n"
    )
    done = ready.run("--", "make", "-j4")

    assert (done.status, done.stdout, done.stderr) == (0, "", "")


# Limits, directory, names.


@pytest.mark.parametrize(
    "before",
    [
        [],
        in_shell("ulimit -c 1000; ulimit -n 777; ulimit -s 7000; ulimit -f 100000; ulimit -t 900; umask 0027"),
        ["nice", "-n", "5"],
        in_shell("umask 0777"),
    ],
    ids=["plain", "limits", "nice", "umask 0777"],
)
def test_inherited(ready: Surroundings, before: Sequence[Word]) -> None:
    """Limits, niceness, umask, directory, ids and what the kernel keeps of a process are as without bwrun."""
    bare, under = bare_and_under(ready, before, *PYTHON, SHOW_INHERITED)

    assert b"Max open files" in bare
    assert under.splitlines() == bare.splitlines()


def test_group_and_session(ready: Surroundings) -> None:
    """The command is a child of bwrun in bwrun's own process group and session."""
    with started(ready, "--", "sh", "-c", "ps -o ppid=,pgid=,sid= -p $$", stdout=subprocess.PIPE) as process:
        output, _ = process.communicate(timeout=TIMEOUT)

        assert [int(word) for word in output.split()] == [process.pid] * 3


def test_directory_is_gone(ready: Surroundings) -> None:
    """A working directory that was removed is no problem of bwrun's."""
    (ready.work / "gone").mkdir()
    with started(
        ready, "--", "sh", "-c", "exit 3", before=in_shell("cd gone && rmdir ../gone"), stderr=subprocess.PIPE
    ) as process:
        _, stderr = process.communicate(timeout=TIMEOUT)

    assert process.returncode == 3
    assert b"bwrun" not in stderr


@needs_root
def test_directory_can_be_removed(ready: Surroundings) -> None:
    """While the command runs elsewhere bwrun keeps no directory busy."""
    (ready.work / "here").mkdir()
    moves = 'cd /; : > "$1/up"; while [ ! -e "$1/go" ]; do sleep 0.05; done'
    with started(ready, "--", "sh", "-c", moves, "sh", ready.work, before=in_shell("cd here")) as process:
        wait_until((ready.work / "up").exists)
        family = subprocess.run(
            ["pgrep", "-P", str(process.pid)], check=True, capture_output=True, text=True
        ).stdout.split()
        directories = {str(Path(f"/proc/{pid}/cwd").readlink()) for pid in [str(process.pid), *family]}
        (ready.work / "go").touch()

        assert directories == {"/"}
        assert process.wait(TIMEOUT) == 0


# The environment.


@pytest.mark.parametrize(
    "locale",
    [
        {"LANG": None}, {"LANG": "C"}, {"LANG": "de_DE.ISO-8859-1"}, {"LANG": None, "LC_CTYPE": "POSIX"},
        {"LANG": None, "LC_ALL": "C"}, {"LANG": "nonsense"},
    ],
    ids=str,
)  # fmt: skip
def test_environment(ready: Surroundings, locale: dict[str, str | None]) -> None:
    """Whatever the locale, each variable arrives byte by byte, and none comes along."""
    odd = {"ODD": "gr\udcfcn \udcff", "gr\udcfcn": "1", "EMPTY": "", "LINES": "a\nb", "PYTHONHASHSEED": "1", "_": "x"}
    bare, under = bare_and_under(ready, [], "env", "-0", env={**odd, **locale})
    variables = [{*text.split(b"\0")} for text in (bare, under)]

    assert len(variables[0]) > len(odd)
    assert {v for v in variables[1] if v.partition(b"=")[0] not in SESSION} == {
        v for v in variables[0] if v.partition(b"=")[0] not in OURS
    }


@pytest.mark.parametrize("locale", [{"LANG": "C"}, {"LANG": None}, {"LANG": "nonsense"}], ids=str)
def test_words(ready: Surroundings, locale: dict[str, str | None]) -> None:
    """Whatever the locale, each word of the command arrives byte by byte."""
    words = [b"gr\xfcn", "grün".encode(), b"\xff\xfe", b"", b"a\nb", b"-v"]
    output = output_of(ready, [BWRUN, "--", "printf", r"%s\0", *words], locale)

    assert output.split(b"\0") == [*words, b""]


@pytest.mark.parametrize(
    ("value", "expected"), [("$$", "own"), ("1", "1"), ("", "")], ids=["bwrun's", "another's", "empty"]
)
def test_socket_activation(ready: Surroundings, value: str, expected: str) -> None:
    """A LISTEN_PID that means bwrun (systemd's sockets) means the command afterwards; another stays."""
    show = 'echo "$LISTEN_FDS <$LISTEN_PID>" | sed "s/<$$>/<own>/"'
    before = in_shell(f"LISTEN_PID={value} LISTEN_FDS=1; export LISTEN_PID LISTEN_FDS")

    assert output_of(ready, [*before, BWRUN, "--", "sh", "-c", show]).decode() == f"1 <{expected}>\n"


# Search paths meant for the command.


@pytest.mark.parametrize("path", ["{}", "{}/", "lib", "./lib", "lib:", "/nowhere:{}"])
def test_pythonpath(ready: Surroundings, path: str) -> None:
    """A PYTHONPATH meant for the command shadows no module of bwrun's, and arrives unchanged."""
    library = broken_library(ready.work / "lib")
    path = path.format(library)

    assert ready.run("--", "sh", "-c", 'echo "<$PYTHONPATH>"', env={"PYTHONPATH": path}).stdout == f"<{path}>\n"


def test_working_directory_as_a_library(ready: Surroundings) -> None:
    """Modules that lie in the working directory are not bwrun's, also where it is started by `python -m bwrun`."""
    broken_library(ready.work)
    output = output_of(ready, [sys.executable, "-m", "bwrun", "--", "echo", "ran"])

    assert output == b"ran\n"
    assert ready.run("--", "echo", "ran", env={"PYTHONPATH": ""}).stdout == "ran\n"


def broken_library(folder: Path) -> Path:
    """Fill a folder with modules that end whoever imports them, named as those that bwrun needs."""
    folder.mkdir(exist_ok=True)
    names = (
        "httpx httpcore dotenv cryptography psutil ssl json signal ctypes socket select termios fcntl resource argparse"
    )
    for name in [*names.split(), "typing", "dataclasses", "subprocess", "tempfile", "uuid", "logging", "base64"]:
        (folder / f"{name}.py").write_text(f"raise SystemExit('{name} is not what was meant')\n")
    return folder


# PID 1.


def can_unshare() -> bool:
    """Return whether a PID namespace can be made here."""
    return subprocess.run([*NAMESPACE, "true"], check=False, capture_output=True).returncode == 0


NAMESPACE = ["unshare", "--pid", "--fork", "--mount-proc"]
needs_namespace = pytest.mark.skipif(not can_unshare(), reason="no PID namespace can be made here (root can)")


@needs_namespace
@pytest.mark.parametrize(("script", "status"), [("exit 5", 5), ("kill -TERM $$", 143), ("kill -KILL $$", 137)])
def test_status_as_pid_1(ready: Surroundings, script: str, status: int) -> None:
    """As PID 1 bwrun ends with the command's exit code, and with 128+N where signal N ended it."""
    with started(ready, "--", "sh", "-c", f"[ $PPID = 1 ] && {script}", before=NAMESPACE) as process:
        assert process.wait(TIMEOUT) == status
        assert ready.left() == []


@needs_namespace
def test_signal_to_pid_1(ready: Surroundings) -> None:
    """As PID 1 bwrun passes TERM on to its command, as `docker stop` wants it."""
    with started(
        ready, "--", "sh", "-c", "echo up; exec sleep 600", before=NAMESPACE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        family = subprocess.run(["pgrep", "-P", str(process.pid)], check=True, capture_output=True, text=True).stdout
        os.kill(int(family), 15)

        assert process.wait(TIMEOUT) == 143
        assert ready.left() == []


@needs_namespace
def test_orphans_of_pid_1(ready: Surroundings) -> None:
    """As PID 1 bwrun reaps what others leave behind."""
    script = """\
for i in 1 2 3 4 5; do (sh -c 'exit 3' &) & done; wait
n=0; while ps -eo stat= | grep -q Z && [ $n -lt 1000 ]; do n=$((n+1)); sleep 0.1; done
ps -eo stat= | grep -c Z
"""
    with started(ready, "--", "sh", "-c", script, before=NAMESPACE, stdout=subprocess.PIPE) as process:
        output, _ = process.communicate(timeout=TIMEOUT)

    assert output == b"0\n"


def test_helpers_are_reaped(ready: Surroundings) -> None:
    """Under a parent that never reaps (an application as PID 1), bwrun leaves no zombie of its helpers."""
    parent = """\
import ctypes, os, subprocess, sys
ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER
pid = os.spawnv(os.P_NOWAIT, sys.argv[1], sys.argv[1:])
_, status = os.waitpid(pid, 0)
print(os.waitstatus_to_exitcode(status), open("/proc/self/task/%d/children" % os.getpid()).read().split())
"""
    output = output_of(ready, [*PYTHON, parent, BWRUN, "--", "sh", "-c", "exit 3"])

    assert re.fullmatch(rb"3 \[\]\n", output)
