r"""`bwrun --mask` on a real terminal: prompts, full-screen programs, job control, window size, mixed outputs."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Iterator

import psutil
import pytest

from tests.conftest import CHEAP
from tests.server.control import Account, BitwardenServer
from tests.server.specs import AccountSpec, ItemSpec, Login
from tests.support.needs import unavailable
from tests.support.program import BWRUN, Surroundings
from tests.support.pty_session import CTRL_C, CTRL_D, CTRL_Z, Shell
from tests.support.terminal import Terminal, wait_until

pytestmark = pytest.mark.linux("a terminal for the command")

MASK = "<concealed by bwrun>"
SECRET = "hunter2!swordfish"
PYTHON = sys.executable
# Is there all that a program can ask of its terminal, and is it one terminal?
LOOK = (
    "import os, termios; print('kinds', [os.isatty(n) for n in (0, 1, 2)], os.ttyname(0) == os.ttyname(2),"
    " os.tcgetpgrp(1) == os.getpgrp(), os.open('/dev/tty', os.O_RDWR) > 2, os.get_terminal_size(1))"
)


@pytest.fixture(scope="module")
def vault(server: BitwardenServer) -> Account:
    """Make an account with one secret."""
    item = ItemSpec("prod-db", Login(username="deploy", password=SECRET))
    return server.add_account(AccountSpec("tty@example.com", "correct horse", kdf=CHEAP, items=(item,)))


@pytest.fixture
def shell(run_in: Surroundings) -> Iterator[Shell]:
    """Give an interactive bash, in which bwrun masks and `$PW` is the secret for it."""
    run_in.environment |= {"PW": "bw://prod-db/password", "BWRUN_MASK": "1", "TERM": "xterm", "PYTHON": PYTHON}
    with Shell.open(run_in) as one:
        one.resize(33, 111)
        yield one


def program(name: str) -> None:
    """Skip the test if a program is not installed."""
    if shutil.which(name) is None:
        unavailable(f"{name} is not installed")


def state_of(shell: Shell, name: str) -> list[str]:
    """Return the states of the shell's descendants of that name."""
    found = psutil.Process(shell.process.pid).children(recursive=True)
    return [one.status() for one in found if one.is_running() and one.name() == name]


def test_masks_what_is_shown(shell: Shell) -> None:
    """On a terminal the values are masked, in stdout and stderr."""
    assert shell.run("bwrun -- sh -c 'echo $PW; echo $PW >&2; printf %s $PW | base64'").split() == [
        MASK.replace(" ", "_")
    ] * 3 or (shell.screen.count(MASK) == 3)
    assert SECRET not in shell.screen


def test_command_has_a_terminal_of_its_own(shell: Shell) -> None:
    """All three are one terminal, the controlling one, with the command in its foreground, and of the window's size."""
    assert "kinds [True, True, True] True True True os.terminal_size(columns=111, lines=33)" in shell.run(
        f'bwrun -- $PYTHON -c "{LOOK}"'
    )


def test_window_size_follows(shell: Shell) -> None:
    """
    A change of the window reaches the command as a signal, with the new size.

    What it says ends its lines: the end of a line is never held back as the beginning of a secret.
    """
    script = (
        "import os, signal, threading; done = threading.Event();"
        "say = lambda text: os.write(1, text.encode() + b'\\n');"
        "size = lambda: os.get_terminal_size(1).columns;"
        "signal.signal(signal.SIGWINCH, lambda *_: (say(f'size {size()}'), size() == 77 and done.set()));"
        "say('re' + 'ady'); done.wait()"
    )
    shell.type(f'bwrun -- $PYTHON -c "{script}"\n')
    shell.wait_for("ready")
    shell.resize(20, 77)
    shell.wait_for("size 77")
    shell.prompt()


def test_modes_are_restored(shell: Shell) -> None:
    """After the run the terminal is as before; what the command changed with stty stays changed."""
    before = shell.modes()
    shell.run("bwrun -- true")
    assert shell.modes() == before
    shell.run("bwrun -- sh -c 'exit 3'")
    assert shell.modes() == before
    shell.run("bwrun -- stty -echo")
    assert not shell.echoes()
    shell.run("bwrun -- stty echo")
    assert shell.modes() == before


def test_typed_text_and_its_end(shell: Shell) -> None:
    """A line can be typed and edited, Ctrl-D ends the input."""
    shell.type("bwrun -- sh -c 'echo re''ady; cat; echo end'\n")
    shell.wait_for("ready")
    shell.type("abx\x7fc\n")
    shell.wait_for("abx\b \bc\nabc\n")
    shell.type(CTRL_D)
    shell.wait_for("end")
    shell.prompt()


def test_password_prompt(shell: Shell) -> None:
    """A password is asked for on /dev/tty without echo, and what the command then says of it is masked."""
    shell.type("bwrun -- $PYTHON -c 'import getpass; print(\"it is\", getpass.getpass())'\n")
    shell.wait_for("Password: ")
    shell.type(f"{SECRET}\n")
    shell.wait_for(f"it is {MASK}")
    shell.prompt()

    assert SECRET not in shell.screen


def test_prompt_that_begins_like_a_value(shell: Shell) -> None:
    """A prompt that ends in the first letters of a value shows."""
    shell.type("bwrun -- sh -c 'printf hunt; read x; echo got $x'\n")
    shell.wait_for("hunt", times=2)
    shell.type("er2\n")
    shell.wait_for("got er2")
    shell.prompt()


def test_ctrl_c(shell: Shell) -> None:
    """Ctrl-C ends the command, and the loop of the shell around it."""
    shell.type("for i in 1 2 3; do bwrun -- sh -c 'echo re''ady; exec sleep 600'; done\n")
    shell.wait_for("ready")
    shell.type(CTRL_C)
    shell.prompt()

    assert shell.ask("echo $?") == "130"
    assert shell.screen.count("ready") == 1


def test_ctrl_z_and_fg(shell: Shell) -> None:
    """Ctrl-Z stops the command and gives the shell a usable terminal; fg takes it up again."""
    before = shell.modes()
    shell.type("bwrun -- sh -c 'echo re''ady; read x; echo got $x; read y; echo $PW'\n")
    shell.wait_for("ready")
    shell.type(CTRL_Z)
    shell.prompt()
    assert shell.modes() == before
    assert "Stopped" in shell.run("jobs")
    shell.type("fg\n")
    shell.wait_for("fg\nbwrun --")
    shell.type("word\n")
    shell.wait_for("got word")
    shell.type("\n")
    shell.prompt()
    assert shell.modes() == before
    assert SECRET not in shell.screen


def test_in_the_background(shell: Shell) -> None:
    """In the background the terminal stays the shell's; brought to the front the command can read."""
    before = shell.modes()
    shell.run("bwrun -- sh -c 'read x; echo got $x' &")
    wait_until(lambda: state_of(shell, "output-masker"))
    assert shell.modes() == before
    shell.type("fg\n")
    shell.wait_for("fg\nbwrun --")
    shell.type("word\n")
    shell.wait_for("got word")
    shell.prompt()
    assert shell.modes() == before


def test_shell_in_it_has_job_control(shell: Shell) -> None:
    """An interactive shell under bwrun stops and continues jobs of its own."""
    shell.type("bwrun -- bash --noprofile --norc --noediting -i\n")
    shell.prompt()
    shell.type("sleep 600\n")
    wait_until(lambda: state_of(shell, "sleep"))
    shell.type(CTRL_Z)
    shell.wait_for("Stopped")
    shell.prompt()
    shell.run("kill %1; wait")
    assert MASK in shell.run("echo $PW")
    shell.type("exit\n")
    shell.prompt()


def test_vim(shell: Shell) -> None:
    """A full-screen editor shows the mask, takes keys one by one, and saves what was typed."""
    program("vim")
    shell.type("bwrun -- sh -c 'echo $PW > file; exec vim -u NONE file'\n")
    shell.wait_for(MASK)
    shell.type("oadded\x1b:wq\n")
    shell.prompt()

    assert SECRET not in shell.screen
    assert shell.run("cat file | wc -l; rm file").strip() == "2"


def test_pager(shell: Shell) -> None:
    """A pager shows the mask, and takes keys one by one."""
    program("less")
    shell.type("bwrun -- sh -c '(seq 200; echo $PW) | less'\n")
    shell.wait_for("\n30\n")
    shell.type("G")
    shell.wait_for(MASK)
    shell.type("q")
    shell.prompt()

    assert SECRET not in shell.screen


def test_pager_behind_a_pipe(shell: Shell) -> None:
    """A pager that reads what bwrun prints has the keyboard."""
    program("less")
    shell.type("bwrun -- sh -c 'seq 200; echo $PW' | less\n")
    shell.wait_for("\n30\n")
    shell.type("G")
    shell.wait_for(MASK)
    shell.type("q")
    shell.prompt()


def test_curses(shell: Shell) -> None:
    """A program that uses curses reads keys without Enter and without echo."""
    script = "import curses; print('key', curses.wrapper(lambda w: (w.addstr('re' + 'ady'), w.getch())[1]))"
    shell.type(f'bwrun -- $PYTHON -c "{script}"\n')
    shell.wait_for("ready")
    shell.type("k")
    shell.wait_for("key 107")
    shell.prompt()


def test_each_output_by_its_kind(shell: Shell) -> None:
    """With stdout on a pipe and stderr on the terminal, the command sees that, and both are masked."""
    script = "test -t 1 || echo pipe $PW; test -t 2 && echo tty $PW >&2; test -t 0 && echo input"
    shown = shell.run(f"bwrun -- sh -c '{script}' | cat").strip().split("\n")

    assert sorted(shown) == sorted(["input", f"pipe {MASK}", f"tty {MASK}"])


def test_stderr_into_a_file(shell: Shell) -> None:
    """With stderr in a file, the command on the terminal is masked, and so is the file."""
    shown = shell.run("bwrun -- sh -c 'echo $PW; test -t 2 || echo $PW >&2' 2> log; cat log; rm log")

    assert shown.strip().split("\n") == [MASK, MASK]


def test_killed_masker_gives_the_terminal_back(shell: Shell) -> None:
    """After `kill -9` of the masker the command gets SIGHUP, and the shell has a usable terminal."""
    before = shell.modes()
    shell.type("bwrun -- sh -c 'echo re''ady; exec sleep 600'\n")
    shell.wait_for("ready")
    found = psutil.Process(shell.process.pid).children(recursive=True)
    next(one for one in found if one.name() == "output-masker").kill()
    shell.prompt()

    assert shell.ask("echo $?") == str(128 + signal.SIGHUP)
    assert shell.modes() == before


def test_no_keeper_is_left(shell: Shell) -> None:
    """After the run no process of bwrun's is left."""
    shell.run("bwrun -- true")
    wait_until(lambda: not psutil.Process(shell.process.pid).children(recursive=True))


def test_hang_up(run_in: Surroundings) -> None:
    """When the terminal hangs up, the command gets SIGHUP, and nothing is left."""
    run_in.environment |= {"BWRUN_MASK": "1"}
    script = "trap 'touch hup; exit' HUP; echo ready; while :; do sleep 0.1; done"
    with Shell.start([BWRUN, "--", "sh", "-c", script], run_in.environment, run_in.work) as terminal:
        assert isinstance(terminal, Shell)
        terminal.wait_for("ready")
        terminal.hang_up()
        wait_until((run_in.work / "hup").exists)
        terminal.process.wait()


def test_terminal_that_is_not_the_controlling_one(run_in: Surroundings) -> None:
    """On a terminal without a session of its own, the command still has a terminal, and is masked."""
    run_in.environment |= {"PW": "bw://prod-db/password", "BWRUN_MASK": "1"}
    master, slave = os.openpty()
    pid = os.posix_spawn(
        BWRUN, [str(BWRUN), "--", "sh", "-c", "test -t 1 && read x && echo got $x $PW"], run_in.full_environment({}),
        file_actions=[(os.POSIX_SPAWN_DUP2, slave, number) for number in (0, 1, 2)], setsid=True,
    )  # fmt: skip
    os.close(slave)
    os.write(master, b"word\n")
    shown = b""
    while f"got word {MASK}".encode() not in shown:
        shown += os.read(master, 1000)

    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    os.close(master)


def test_plain_terminal(run_in: Surroundings) -> None:
    """Without a shell around it: the output is complete at the end, with the ends of lines of a terminal."""
    run_in.environment |= {"PW": "bw://prod-db/password", "BWRUN_MASK": "1"}
    with Terminal.start([BWRUN, "--", "sh", "-c", "seq 3000; echo $PW"], run_in.environment, run_in.work) as terminal:
        terminal.wait_for(MASK)
        assert terminal.ended() == 0
        shown = terminal.screen.replace("\r\n", "\n")  # where one of them came alone
        assert shown == "".join(f"{number}\n" for number in range(1, 3001)) + f"{MASK}\n"
