"""docs/recipes/containers.md: its files, built and run by a real engine on a machine that is thrown away."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.server.control import Account, BitwardenServer
from tests.support.example_vault import EXAMPLES, SERVER
from tests.support.machine import PATH, Machine, machine
from tests.support.needs import program
from tests.support.pages import page
from tests.support.terminal import wait_until

PAGE = page("docs/recipes/containers.md")
COMPOSE = ("compose.yaml", "compose.session.yaml")
PROTECT, WITH_PODMAN = re.findall(r"^```sh\n(.*?)^```$", PAGE.text, re.MULTILINE | re.DOTALL)
PROJECT = "/root/project"
CA_FILE = "/opt/bwrun/server.pem"
# The engine: no network of its own, because the server is on this machine; Python comes from this machine, too.
ENGINE = f"""\
[containers]
cgroups = "disabled"
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
env = ["SSL_CERT_FILE={CA_FILE}"]
netns = "host"
volumes = [
    "/usr/lib:/usr/lib:ro", "/lib:/lib:ro", "/lib64:/lib64:ro", "/etc/ld.so.cache:/etc/ld.so.cache:ro", "/opt:/opt:ro",
]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
"""
STORAGE = """\
[storage]
driver = "vfs"
runroot = "/run/containers/storage"
graphroot = "/var/lib/containers/storage"
"""
OVERRIDE = "services: {app: {network_mode: host}}\n"
# Says what it has and what it is, leaves an orphan, waits until it is reaped, and then for TERM.
APP = f"""#!/opt/python/bin/python{sys.version_info.major}.{sys.version_info.minor}
import os, signal, sys, time
if sys.argv[1:]:
    sys.exit(int(sys.argv[1]))
with open("/proc/1/comm") as file:
    print("below", file.read().strip(), "as", os.getuid(), flush=True)
reading, writing = os.pipe()
if os.fork() == 0:
    orphan = os.fork()
    if orphan != 0:
        os.write(writing, str(orphan).encode())
    os._exit(0)
os.wait()
orphan = os.read(reading, 20).decode()
while os.path.exists("/proc/" + orphan):
    time.sleep(0.01)
print("orphan reaped", flush=True)
try:
    open("/file", "x")
except OSError as error:
    print(error.strerror, flush=True)
print("session", os.environ.get("BITWARDENCLI_APPDATA_DIR"), flush=True)
signal.pthread_sigmask(signal.SIG_BLOCK, {{signal.SIGTERM}})
print("got", os.environ["DB_PASSWORD"], flush=True)
signal.sigwait({{signal.SIGTERM}})
print("got TERM", flush=True)
signal.pthread_sigmask(signal.SIG_UNBLOCK, {{signal.SIGTERM}})
os.kill(os.getpid(), signal.SIGTERM)
"""


def test_compose_files_fit_the_schema(tmp_path: Path) -> None:
    """The Compose files are right by the schema of Compose, which sees a mistake."""
    for name in COMPOSE:
        (tmp_path / name).write_text(PAGE.file(name))
    (tmp_path / "wrong.yaml").write_text(PAGE.file(COMPOSE[0]).replace("read_only", "readonly"))
    words = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    right, wrong = [
        subprocess.run([*words, *names], check=False, cwd=tmp_path, capture_output=True, encoding="utf-8")
        for names in (COMPOSE, ["wrong.yaml"])
    ]

    assert right.returncode == 0, right.stdout
    assert "readonly" in wrong.stdout


@dataclass
class Engine:
    """A machine with podman, and with the project of the page."""

    made: Machine

    def run(self, *words: str, check: bool = True) -> str:
        """Run a command as root; return what it prints."""
        return self.made.run(*words, check=check).stdout

    def compose(self, *words: str, files: tuple[str, ...] = COMPOSE[:1]) -> str:
        """Run podman-compose on files of the project."""
        options = [word for name in (*files, "override.yaml") for word in ("--file", f"{PROJECT}/{name}")]
        return self.run("/opt/bwrun/bin/python", "-m", "podman_compose", *options, *words)

    def inspect(self, container: str) -> dict[str, Any]:
        """Return what the engine knows of a container."""
        [found] = json.loads(self.run("podman", "inspect", container))
        assert isinstance(found, dict)
        return found

    def wait_for(self, container: str, text: str) -> None:
        """Wait until a container has printed `text`."""
        wait_until(lambda: text in self.run("podman", "logs", container) or not self.is_running(container))

        assert text in self.run("podman", "logs", container)

    def is_running(self, container: str) -> bool:
        """Return whether a container runs."""
        return bool(self.inspect(container)["State"]["Running"])


@pytest.fixture(scope="module")
def engine(server: BitwardenServer) -> Iterator[Engine]:
    """Build the image of the page."""
    for name in ("podman", "crun"):
        program(name, f"{name} is not installed", PATH)
    account = server.add_account(EXAMPLES)
    with machine("sleep", "infinity") as made:
        made.start()
        found = Engine(made)
        prepare(found, server, account)
        yield found


def prepare(engine: Engine, server: BitwardenServer, account: Account) -> None:
    """Put the project of the page onto the machine, make the images that it is based on, and build it."""
    write = engine.made.write
    write("/etc/containers/containers.conf", ENGINE)
    write("/etc/containers/storage.conf", STORAGE)
    write(CA_FILE, server.ca_file.read_text())
    # What the first stage would install is mounted, because no test downloads it.
    dockerfile = re.sub(r"^RUN .*\n", "", PAGE.file("Dockerfile"), flags=re.MULTILINE)
    for base in re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE):
        user = "65532" if base.endswith(":nonroot") else "0"
        name = base if "/" in base else f"docker.io/library/{base}"
        script = f"mkdir -p /root/base/opt/bwrun && tar -C /root/base -c . | podman import -q -c USER={user} - {name}"
        engine.run("sh", "-ec", script)
        dockerfile = dockerfile.replace(f"FROM {base}", f"FROM {name}")
    write(f"{PROJECT}/Dockerfile", dockerfile.replace(SERVER, server.url))
    for file in COMPOSE:
        write(f"{PROJECT}/{file}", PAGE.file(file))
    write(f"{PROJECT}/override.yaml", OVERRIDE)
    write(f"{PROJECT}/app", APP, 0o755)
    write(f"{PROJECT}/secrets/bw_clientid", f"{account.client_id}\n")
    write(f"{PROJECT}/secrets/bw_clientsecret", f"{account.client_secret}\n")
    write(f"{PROJECT}/secrets/bw_password", account.master_password)
    engine.run("sh", "-ec", f"cd {PROJECT}\n{PROTECT}")
    engine.compose("build")


@pytest.fixture
def up(engine: Engine) -> Iterator[Engine]:
    """Give the engine, and remove all containers after the test."""
    yield engine
    engine.run("podman", "rm", "--force", "--all", "--time=0")
    engine.run("podman", "secret", "rm", "--all")


def test_service(up: Engine) -> None:
    """As process 1, below a read-only root: the app gets its secret and TERM, orphans are reaped, the status is 143."""
    up.compose("up", "--detach")
    [container] = up.run("podman", "ps", "--quiet").split()
    up.wait_for(container, "got p4ss")
    before = up.inspect(container)
    shown = up.run("podman", "exec", container, "/opt/python/bin/python3", "-c", "import os; print(os.environ)")
    up.run("podman", "stop", "--time=60", container)

    assert up.run("podman", "logs", container).splitlines() == [
        "below bwrun as 65532", "orphan reaped", "Read-only file system", "session None", "got p4ss", "got TERM",
    ]  # fmt: skip
    assert up.inspect(container)["State"]["ExitCode"] == 143
    assert "DB_PASSWORD=bw://prod-db/password" in before["Config"]["Env"]
    assert EXAMPLES.master_password not in json.dumps(before)
    assert "p4ss" not in shown


@pytest.mark.slow
def test_session(up: Engine) -> None:
    """With a session, it is in the tmpfs that Compose mounts, and else in /dev/shm."""
    up.compose("up", "--detach", files=COMPOSE)
    [container] = up.run("podman", "ps", "--quiet").split()
    up.wait_for(container, "got p4ss")

    assert "session /session/bwrun." in up.run("podman", "logs", container)

    words = WITH_PODMAN.partition("podman run ")[2].replace("\\\n", " ").split()
    up.run("sh", "-ec", f"cd {PROJECT}\n{WITH_PODMAN.partition('podman run')[0]}")
    up.run("podman", "run", "--detach", "--name=other", "--entrypoint=/opt/bwrun/bin/bwrun", *words, "--", "app")
    up.wait_for("other", "got p4ss")

    assert "session /dev/shm/bwrun." in up.run("podman", "logs", "other")


@pytest.mark.slow
def test_exit_status(up: Engine) -> None:
    """The container ends with the status of the command, or with that of bwrun."""
    script = f"cd {PROJECT}\n{WITH_PODMAN.rstrip()}"
    expected = {"app 7": 7, "no-such-program": 127, "/opt/bwrun/pyvenv.cfg": 126}

    for command, status in expected.items():
        assert up.made.run("sh", "-ec", f"{script} {command}", check=False).returncode == status
        up.run("podman", "secret", "rm", "--all")

    assert (
        up.made.run("podman", "run", "--rm", "--env=DB_PASSWORD=bw://prod-db/password", "app", check=False).returncode
        == 125
    )
