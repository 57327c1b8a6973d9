"""Each signal reaches the command once; during login it ends bwrun; none comes between bwrun and its duty."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil
import pytest

from bwrun.supervisor.canary import WINDOW
from tests.server.control import BitwardenServer
from tests.server.faults import Delay, Fault, Hang
from tests.supervisor import (
    EXIT_STATUS,
    SENTINEL,
    TOKEN_PATH,
    Word,
    field_of_status,
    helpers,
    in_python,
    in_shell,
    is_gone,
    kill,
    let_end,
    output_of,
    started,
    state,
    tell,
    wait_for_end,
    wait_for_login,
    watched,
)
from tests.support.program import BWRUN, TIMEOUT, Surroundings
from tests.support.terminal import wait_until

FAULTS = [signal.SIGILL, signal.SIGTRAP, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGSEGV, signal.SIGSYS]
FORWARDED = sorted(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD, SENTINEL})
GROUP = [number for number in FORWARDED if number not in FAULTS]
PROMPTLY = 50.0  # seconds: for a busy machine; a hung login takes the 60 of the default timeout
ALL_FIELDS = ("SigBlk", "SigIgn", "SigCgt", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp")


# While the command runs.


def test_to_bwrun_alone(ready: Surroundings) -> None:
    """Every signal sent to bwrun's pid reaches the command, once; faults, RT signals and SIGPIPE among them."""
    with watched(ready) as (witness, process):
        for count, number in enumerate(FORWARDED, 1):
            os.kill(process.pid, number)
            witness.wait_for(count)

        assert witness.settled() == FORWARDED
        assert let_end(process) == EXIT_STATUS


def test_to_the_group(ready: Surroundings) -> None:
    """A signal that the whole process group gets reaches the command once, not once more through bwrun."""
    with watched(ready) as (witness, process):
        for count, number in enumerate(GROUP, 1):
            os.killpg(process.pid, number)
            witness.wait_for(count)
            witness.settled()

        assert witness.settled() == GROUP
        assert let_end(process) == EXIT_STATUS


def test_fault_to_the_group(ready: Surroundings) -> None:
    """SIGABRT to the group (a watchdog's way) arrives once, and the signals after it too."""
    with watched(ready) as (witness, process):
        for count, number in enumerate((signal.SIGABRT, signal.SIGTERM), 1):
            os.killpg(process.pid, number)
            witness.wait_for(count)
            witness.settled()

        assert witness.settled() == [signal.SIGABRT, signal.SIGTERM]
        assert let_end(process) == EXIT_STATUS


def test_to_every_process(ready: Surroundings) -> None:
    """SIGTERM to each process in any order (systemd stops a service so) reaches the command once each time."""
    seed = time.time_ns()
    order = random.Random(seed)  # noqa: S311  (a test's)
    with watched(ready) as (witness, process):
        pids = [process.pid, *(child.pid for child in psutil.Process(process.pid).children(recursive=True))]
        assert len(pids) == 4
        for count in range(1, 13):
            for pid in order.sample(pids, len(pids)):
                os.kill(pid, signal.SIGTERM)
            witness.wait_for(count)
            witness.settled()

        assert witness.settled() == [signal.SIGTERM] * 12, f"seed {seed}"
        assert let_end(process) == EXIT_STATUS


def test_canary_without_a_core(ready: Surroundings) -> None:
    """On a machine so busy that the canary has no turn for a while, what the group got arrives once all the same."""
    with watched(ready) as (witness, process):
        canary = helpers(process.pid)["signal-canary"]
        canary.suspend()
        wait_until(lambda: canary.status() == psutil.STATUS_STOPPED)
        os.killpg(process.pid, signal.SIGTERM)
        witness.wait_for(1)
        time.sleep(4 * WINDOW)  # the machine is busy
        canary.resume()

        assert witness.settled() == [signal.SIGTERM]
        assert let_end(process) == EXIT_STATUS


def test_bwrun_without_a_core(ready: Surroundings) -> None:
    """The same where bwrun itself has no turn for a while."""
    with watched(ready) as (witness, process):
        os.kill(process.pid, signal.SIGSTOP)
        wait_until(lambda: state(process.pid) == psutil.STATUS_STOPPED)
        os.killpg(process.pid, signal.SIGTERM)
        witness.wait_for(1)
        time.sleep(4 * WINDOW)  # the machine is busy
        os.kill(process.pid, signal.SIGCONT)

        assert sorted(witness.settled()) == [signal.SIGTERM, signal.SIGCONT]
        assert let_end(process) == EXIT_STATUS


@pytest.mark.parametrize(
    ("options", "expected"), [([], [signal.SIGINT, signal.SIGCONT]), (["--foreground"], [signal.SIGINT])]
)
def test_under_timeout(ready: Surroundings, options: list[str], expected: list[int]) -> None:
    """`timeout -s INT bwrun -- …` interrupts the command once: terraform gives up at the second time."""
    with watched(ready, before=["timeout", *options, "-s", "INT", "1000"]) as (witness, process):
        os.kill(process.pid, signal.SIGALRM)  # the time is over
        witness.wait_for(len(expected))

        assert sorted(witness.settled()) == sorted(expected)
        assert let_end(process) == 124


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_no_escalation(ready: Surroundings, number: int) -> None:
    """The second and third TERM or INT are passed on as the first was, and the command decides."""
    with watched(ready) as (witness, process):
        for count in (1, 2, 3):
            os.kill(process.pid, number)
            witness.wait_for(count)

        assert witness.settled() == [number] * 3
        assert let_end(process) == EXIT_STATUS


def test_command_signals_its_group(ready: Surroundings) -> None:
    """A command that does `kill 0` gets that signal once, and bwrun survives it."""
    with watched(ready) as (witness, process):
        tell(process, f"group {signal.SIGTERM.value}")
        witness.wait_for(1)

        assert witness.settled() == [signal.SIGTERM]
        assert let_end(process) == EXIT_STATUS


@pytest.mark.linux("who sent a signal")
def test_command_signals_bwrun(ready: Surroundings) -> None:
    """What the command sends to bwrun, its parent, is not sent back to it."""
    with watched(ready) as (witness, process):
        tell(process, f"parent {signal.SIGUSR1.value}")
        tell(process, f"parent {signal.SIGTERM.value}")
        os.kill(process.pid, signal.SIGUSR2)
        wait_until(lambda: signal.SIGUSR2 in witness.signals())

        assert witness.settled() == [signal.SIGUSR2]
        assert let_end(process) == EXIT_STATUS


@pytest.mark.parametrize(
    "script", ["trap 'kill 0' EXIT; exit 5", "trap '' TERM; trap 'kill 0' EXIT; exit 5", "kill -INT 0; exit 5"]
)
def test_scripts_that_end_their_group(ready: Surroundings, script: str) -> None:
    """A script that ends with `kill 0` ends as it does without bwrun."""
    with subprocess.Popen(["sh", "-c", script], start_new_session=True) as bare:
        expected = bare.wait(TIMEOUT)

    assert ready.run("--", "sh", "-c", script).status == expected


def test_sigpipe_to_bwrun(ready: Surroundings) -> None:
    """SIGPIPE sent to bwrun does not end it before it has cleared: the command gets it and decides."""
    with started(ready, "--", "sleep", "600") as process:
        wait_until(lambda: any(child.name() == "sleep" for child in psutil.Process(process.pid).children()))
        os.kill(process.pid, signal.SIGPIPE)

        assert process.wait(TIMEOUT) == -signal.SIGPIPE
        assert ready.left() == []


# During login.


@pytest.mark.parametrize(
    ("number", "send"),
    [
        (signal.SIGHUP, os.kill), (signal.SIGINT, os.kill), (signal.SIGQUIT, os.kill), (signal.SIGTERM, os.kill),
        (signal.SIGUSR1, os.kill), (signal.SIGALRM, os.kill), (signal.SIGSEGV, os.kill), (SENTINEL, os.kill),
        (signal.SIGINT, os.killpg), (signal.SIGTERM, os.killpg),
    ],
)  # fmt: skip
def test_ends_a_hung_login(
    ready: Surroundings, server: BitwardenServer, number: int, send: Callable[[int, int], None]
) -> None:
    """A signal during a login that hangs ends bwrun promptly by that signal; no process and no session is left."""
    server.set_fault(Fault(TOKEN_PATH, Hang()))
    with started(ready, "--", "touch", "started", stderr=subprocess.PIPE) as process:
        wait_for_login(server)
        children = psutil.Process(process.pid).children(recursive=True)
        sent = time.monotonic()
        send(process.pid, number)
        _, stderr = process.communicate(timeout=TIMEOUT)

        assert process.returncode == -number
        assert time.monotonic() - sent < PROMPTLY
        assert stderr == b""
        assert len(children) == 3
        assert all(map(is_gone, children))
        assert ready.left() == []
    assert not (ready.work / "started").exists()


def test_ignored_signals_do_not_end_a_login(ready: Surroundings, server: BitwardenServer) -> None:
    """HUP and INT that the caller ignores (nohup, a background job) do not end a login; the command runs."""
    server.set_fault(Fault(TOKEN_PATH, Delay(1000)))
    with started(ready, "--", "sh", "-c", "exit 3", before=in_shell("trap '' HUP INT")) as process:
        wait_for_login(server)
        for number in (signal.SIGHUP, signal.SIGINT):
            os.kill(process.pid, number)
            os.killpg(process.pid, number)

        assert process.wait(TIMEOUT) == 3


def test_harmless_signals_do_not_end_a_login(ready: Surroundings, server: BitwardenServer) -> None:
    """WINCH, CONT, URG and CHLD during login change nothing, sent to bwrun or to the group."""
    server.set_fault(Fault(TOKEN_PATH, Delay(1000)))
    with started(ready, "--", "sh", "-c", "exit 3") as process:
        wait_for_login(server)
        for number in (signal.SIGWINCH, signal.SIGCONT, signal.SIGURG, signal.SIGCHLD):
            os.kill(process.pid, number)
            os.killpg(process.pid, number)

        assert process.wait(TIMEOUT) == 3


def test_stopped_login_goes_on(ready: Surroundings, server: BitwardenServer) -> None:
    """A login whose whole group was stopped and continued goes on, and the command runs."""
    server.set_fault(Fault(TOKEN_PATH, Delay(1500)))
    with started(ready, "--", "sh", "-c", "exit 3") as process:
        wait_for_login(server)
        os.killpg(process.pid, signal.SIGSTOP)
        wait_until(lambda: state(process.pid) == psutil.STATUS_STOPPED)
        os.killpg(process.pid, signal.SIGCONT)

        assert process.wait(TIMEOUT) == 3


@pytest.mark.parametrize("delay", [5, 20, 50, 90, 140, 200, 280, 400])
def test_term_at_any_moment(ready: Surroundings, delay: int) -> None:
    """A TERM at any moment of a start ends the run by SIGTERM, whether a command is there yet or not."""
    with started(ready, "--", "sleep", "600") as process:
        time.sleep(delay / 1000)  # not a wait for something: the moment is the case
        process.terminate()

        assert process.wait(TIMEOUT) == -signal.SIGTERM
        assert ready.left() == []


def test_term_at_many_moments(thorough: None, ready: Surroundings) -> None:
    """The same at a hundred moments, to the pid and to the group."""
    for step in range(100):
        with started(ready, "--", "sleep", "600") as process:
            time.sleep(step * 0.006)
            (os.killpg if step % 2 else os.kill)(process.pid, signal.SIGTERM)

            assert process.wait(TIMEOUT) == -signal.SIGTERM, step
            assert ready.left() == []


def test_during_clearing(ready: Surroundings) -> None:
    """A signal while the session is being removed does not interrupt that, and does not change the status."""
    fill = "i=0; cd $BITWARDENCLI_APPDATA_DIR; while [ $i -lt 5000 ]; do i=$((i+1)); : > $i; done; exit 5"
    with started(ready, "--", "sh", "-c", f"while [ ! -e go ]; do sleep 0.05; done; {fill}") as process:
        wait_until(lambda: "sh" in helpers(process.pid))
        command = helpers(process.pid)["sh"]
        (ready.work / "go").touch()
        wait_for_end(command)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            process.send_signal(number)

        assert process.wait(TIMEOUT) == 5
        assert ready.left() == []


# What the command inherits.


@pytest.mark.parametrize(
    "before",
    [
        in_python("pass"),
        in_python("signal.pthread_sigmask(signal.SIG_BLOCK, {10, 15, 40, 64, 17})"),
        in_python("[signal.signal(n, signal.SIG_IGN) for n in (1, 2, 3, 15, 17, 20, 21, 22, 40)]"),
        ["nohup"],
        in_shell('"$@" & wait'),
    ],
    ids=["plain", "blocked", "ignored", "nohup", "background"],
)
def test_mask_and_dispositions(ready: Surroundings, before: Sequence[Word]) -> None:
    """Mask, ignored signals, capabilities and the like are in the command as they are without bwrun."""
    words = ["cat", "/proc/self/status"]
    outputs = [output_of(ready, [*before, *words]), output_of(ready, [*before, BWRUN, "--", *words])]

    fields = [
        [line for line in output.decode().splitlines() if line.partition(":")[0] in ALL_FIELDS] for output in outputs
    ]
    assert len(fields[0]) >= 6
    assert fields[1] == fields[0]


def test_caller_ignores_sigchld(ready: Surroundings) -> None:
    """Under a caller that ignores SIGCHLD the status is still the command's."""
    ignoring = in_python("signal.signal(signal.SIGCHLD, signal.SIG_IGN)")
    with started(ready, "--", "sh", "-c", "exit 5", before=ignoring) as process:
        assert process.wait(TIMEOUT) == 5


def test_sigpipe(ready: Surroundings) -> None:
    """A command whose reader has gone dies of SIGPIPE, as it should."""
    with started(ready, "--", "yes", stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.read(2) == b"y\n"
        process.stdout.close()

        assert process.wait(TIMEOUT) == -signal.SIGPIPE


def test_nohup(ready: Surroundings) -> None:
    """Under nohup neither bwrun nor the command is ended by SIGHUP, sent to it or to its group."""
    waits = "echo up; while [ ! -e go ]; do sleep 0.05; done; exit 3"
    with started(ready, "--", "sh", "-c", waits, before=["nohup"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        os.kill(process.pid, signal.SIGHUP)
        os.killpg(process.pid, signal.SIGHUP)
        (ready.work / "go").touch()

        assert process.wait(TIMEOUT) == 3


# --kill-after.


@pytest.mark.parametrize(
    ("number", "send"),
    [(signal.SIGTERM, os.kill), (signal.SIGINT, os.kill), (signal.SIGHUP, os.kill), (signal.SIGTERM, os.killpg)],
)
def test_kill_after(ready: Surroundings, number: int, send: Callable[[int, int], None]) -> None:
    """With --kill-after a command that goes on after TERM, INT or HUP is killed so much later, not before."""
    with watched(ready, "--kill-after", "0.7") as (witness, process):
        sent = time.monotonic()
        send(process.pid, number)

        assert process.wait(TIMEOUT) == -signal.SIGKILL
        assert time.monotonic() - sent >= 0.7
        assert witness.signals() == [number]


def test_kill_after_other_signals(ready: Surroundings) -> None:
    """The time of --kill-after does not start with any other signal."""
    with watched(ready, "--kill-after", "0.001") as (witness, process):
        for number in (signal.SIGUSR1, signal.SIGWINCH, signal.SIGQUIT, signal.SIGCONT):
            os.kill(process.pid, number)

        assert sorted(witness.settled()) == [3, 10, 18, 28]
        assert let_end(process) == EXIT_STATUS


def test_kill_after_an_end_in_time(ready: Surroundings) -> None:
    """A command that ends in time after TERM ends with its own status, and bwrun does not wait longer."""
    with watched(ready, "--kill-after", "1000") as (witness, process):
        os.kill(process.pid, signal.SIGTERM)
        witness.wait_for(1)

        assert let_end(process) == EXIT_STATUS


# Without a terminal nothing is mirrored.


def test_command_is_stopped_without_a_terminal(ready: Surroundings) -> None:
    """A stopped command is not an end: without a terminal bwrun stays up, waits, and passes signals on."""
    with watched(ready) as (witness, process):
        os.kill(witness.pid, signal.SIGSTOP)
        wait_until(lambda: state(witness.pid) == psutil.STATUS_STOPPED)
        os.kill(process.pid, SENTINEL)
        # The sentinel has the highest number: when it is there, bwrun has dealt with SIGCHLD.
        wait_until(lambda: int(field_of_status(witness.pid, "ShdPnd"), 16) >> (SENTINEL - 1) & 1)

        assert state(process.pid) != psutil.STATUS_STOPPED
        os.kill(process.pid, signal.SIGCONT)
        assert let_end(process) == EXIT_STATUS


def test_stopped_bwrun_is_woken(ready: Surroundings) -> None:
    """A bwrun that was stopped while its command ended is woken, clears, and ends as the command did."""
    with watched(ready) as (_, process):
        os.kill(process.pid, signal.SIGSTOP)
        wait_until(lambda: state(process.pid) == psutil.STATUS_STOPPED)

        assert let_end(process) == EXIT_STATUS
        assert ready.left() == []


# SIGKILL.


def end_of(process: subprocess.Popen[bytes], witness_pid: int, surroundings: Surroundings) -> None:
    """Wait until a killed run has nothing left: command, directory, helpers."""
    assert process.wait(TIMEOUT) == -signal.SIGKILL
    wait_until(lambda: not psutil.pid_exists(witness_pid))
    wait_until(lambda: surroundings.left() == [])


def test_kill_of_bwrun(ready: Surroundings) -> None:
    """`kill -9` of bwrun: the command gets TERM and CONT, and when it ends the session and all helpers are gone."""
    with watched(ready) as (witness, process):
        pid, children = witness.pid, helpers(process.pid)
        os.kill(process.pid, signal.SIGKILL)
        witness.wait_for(2)

        assert sorted(witness.signals()) == [signal.SIGTERM, signal.SIGCONT]
        tell(process, "exit 0")
        end_of(process, pid, ready)
        for child in children.values():
            wait_for_end(child)


def test_kill_of_bwrun_under_a_stubborn_command(ready: Surroundings) -> None:
    """`kill -9` of bwrun: a command that ignores TERM is killed 5 s later."""
    with watched(ready) as (witness, process):
        pid = witness.pid
        sent = time.monotonic()
        os.kill(process.pid, signal.SIGKILL)
        end_of(process, pid, ready)

        assert time.monotonic() - sent > 4.9


def test_kill_of_bwrun_over_a_stopped_command(ready: Surroundings) -> None:
    """`kill -9` of bwrun: a stopped command is woken to get its TERM, and ends of that, not of a later KILL."""
    script = "trap 'echo TERM > told; exit' TERM; echo up > up; while :; do sleep 0.1; done"
    with started(ready, "--", "sh", "-c", script) as process:
        wait_until((ready.work / "up").exists)
        command = helpers(process.pid)["sh"]
        command.suspend()
        wait_until(lambda: command.status() == psutil.STATUS_STOPPED)
        os.kill(process.pid, signal.SIGKILL)
        end_of(process, command.pid, ready)

        assert (ready.work / "told").read_text() == "TERM\n"


@pytest.mark.linux("names of processes")
@pytest.mark.parametrize("who", ["group", "session", "name"])
def test_kill_of_many(ready: Surroundings, who: str) -> None:
    """`kill -9` of the process group, of the session, or of all that is called bwrun: the session is gone."""
    with started(ready, "--", "sleep", "600") as process:
        wait_until(lambda: "sleep" in helpers(process.pid))
        run = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        command = helpers(process.pid)["sleep"]
        if who == "group":
            os.killpg(process.pid, signal.SIGKILL)
        elif who == "session":
            for one in run:
                if os.getsid(one.pid) == process.pid:
                    kill(one)
        else:
            # All are chosen before the first is killed, as pkill does.
            for one in [one for one in run if "bwrun" in one.name() or "bwrun" in " ".join(one.cmdline())]:
                kill(one)
        end_of(process, command.pid, ready)


def test_kill_during_login(ready: Surroundings, server: BitwardenServer) -> None:
    """`kill -9` of bwrun during login ends the login, and nothing is left."""
    server.set_fault(Fault(TOKEN_PATH, Hang()))
    with started(ready, "--", "true") as process:
        wait_for_login(server)
        children = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        for child in children:
            wait_for_end(child)

        assert ready.left() == []


@pytest.mark.parametrize("name", ["signal-canary", "session-janitor"])
def test_kill_of_a_helper(ready: Surroundings, name: str) -> None:
    """Without its canary or its janitor bwrun still passes signals on, clears, and ends as the command."""
    with watched(ready) as (witness, process):
        helper = helpers(process.pid)[name]
        helper.kill()
        wait_for_end(helper)
        os.kill(process.pid, signal.SIGTERM)
        witness.wait_for(1)

        assert witness.settled() == [signal.SIGTERM]
        assert let_end(process) == EXIT_STATUS
        assert ready.left() == []
    assert is_gone(helper)


def test_next_run_sweeps(ready: Surroundings) -> None:
    """What lies there after a `kill -9` of everything is gone after the next run."""
    with watched(ready) as (_, process):
        run = psutil.Process(process.pid)
        every = [helpers(process.pid)["session-janitor"], run, *run.children(recursive=True)]
        for one in every:
            kill(one)
        for one in every:
            wait_for_end(one)
        process.wait(TIMEOUT)
        left = ready.left()

        assert [Path(name).suffixes[0] for name in left] == [f".{process.pid}"]
        assert ready.run("--", "true").status == 0
        assert ready.left() == []
