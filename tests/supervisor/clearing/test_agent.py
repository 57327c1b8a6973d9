"""The ssh-agent of `--ssh-key` is gone when its run is, however that ends."""

from __future__ import annotations

import ctypes
import os
import random
import shutil
import signal
import time
from contextlib import ExitStack

import psutil
import pytest

from tests.server.control import BitwardenServer
from tests.server.faults import Fault, Hang
from tests.supervisor import in_python
from tests.supervisor.clearing import (
    GONE,
    JANITOR,
    RECORDS,
    SLEEP,
    Run,
    end,
    is_alive,
    session_of,
    sweep,
    wait_cleared,
    wait_dead,
)
from tests.support.openssh import tool
from tests.support.program import Surroundings
from tests.support.terminal import wait_until
from tests.support.users import ANOTHER_USER, as_user, needs_root

pytestmark = pytest.mark.timeout(240)

AGENT = "ssh-agent"
TOKEN = "/connect/token"
KEY = ("--ssh-key", "Ed25519")
PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH = 0x4206, 0x4207, 17  # linux/ptrace.h
ALL_KILLED = "ending the agent when supervisor and janitor were killed"
AT_ONCE = 4


@pytest.fixture(scope="module", autouse=True)
def programs() -> None:
    """See that OpenSSH's client is there."""
    for name in ("ssh-add", "ssh-agent", "ssh-keygen"):
        tool(name)


@pytest.mark.parametrize("option", ["--no-session", "--timings"])
@pytest.mark.parametrize("how", ["exit 0", "exit 7", "kill -9 $$", "kill -TERM $$"])
def test_command_ends(with_keys: Surroundings, how: str, option: str) -> None:
    """When a run has ended, its agent has ended too, whatever the command ended by."""
    with Run.start(with_keys, option, *KEY, "--", "sh", "-c", f"echo ready; read -r _ <go; {how}") as run:
        os.mkfifo(with_keys.work / "go")
        run.wait_ready()
        agent = run.named(AGENT)
        (with_keys.work / "go").write_text("\n")
        run.wait()

        assert not is_alive(agent)
        assert with_keys.left() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signal_to_bwrun(with_keys: Surroundings, number: int) -> None:
    """A signal that ends the command by way of bwrun ends the agent."""
    not_ignored = in_python(f"signal.signal({number:d}, signal.SIG_DFL)")  # whatever runs the tests may ignore it
    with Run.start(with_keys, *KEY, "--", *SLEEP, before=not_ignored) as run:
        run.wait_ready()
        agent = run.named(AGENT)
        run.kill(number)

        assert run.wait().status == -number
        assert not is_alive(agent)
        assert with_keys.left() == []


def test_kill_of_bwrun(with_keys: Surroundings) -> None:
    """SIGKILL of bwrun: the command can use its agent until it has ended; then agent and session are gone."""
    script = 'trap "sleep 0.5; ssh-add -L; echo used; exit" TERM; echo ready; while :; do sleep 0.05; done'
    with Run.start(with_keys, *KEY, "--", "sh", "-c", script) as run:
        run.wait_ready()
        agent, janitor = run.named(AGENT), run.named(JANITOR)
        run.kill()
        run.wait()
        wait_dead(agent, janitor)
        wait_cleared(with_keys)

        lines = run.stdout.splitlines()
        assert (lines[0], lines[-1]) == ("ready", "used")
        assert lines[1].startswith("ssh-ed25519 ")


def test_warning_that_nobody_reads(with_keys: Surroundings) -> None:
    """A warning that bwrun cannot write leaves the command alone: the SIGPIPE for it is bwrun's own."""
    broken = in_python("r, w = os.pipe(); os.close(r); os.dup2(w, 2)")
    with Run.start(with_keys, *KEY, "--", *RECORDS, before=list(map(str, broken))) as run:
        run.wait_ready()
        agent = run.named(AGENT)
        agent.kill()
        wait_until(lambda: not agent.is_running(), GONE)
        run.kill(signal.SIGTERM)
        done = run.wait()

    assert (done.status, done.stdout) == (7, f"ready\n{signal.SIGTERM.value}\n")


def test_kill_of_the_janitor(with_keys: Surroundings) -> None:
    """SIGKILL of the janitor: the agent goes on, and ends with its run."""
    with Run.start(with_keys, *KEY, "--", *SLEEP) as run:
        run.wait_ready()
        agent, janitor = run.named(AGENT), run.named(JANITOR)
        janitor.kill()
        wait_dead(janitor)
        assert is_alive(agent)
        run.kill(signal.SIGTERM)
        run.wait()

        assert not is_alive(agent)
        assert with_keys.left() == []


@pytest.mark.linux(ALL_KILLED)
@pytest.mark.parametrize("first", ["bwrun", "janitor"])
def test_kill_of_bwrun_and_janitor(with_keys: Surroundings, first: str) -> None:
    """SIGKILL of both who could end it: the kernel ends the agent, although the command goes on."""
    with Run.start(with_keys, *KEY, "--", *SLEEP) as run:
        run.wait_ready()
        command, agent, janitor = run.first(), run.named(AGENT), run.named(JANITOR)
        both = [run.members()[0], janitor]
        kill_both(*(both if first == "bwrun" else reversed(both)))
        run.wait()
        wait_dead(agent)

        assert is_alive(command)
        command.kill()
        wait_dead(command)
        assert with_keys.run("--clean").status == 0


@pytest.mark.parametrize("killed", [False, pytest.param(True, marks=pytest.mark.linux(ALL_KILLED))])
def test_agent_by_way_of_a_script(with_keys: Surroundings, *, killed: bool) -> None:
    """If a script on PATH starts the agent, both end as the agent does: with the run, or by the kernel."""
    folder = with_keys.home / "bin"
    folder.mkdir()
    (folder / "ssh-agent").write_text(f'#!/bin/sh\n{tool("ssh-agent")} "$@"\nexit 1\n')
    (folder / "ssh-agent").chmod(0o755)
    env = {"PATH": f"{folder}{os.pathsep}{with_keys.environment['PATH']}"}
    with Run.start(with_keys, *KEY, "--", *SLEEP, env=env) as run:
        run.wait_ready()
        command, script, janitor = run.first(), run.named(AGENT), run.named(JANITOR)
        agents = [script, *script.children()]
        if killed:
            kill_both(run.members()[0], janitor)
        else:
            run.kill(signal.SIGTERM)
        run.wait()
        wait_dead(*agents)

        assert len(agents) == 2
        end(command)
        wait_dead(command)
        assert with_keys.run("--clean").status == 0


def kill_both(*processes: psutil.Process) -> None:
    """Kill two processes in this order; neither sees the other's end."""
    for process in processes:
        process.suspend()
    wait_until(lambda: {process.status() for process in processes} == {psutil.STATUS_STOPPED}, GONE)
    for process in processes:
        process.kill()


@pytest.mark.linux(ALL_KILLED)
@needs_root
def test_of_an_ordinary_user(with_keys: Surroundings) -> None:
    """The kernel ends the agent of an ordinary user too, although Debian's ssh-agent is set-group-ID."""
    before = as_user(with_keys, ANOTHER_USER)
    os.chown(with_keys.runtime, ANOTHER_USER, ANOTHER_USER)
    with Run.start(with_keys, *KEY, "--", *SLEEP, before=before) as run:
        run.wait_ready()
        command, agent = run.first(), run.named(AGENT)
        kill_both(run.members()[0], run.named(JANITOR))
        run.wait()
        wait_dead(agent)

        assert agent.uids().real == ANOTHER_USER
        command.kill()
        wait_dead(command)
        shutil.rmtree(session_of(with_keys))


@pytest.mark.linux(ALL_KILLED)
def test_kill_of_everything(with_keys: Surroundings) -> None:
    """SIGKILL of every process of the run one by one leaves no agent, and what lies there the next run sweeps."""
    with Run.start(with_keys, *KEY, "--", *SLEEP) as run:
        run.wait_ready()
        members = run.members()
        assert AGENT in [process.name() for process in members]
        for process in reversed(members):
            end(process)
        run.wait()
        wait_dead(*members)

        assert with_keys.run("--", "true").status == 0
        assert with_keys.left() == []


@pytest.mark.parametrize("whom", ["worker", "bwrun"])
def test_kill_in_the_login(with_keys: Surroundings, server: BitwardenServer, whom: str) -> None:
    """A run that is killed in its login, when the agent listens already, leaves no agent."""
    server.set_fault(Fault(TOKEN, Hang()))
    with Run.start(with_keys, *KEY, "--", "touch", "x") as run:
        agent, worker = run.named(AGENT), run.first()
        wait_until((session_of(with_keys) / "agent").exists, GONE)
        worker.kill() if whom == "worker" else run.kill()
        run.wait()
        wait_dead(agent, worker)
        wait_cleared(with_keys)

        assert not (with_keys.work / "x").exists()


@needs_root
def test_bwrun_hangs(with_keys: Surroundings) -> None:
    """If bwrun does not clear after the command's end, the janitor does, and ends the agent."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Run.start(with_keys, *KEY, "--", *SLEEP) as run:
        run.wait_ready()
        command, agent = run.first(), run.named(AGENT)
        try:
            # A process that is traced and stopped does not go on by SIGCONT.
            assert libc.ptrace(PTRACE_SEIZE, run.pid, None, None) == 0
            assert libc.ptrace(PTRACE_INTERRUPT, run.pid, None, None) == 0
            wait_until(lambda: psutil.Process(run.pid).status() == psutil.STATUS_TRACING_STOP, GONE)
            command.kill()
            wait_cleared(with_keys)
            wait_dead(agent)
        finally:
            libc.ptrace(PTRACE_DETACH, run.pid, None, None)

        assert run.wait().status == -signal.SIGKILL


@pytest.mark.timeout(0)  # as long as --fuzz takes; each wait has its own limit
@pytest.mark.parametrize("whom", ["bwrun", "group", pytest.param("all", marks=pytest.mark.linux(ALL_KILLED))])
def test_random_kills(with_keys: Surroundings, fuzz: int, seed: int, whom: str) -> None:
    """SIGKILL at a random moment, of bwrun, its group or all of the run: no agent and no session are left."""
    print(f"--fuzz-seed={seed}")  # noqa: T201
    chance = random.Random(seed)  # noqa: S311
    started = time.monotonic()
    assert with_keys.run(*KEY, "--", "true").status == 0
    whole_life = (time.monotonic() - started) * AT_ONCE / (os.cpu_count() or 1)
    for _ in range(-(-fuzz // AT_ONCE)):
        with ExitStack() as stack:
            runs = [stack.enter_context(Run.start(with_keys, *KEY, "--", "sleep", "0.2")) for _ in range(AT_ONCE)]
            for run in runs:
                time.sleep(chance.uniform(0, whole_life / 2))
                members = run.members()
                if whom == "all":
                    for process in chance.sample(members, len(members)):
                        end(process)
                elif whom == "group":
                    run.kill_group()
                else:
                    run.kill()
            for run in runs:
                run.wait()
        # (`keeper` sees that no process is left at the end of the test; here no session may be.)
        if whom == "all":
            sweep(with_keys)
        wait_cleared(with_keys)
