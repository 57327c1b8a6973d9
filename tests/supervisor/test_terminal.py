"""On a real terminal, under an interactive shell: Ctrl-C, Ctrl-Z, fg, background jobs, a line that hangs up."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from bwrun.supervisor.canary import WINDOW
from tests.server.control import BitwardenServer
from tests.server.faults import Delay, Fault, Hang
from tests.supervisor import EXIT_STATUS, TOKEN_PATH, Witness, helpers, state, wait_for_login
from tests.support.program import BWRUN, Surroundings
from tests.support.pty_session import CTRL_BACKSLASH, CTRL_C, CTRL_D, CTRL_Z, Line, Shell
from tests.support.terminal import TIMEOUT, wait_until

UP = "sh -c 'echo u''p; exec sleep 600'"  # shows `up`, which its own line does not
STATUS = 'echo "<$?>"'


@pytest.fixture
def bash(ready: Surroundings) -> Iterator[Shell]:
    """Give an interactive bash on a terminal of its own."""
    with Shell.open(ready) as shell:
        yield shell


@pytest.fixture
def witness(bash: Shell, ready: Surroundings) -> Witness:
    """Run a command in the shell's foreground that catches every signal."""
    witness = Witness(ready.work / "signals")
    bash.type(f"bwrun -- {' '.join(map(str, witness.words))}\n")
    witness.wait()
    return witness


def let_end(bash: Shell) -> str:
    """Tell the witness to end; return the status that the shell sees."""
    bash.type(f"exit {EXIT_STATUS}\n")
    bash.prompt()
    return bash.ask(STATUS)


def end_by_key(bash: Shell, key: str) -> str:
    """Run `sleep` under bwrun, press a key; return the status that the shell sees."""
    bash.type(f"bwrun -- {UP}\n")
    bash.wait_for("\nup\n")
    bash.type(key)
    bash.prompt()
    return bash.ask(STATUS)


# Keys.


@pytest.mark.parametrize(("key", "status"), [(CTRL_C, "<130>"), (CTRL_BACKSLASH, "<131>")], ids=["^C", "^\\"])
def test_key_that_ends(bash: Shell, ready: Surroundings, key: str, status: str) -> None:
    r"""Ctrl-C and Ctrl-\ end a command that does not catch them, bwrun as well, and nothing is left."""
    assert end_by_key(bash, key) == status
    assert ready.left() == []


def test_double_interrupt(bash: Shell, witness: Witness) -> None:
    """Each Ctrl-C reaches the command once, and the second is no other than the first."""
    for count in (1, 2, 3):
        bash.type(CTRL_C)
        witness.wait_for(count)

    assert witness.settled() == [signal.SIGINT] * 3
    assert let_end(bash) == f"<{EXIT_STATUS}>"


@pytest.mark.parametrize("key", [CTRL_C, CTRL_BACKSLASH], ids=["^C", "^\\"])
def test_key_and_then_kill(bash: Shell, witness: Witness, key: str) -> None:
    """A signal sent to bwrun alone is not taken for the one that a key sent to the group before."""
    number = signal.SIGINT if key == CTRL_C else signal.SIGQUIT
    for count in (1, 3, 5):
        bash.type(key)
        witness.wait_for(count)
        witness.settled()  # bwrun has dealt with it
        time.sleep(3 * WINDOW)  # within the window the two would be one event
        os.kill(witness.bwrun, number)
        witness.wait_for(count + 1)
        witness.settled()
        time.sleep(3 * WINDOW)

    assert witness.settled() == [number] * 6
    assert let_end(bash) == f"<{EXIT_STATUS}>"


def test_command_handles_interrupt(bash: Shell) -> None:
    """A command that takes its time after Ctrl-C and ends with 0 is waited for, and bwrun ends with 0."""
    bash.type(
        "bwrun -- sh -c 'trap \"sleep 0.5; echo tid''ied; exit 0\" INT; echo u''p; while :; do sleep 0.1; done'\n"
    )
    bash.wait_for("\nup\n")
    bash.type(CTRL_C)
    bash.prompt()

    assert "tidied" in bash.screen
    assert bash.ask(STATUS) == "<0>"


def test_interrupt_ends_a_loop(bash: Shell) -> None:
    """Ctrl-C in a loop of the shell ends the loop: the shell sees that the command died of it."""
    bash.type(f"for i in 1 2 3; do echo rou''nd; bwrun -- {UP}; done\n")
    bash.wait_for("\nup\n")
    bash.type(CTRL_C)
    bash.prompt()

    assert bash.ask(STATUS) == "<130>"
    assert bash.screen.count("round") == 1


def test_interrupt_ends_a_script(bash: Shell, ready: Surroundings) -> None:
    """Ctrl-C ends a script that called bwrun, at that line."""
    (ready.work / "script").write_text(f"bwrun -- {UP}\necho af''ter\n")
    bash.type("sh script\n")
    bash.wait_for("\nup\n")
    bash.type(CTRL_C)
    bash.prompt()

    assert bash.ask(STATUS) == "<130>"
    assert "after" not in bash.screen


@pytest.mark.parametrize(("key", "status"), [(CTRL_C, "<130>"), (CTRL_BACKSLASH, "<131>")], ids=["^C", "^\\"])
def test_key_during_login(bash: Shell, server: BitwardenServer, ready: Surroundings, key: str, status: str) -> None:
    r"""Ctrl-C and Ctrl-\ end a login that hangs, with nothing said and nothing left."""
    server.set_fault(Fault(TOKEN_PATH, Hang()))
    bash.type("bwrun -- true\n")
    wait_for_login(server)
    bash.type(key)
    bash.prompt()

    assert "bwrun:" not in bash.screen
    assert bash.ask(STATUS) == status
    assert ready.left() == []


# Stopping and going on.


def test_stop_and_go_on(bash: Shell, ready: Surroundings) -> None:
    """Ctrl-Z brings the shell's prompt back, `fg` goes on, and the status is the command's."""
    stop_a_job(bash, ready)
    assert "Stopped" in bash.run("jobs")
    bash.type("fg\n")
    wait_until(lambda: foreground_runs(bash))
    (ready.work / "go").write_text("go\n")
    bash.prompt()

    assert bash.ask(STATUS) == "<3>"


def stop_a_job(bash: Shell, ready: Surroundings) -> None:
    """Start a job that waits until something is written to the file `go`, and stop it."""
    os.mkfifo(ready.work / "go")
    bash.type("bwrun -- sh -c 'echo u''p; read line < go; exit 3'\n")
    bash.wait_for("\nup\n")
    bash.type(CTRL_Z)
    bash.prompt()


def test_stop_looks_as_without_bwrun(bash: Shell) -> None:
    """What the shell says of a stopped job and its status are those of a job without bwrun."""
    said: list[str] = []
    for prefix in ("", "bwrun -- "):
        bash.type(prefix + UP + "\n")
        bash.wait_for("\nup\n", times=len(said) // 2 + 1)
        bash.type(CTRL_Z)
        bash.prompt()
        said += [bash.ask(STATUS), bash.run("jobs %%").partition("   ")[0].strip()[4:]]

    assert said[2:] == said[:2]


def test_stop_again_and_again(bash: Shell) -> None:
    """Ctrl-Z and `fg` work as often as one likes, and Ctrl-C still works afterwards."""
    bash.type(f"bwrun -- {UP}\n")
    bash.wait_for("\nup\n")
    for _ in range(4):
        bash.type(CTRL_Z)
        bash.prompt()
        bash.type("fg\n")
        wait_until(lambda: foreground_runs(bash))
    bash.type(CTRL_C)
    bash.prompt()

    assert bash.ask(STATUS) == "<130>"


def foreground_runs(bash: Shell) -> bool:
    """Return whether the shell has a child, and neither it nor what it runs is stopped."""
    processes = psutil.Process(bash.process.pid).children(recursive=True)
    return bool(processes) and all(process.status() != psutil.STATUS_STOPPED for process in processes)


def test_stop_in_the_background(bash: Shell, ready: Surroundings) -> None:
    """A job that was stopped goes on in the background with `bg`, to its end."""
    stop_a_job(bash, ready)
    bash.run("bg")
    (ready.work / "go").write_text("go\n")
    bash.run("wait %1")

    assert bash.ask(STATUS) == "<3>"


def test_command_catches_the_stop(bash: Shell, witness: Witness) -> None:
    """Ctrl-Z under a command that handles it stops nothing: two would read from one terminal otherwise."""
    bash.type(CTRL_Z)
    witness.wait_for(1)

    assert witness.settled() == [signal.SIGTSTP]
    assert state(witness.bwrun) != psutil.STATUS_STOPPED
    assert let_end(bash) == f"<{EXIT_STATUS}>"


def test_command_is_stopped(bash: Shell, witness: Witness) -> None:
    """A command that is stopped by `kill -STOP` stops bwrun with it; `fg` continues both, with one SIGCONT."""
    os.kill(witness.pid, signal.SIGSTOP)
    bash.prompt()
    assert "Stopped" in bash.run("jobs")
    assert state(witness.bwrun) == psutil.STATUS_STOPPED
    bash.type("fg\n")
    witness.wait_for(1)

    assert witness.settled() == [signal.SIGCONT]
    assert let_end(bash) == f"<{EXIT_STATUS}>"


def test_stop_during_login(bash: Shell, server: BitwardenServer) -> None:
    """Ctrl-Z stops a login, `fg` goes on with it, and the command runs."""
    server.set_fault(Fault(TOKEN_PATH, Delay(1500)))
    bash.type("bwrun -- sh -c 'echo ra''n; exit 3'\n")
    wait_for_login(server)
    bash.type(CTRL_Z)
    bash.prompt()
    assert "Stopped" in bash.run("jobs")
    bash.run("fg")

    assert "ran" in bash.screen
    assert bash.ask(STATUS) == "<3>"


# Background, pipes, shells within.


def test_background_job_reads(bash: Shell) -> None:
    """A job in the background that reads from the terminal is stopped; in the foreground it gets its line."""
    bash.run("bwrun -- sh -c 'read line; echo \"<$line>\"' &")
    shell = psutil.Process(bash.process.pid)
    wait_until(lambda: [child.status() for child in shell.children()] == [psutil.STATUS_STOPPED])
    assert "Stopped" in bash.run("jobs")
    bash.type("fg\n")
    wait_until(lambda: foreground_runs(bash))
    bash.type("hello\n")
    bash.wait_for("<hello>")
    bash.prompt()

    assert bash.ask(STATUS) == "<0>"


def test_pipe_to_a_reader_of_the_terminal(bash: Shell) -> None:
    """`bwrun -- cmd | less`: the pager behind bwrun can read from the terminal."""
    bash.type("bwrun -- echo data | sh -c 'read data; echo u''p; read key < /dev/tty; echo \"<$data $key>\"'\n")
    bash.wait_for("\nup\n")
    bash.type("key\n")
    bash.prompt()

    assert "<data key>" in bash.screen


def test_shell_within(bash: Shell) -> None:
    """An interactive shell as the command has its own job control, and its status is handed on."""
    bash.run("bwrun -- bash --noprofile --norc --noediting -i")
    bash.type(UP + "\n")
    bash.wait_for("\nup\n")
    bash.type(CTRL_Z)
    bash.prompt()
    assert "Stopped" in bash.run("jobs")
    bash.type("fg\n")
    wait_until(lambda: foreground_runs(bash))
    bash.type(CTRL_C)
    bash.prompt()
    assert bash.ask(STATUS) == "<130>"
    assert bash.run("exit 9").split("\n")[-2] == "exit"
    assert bash.ask(STATUS) == "<9>"


def test_input_is_the_commands(bash: Shell) -> None:
    """What is typed ahead while the login runs is read by the command, to the end that Ctrl-D makes."""
    bash.type("bwrun -- cat\n")
    bash.type("typed ahead\n" + CTRL_D)
    bash.prompt()

    assert bash.screen.count("typed ahead\n") == 2
    assert bash.ask(STATUS) == "<0>"


def test_resize(bash: Shell, witness: Witness) -> None:
    """A window that changes its size tells the command once."""
    bash.resize(30, 100)
    witness.wait_for(1)
    bash.resize(31, 101)
    witness.wait_for(2)

    assert witness.settled() == [signal.SIGWINCH] * 2
    assert let_end(bash) == f"<{EXIT_STATUS}>"


# The line hangs up.


def test_hang_up_of_the_session_leader(ready: Surroundings) -> None:
    """Where bwrun leads the session (`ssh -t host bwrun …`) the hang-up reaches it alone, and is passed on."""
    witness = Witness(ready.work / "signals")
    with Line.start([BWRUN, "--", *witness.words], ready.environment, ready.work) as line:
        assert isinstance(line, Line)
        witness.wait()
        line.hang_up()
        wait_until(lambda: signal.SIGHUP in witness.signals())

        assert sorted(witness.settled()) == [signal.SIGHUP, signal.SIGCONT]
        os.kill(witness.pid, signal.SIGKILL)
        assert line.process.wait(TIMEOUT) == -signal.SIGKILL
    assert ready.left() == []


def test_hang_up_ends_the_session(ready: Surroundings) -> None:
    """Where bwrun leads the session, a command that does not catch the hang-up dies of it, and so does bwrun."""
    with Line.start([BWRUN, "--", *UP_AND_WAIT], ready.environment, ready.work) as line:
        assert isinstance(line, Line)
        line.wait_for("up\n")
        line.hang_up()

        assert line.process.wait(TIMEOUT) == -signal.SIGHUP
        assert ready.left() == []


UP_AND_WAIT = ["sh", "-c", "echo up; exec sleep 600"]


def test_hang_up_during_login(ready: Surroundings, server: BitwardenServer) -> None:
    """A line that hangs up during login ends bwrun, and nothing is left."""
    server.set_fault(Fault(TOKEN_PATH, Hang()))
    with Line.start([BWRUN, "--", "true"], ready.environment, ready.work) as line:
        assert isinstance(line, Line)
        wait_for_login(server)
        line.hang_up()

        assert line.process.wait(TIMEOUT) == -signal.SIGHUP
        assert ready.left() == []


@pytest.mark.parametrize("ampersand", ["", " &"], ids=["foreground", "background"])
def test_hang_up_of_a_shell(bash: Shell, ready: Surroundings, ampersand: str) -> None:
    """A shell whose line hangs up takes its jobs with it: command and bwrun end, the session is gone."""
    bash.type(f"bwrun -- {UP}{ampersand}\n")
    bash.wait_for("up\n")
    run = psutil.Process(bash.process.pid).children(recursive=True)
    assert len(run) == 4
    bash.hang_up()

    wait_until(lambda: not any(process.is_running() for process in run))
    assert ready.left() == []


def test_nohup_outlives_the_terminal(bash: Shell, ready: Surroundings) -> None:
    """`nohup bwrun … &` goes on after the terminal has gone, and is cleared at its end."""
    bash.run(
        "nohup bwrun -- sh -c 'echo > up; while [ ! -e go ]; do sleep 0.05; done; echo ran > out' > /dev/null 2>&1 &"
    )
    wait_until((ready.work / "up").exists)
    (bwrun,) = psutil.Process(bash.process.pid).children()
    assert "sh" in helpers(bwrun.pid)
    bash.hang_up()
    bash.process.wait(TIMEOUT)
    (ready.work / "go").touch()

    wait_until(lambda: not bwrun.is_running())
    assert (Path(ready.work) / "out").read_text() == "ran\n"
    assert ready.left() == []
