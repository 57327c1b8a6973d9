"""`--ssh-key`: what the command does with its ssh-agent. A real sshd, git over SSH, OpenSSH's own programs."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.server.control import BitwardenServer
from tests.supervisor import in_python
from tests.supervisor.clearing import Run, session_of
from tests.support.files import write_private
from tests.support.openssh import secret_piece, tool
from tests.support.program import BWRUN, Surroundings
from tests.support.ssh_vault import GOOD, pair_of, public_keys
from tests.support.sshd import Sshd, running
from tests.support.terminal import wait_until
from tests.support.users import needs_root

AGENT = "ssh-agent"
LIST = ("ssh-add", "-L")
WAITS = ("sh", "-c", "echo ready; exec sleep 1000")


@pytest.fixture(scope="module", autouse=True)
def programs() -> None:
    """See that OpenSSH's client is there."""
    for name in ("ssh", "ssh-add", "ssh-agent", "ssh-keygen"):
        tool(name)


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """Start an sshd that takes every key of the account."""
    with running(tmp_path_factory.mktemp("sshd"), public_keys()) as server:
        yield server


def listed(*items: str) -> str:
    """Return what `ssh-add -L` prints for the keys of items, without the comments."""
    return "".join(f"{pair_of(item).public}\n" for item in items)


def without_comments(text: str) -> str:
    """Take the comments out of what `ssh-add -L` prints."""
    return "".join(" ".join(line.split()[:2]) + "\n" for line in text.splitlines())


# Logins ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("item", GOOD)
def test_login(with_keys: Surroundings, sshd: Sshd, item: str) -> None:
    """With a key of each form, and any line ends, the command logs in to a real sshd."""
    selector = item.replace("#", "%23")
    words = ["ssh", "-F", str(sshd.client_config), "deploy", "echo inside; exit 7"]
    done = with_keys.run("--no-session", "--ssh-key", selector, "--", *words)

    assert (done.status, done.stdout, done.stderr) == (7, "inside\n", "")


def test_no_login_without_the_key(with_keys: Surroundings, sshd: Sshd) -> None:
    """The login of these tests comes from the key: without the option, ssh is refused."""
    done = with_keys.run("--", "ssh", "-F", str(sshd.client_config), "deploy", "true")

    assert done.status == 255
    assert "Permission denied" in done.stderr


def test_git_clone(with_keys: Surroundings, sshd: Sshd) -> None:
    """The command clones a repository over SSH and pushes to it."""
    origin = with_keys.work / "origin.git"
    script = f"""
        set -e
        git clone --quiet deploy:{origin} copy
        cd copy
        echo change >file
        git add file
        git -c user.name=n -c user.email=e commit --quiet --message change
        git push --quiet origin HEAD:main
    """
    subprocess.run([tool("git"), "init", "--quiet", "--bare", "--initial-branch=main", origin], check=True)
    env = {"GIT_SSH_COMMAND": f"ssh -F {sshd.client_config}", "GIT_CONFIG_NOSYSTEM": "1"}
    done = with_keys.run("--ssh-key", "Ed25519", "--", "sh", "-c", script, env=env)

    assert done.status == 0, done.stderr
    pushed = subprocess.run(["git", "-C", origin, "show", "main:file"], check=True, capture_output=True).stdout
    assert pushed == b"change\n"


def test_beside_a_session(with_keys: Surroundings) -> None:
    """The agent comes with the session or without it; its socket is the user's alone."""
    script = 'ssh-add -L; stat -c %a "$SSH_AUTH_SOCK"; test -s "$BITWARDENCLI_APPDATA_DIR/data.json"; echo $?'
    for option, has_session in (("--timings", "0"), ("--no-session", "1")):
        done = with_keys.run(option, "--ssh-key", "Ed25519", "--", "sh", "-c", script)
        *keys, mode, session = done.stdout.splitlines()

        assert without_comments("\n".join(keys)) == listed("Ed25519")
        assert (done.status, mode, session) == (0, "600", has_session)


def test_order(with_keys: Surroundings) -> None:
    """The agent holds the keys in the order of the options, in which ssh offers them."""
    items = ("RSA", "Ed25519", "ECDSA P-256")
    words = [word for item in items for word in ("--ssh-key", item)]
    done = with_keys.run("--no-session", *words, "--", *LIST)

    assert (done.status, done.stderr) == (0, "")
    assert without_comments(done.stdout) == listed(*items)


def test_one_key_twice(with_keys: Surroundings) -> None:
    """One key under two names is one key."""
    words = ["--ssh-key", "Ed25519", "--ssh-key", "bw://Ed25519"]

    assert without_comments(with_keys.run("--no-session", *words, "--", *LIST).stdout) == listed("Ed25519")


# Whose agent ----------------------------------------------------------------------------------------------------------


def test_callers_agent(with_keys: Surroundings) -> None:
    """The caller's SSH_AUTH_SOCK reaches the command as it is, unless the option replaces it."""
    show = ("sh", "-c", 'echo "$SSH_AUTH_SOCK"')
    env = {"SSH_AUTH_SOCK": "/run/of/the/caller"}

    assert with_keys.run("--", *show, env=env).stdout == "/run/of/the/caller\n"
    done = with_keys.run("--ssh-key", "Ed25519", "--", *show, env=env)
    assert done.stdout.startswith(f"{with_keys.runtime}/bwrun.")
    assert with_keys.run("--", "sh", "-c", 'echo "${SSH_AUTH_SOCK-unset}"').stdout == "unset\n"


def test_nested(with_keys: Surroundings) -> None:
    """A nested run has the outer agent; with keys of its own it has its own agent, and leaves the outer one alone."""
    passed = ["BW_CLIENTID", "BW_CLIENTSECRET", "BW_PASSWORD", "BWRUN_SERVER"]
    options = [word for name in passed for word in ("--pass", name)]
    script = '"$0" -- ssh-add -L; echo; "$0" --ssh-key "ECDSA P-256" -- ssh-add -L; echo; ssh-add -L'
    done = with_keys.run(*options, "--ssh-key", "Ed25519", "--", "sh", "-c", script, BWRUN)

    assert (done.status, done.stderr) == (0, "")
    assert list(map(without_comments, done.stdout.split("\n\n"))) == [
        listed("Ed25519"), listed("ECDSA P-256"), listed("Ed25519"),
    ]  # fmt: skip


# Errors before the command --------------------------------------------------------------------------------------------


def programs_in(folder: Path, **scripts: str) -> str:
    """Make programs of the names of `scripts` (`_` stands for `-`), and return a PATH with them and the usual tools."""
    folder.mkdir()
    for name in ("sh", "env", "touch", "sleep", "cat"):
        (folder / name).symlink_to(tool(name))
    for name, script in scripts.items():
        path = folder / name.replace("_", "-")
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
    return str(folder)


def test_no_openssh(with_keys: Surroundings, server: BitwardenServer, tmp_path: Path) -> None:
    """Without ssh-agent on PATH the run fails before any request."""
    done = with_keys.run("--ssh-key", "Ed25519", "--", "touch", "x", env={"PATH": programs_in(tmp_path / "bin")})

    assert (done.status, done.codes) == (125, ["session.no-ssh-agent"])
    assert "`ssh-agent`" in done.stderr
    assert not (with_keys.work / "x").exists()
    assert server.requests() == []


def test_path_of_a_file(with_keys: Surroundings, tmp_path: Path) -> None:
    """The PATH of an env file is the command's; the programs that get the keys are looked for on bwrun's own."""
    trap = programs_in(tmp_path / "bin", ssh_agent='touch "$0".called', ssh_add='cat >"$0".called')
    write_private(with_keys.work / "named.env", f"PATH={trap}")
    words = ["--env-file", "named.env", "--ssh-key", "Ed25519", "--", "sh", "-c", 'echo "$PATH"']
    done = with_keys.run(*words, env={"PATH": None})

    assert (done.status, done.stdout, done.stderr) == (0, f"{trap}\n", "")
    assert list(Path(trap).glob("*.called")) == []


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo it hurts >&2; exit 3", "it hurts"),
        ("exit 3", "ssh-agent"),
        ("kill -9 $$", "ssh-agent"),
    ],
)
def test_agent_that_fails(with_keys: Surroundings, tmp_path: Path, script: str, words: str) -> None:
    """An ssh-agent that ends at once stops the run with what it said."""
    path = programs_in(tmp_path / "bin", ssh_agent=script, ssh_add="exit 0")
    done = with_keys.run("--ssh-key", "Ed25519", "--", "touch", "x", env={"PATH": path})

    assert (done.status, done.codes) == (125, ["session.ssh-agent"])
    assert words in done.stderr
    assert not (with_keys.work / "x").exists()


@pytest.mark.slow
def test_agent_that_never_listens(with_keys: Surroundings, tmp_path: Path) -> None:
    """An ssh-agent that does not listen is given up after 10 seconds, and ended with what it has started."""
    path = programs_in(tmp_path / "bin", ssh_agent='sleep 1000 & echo $! >"$0".pid; wait', ssh_add="exit 0")
    done = with_keys.run("--ssh-key", "Ed25519", "--", "touch", "x", env={"PATH": path})

    assert (done.status, done.codes) == (125, ["session.ssh-agent"])
    assert not (with_keys.work / "x").exists()
    wait_until(lambda: not runs(int((tmp_path / "bin" / "ssh-agent.pid").read_text())))


def runs(pid: int) -> bool:
    """Return whether a process runs; a zombie does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_key_that_ssh_add_refuses(with_keys: Surroundings) -> None:
    """A key that is damaged in a way that ssh-add alone finds stops the run, with ssh-add's words."""
    done = with_keys.run("--ssh-key", "Ed25519", "--ssh-key", "cut", "--", "touch", "x")

    assert (done.status, done.codes) == (125, ["session.ssh-add"])
    assert "--ssh-key cut: " in done.stderr
    assert "Error loading key" in done.stderr
    assert not (with_keys.work / "x").exists()


def test_long_path(with_keys: Surroundings, server: BitwardenServer, tmp_path: Path) -> None:
    """A directory whose path is too long for a socket is an error before the login, which names the size."""
    deep = tmp_path / ("d" * 100)
    deep.mkdir(mode=0o700)
    done = with_keys.run("--ssh-key", "Ed25519", "--", "touch", "x", env={"BWRUN_RUNTIME_DIR": str(deep)})

    assert (done.status, done.codes) == (125, ["session.socket-path"])
    assert "BWRUN_RUNTIME_DIR" in done.stderr
    assert list(deep.iterdir()) == []
    assert not any(request.path.endswith("/connect/token") for request in server.requests())


# The agent as a process -----------------------------------------------------------------------------------------------


@needs_root  # OpenSSH closes its agent to others of the same user
def test_agent_is_apart(with_keys: Surroundings) -> None:
    """The agent has no descriptor of the caller's, no credential, and a process session of its own."""
    read_end, write_end = os.pipe()
    caller = f"pipe:[{os.fstat(read_end).st_ino}]"
    with Run.start(with_keys, "--ssh-key", "Ed25519", "--", *WAITS, stdin=read_end) as run:
        run.wait_ready()
        agent = run.named(AGENT)
        names = {entry.partition(b"=")[0] for entry in Path(f"/proc/{agent.pid}/environ").read_bytes().split(b"\0")}

        assert os.getsid(agent.pid) == os.getpgid(agent.pid) == agent.pid
        assert agent.terminal() is None
        assert caller in descriptors_of(run.first())
        assert caller not in descriptors_of(agent)
        assert {kind.partition(":")[0] for kind in descriptors_of(agent)} == {"pipe", "socket"}
        assert names <= {b"BWRUN_RUNTIME_DIR", b"XDG_RUNTIME_DIR", b"TMPDIR", b"LD_LIBRARY_PATH", b"LC_CTYPE", b""}
        run.kill(signal.SIGTERM)
        run.wait()
    os.close(read_end)
    os.close(write_end)


def descriptors_of(process: psutil.Process) -> list[str]:
    """Return what the descriptors of a process are."""
    return [str(path.readlink()) for path in Path(f"/proc/{process.pid}/fd").iterdir()]


def test_key_is_nowhere(with_keys: Surroundings) -> None:
    """The private key is in no file of the session, and in no command line or environment of any process."""
    secret = secret_piece(pair_of("Ed25519").private)
    with Run.start(with_keys, "--ssh-key", "Ed25519", "--", *WAITS) as run:
        run.wait_ready()
        of_processes = [path for name in ("cmdline", "environ") for path in Path("/proc").glob(f"[0-9]*/{name}")]
        files = [path for path in session_of(with_keys).rglob("*") if path.is_file()]

        assert {path.name for path in files} >= {"data.json", "owner"}
        assert len(of_processes) > 2 * len(run.members())
        assert [path for path in (*files, *of_processes) if secret in read(path)] == []
        run.kill(signal.SIGTERM)
        run.wait()


def read(path: Path) -> bytes:
    """Read a file; one of a process that has ended, or is another's, is empty."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_signals_of_the_group(with_keys: Surroundings) -> None:
    """Ctrl-C and the like, which go to the whole process group, end neither the command's agent nor its use."""
    script = 'trap "ssh-add -L; exit 7" INT; echo ready; while :; do sleep 0.05; done'
    words = ["--no-session", "--ssh-key", "Ed25519", "--", "sh", "-c", script]
    with Run.start(with_keys, *words, before=in_python("signal.signal(signal.SIGINT, signal.SIG_DFL)")) as run:
        run.wait_ready()
        agent = run.named(AGENT)
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            agent.send_signal(number)  # (as systemd does to each process of a unit)
        run.kill_group(signal.SIGINT)
        done = run.wait()

        assert (done.status, without_comments(done.stdout.partition("\n")[2])) == (7, listed("Ed25519"))


def test_agent_is_killed(with_keys: Surroundings) -> None:
    """If somebody kills the agent, bwrun says so; the run goes on, and ends as the command does."""
    with Run.start(with_keys, "--ssh-key", "Ed25519", "--", *WAITS) as run:
        run.wait_ready()
        run.named(AGENT).kill()
        wait_until(lambda: run.stderr.endswith("\n"))
        run.kill(signal.SIGTERM)
        done = run.wait()

        assert done.status == -signal.SIGTERM
        assert done.stderr.startswith("bwrun: warning: ")
        assert "ssh-agent" in done.stderr
        assert with_keys.left() == []


@pytest.mark.linux("adopting orphans")
def test_leftovers(with_keys: Surroundings) -> None:
    """The agent is not one of the processes that the command has left running."""
    words = ["-v", "--kill-leftovers", "--no-session", "--ssh-key", "Ed25519"]
    done = with_keys.run(*words, "--", "sh", "-c", "sleep 1000 >/dev/null 2>&1 & ssh-add -L")

    assert (done.status, without_comments(done.stdout)) == (0, listed("Ed25519"))
    assert "ended 1 process(es)" in done.stderr
