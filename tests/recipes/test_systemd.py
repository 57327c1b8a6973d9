"""docs/recipes/systemd.md: its units, run by a real systemd on a machine that is thrown away."""

from __future__ import annotations

import re
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.server.control import Account, BitwardenServer
from tests.support.example_vault import EXAMPLES, SERVER
from tests.support.machine import BWRUN, Machine, machine
from tests.support.needs import unavailable
from tests.support.pages import page
from tests.support.terminal import wait_until

PAGE = page("docs/recipes/systemd.md")
SYSTEMD = "/lib/systemd/systemd"
UNITS = "/etc/systemd/system"
NAMES = ("nightly.service", "nightly.timer", "app.service")
STORE, START = re.findall(r"^```sh\n(.*?)^```$", PAGE.text, re.MULTILINE | re.DOTALL)
# Targets of this machine in place of the real ones, which would start all that the real machine has.
TARGETS = dict.fromkeys(("sysinit", "basic", "shutdown", "network-online", "multi-user", "timers"), "")
TARGETS["here"] = "Wants=systemd-journald.service\nAfter=systemd-journald.service\n"
CA_FILE = "/etc/ssl/server.pem"
CREDENTIALS = ("bw_clientid", "bw_clientsecret", "bw_password")
# The person who types the credentials.
ANSWERS = '#!/bin/sh\ncase "$2" in\n{}esac\n'
# Prints what it got, and waits for as long as somebody tells it to.
NIGHTLY = """#!/bin/sh
echo "got $DB_PASSWORD and $TOKEN as $(id -u) in $BITWARDENCLI_APPDATA_DIR with home ${HOME-none}"
echo "hidden:$BW_PASSWORD$BW_CLIENTSECRET$CREDENTIALS_DIRECTORY"
while [ -e /etc/wait ]; do sleep 0.05; done
"""
# A service that says when it is ready, and which signals it gets.
APP = """#!/opt/bwrun/bin/python
import os, signal, socket, sys
if os.path.exists("/etc/fail"):
    sys.exit(3)
assert os.environ["DB_PASSWORD"] == "p4ss"
numbers = {signal.SIGHUP, signal.SIGTERM}
signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notify.connect(os.environ["NOTIFY_SOCKET"].replace("@", "\\0"))
notify.send(b"READY=1\\nSTATUS=the command is ready")
while True:
    number = signal.sigwait(numbers)
    print("got", signal.Signals(number).name, flush=True)
    if number == signal.SIGTERM:
        if signal.sigtimedwait(numbers, 0.5):
            print("got a second one", flush=True)
        signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)
        os.kill(os.getpid(), number)
"""


@dataclass
class Host:
    """A machine with systemd, and with the units of the page."""

    made: Machine
    server: BitwardenServer
    earlier: dict[str, str] = field(default_factory=dict)

    def run(self, *words: str, check: bool = True) -> str:
        """Run a command as root; return what it prints."""
        return self.made.run(*words, check=check).stdout

    def show(self, unit: str, name: str) -> str:
        """Return a property of a unit."""
        return self.run("systemctl", "show", "--value", f"--property={name}", unit).strip()

    def journal(self, unit: str) -> str:
        """Return what the processes of a unit have printed in this test."""
        return self._whole_journal(unit).removeprefix(self.earlier.get(unit, ""))

    def skip_journal(self) -> None:
        """Let `journal` begin here."""
        self.earlier = {unit: self._whole_journal(unit) for unit in ("nightly.service", "app.service")}

    def _whole_journal(self, unit: str) -> str:
        self.run("journalctl", "--sync")
        return self.run("journalctl", "--no-pager", "--quiet", "--output=cat", f"--unit={unit}")

    def add(self, path: str, text: str) -> None:
        """Write a unit, or a file beside a unit, with the address of the test's server."""
        self.made.write(f"{UNITS}/{path}", text.replace(SERVER, self.server.url))

    def change(self, unit: str, lines: str) -> None:
        """Change a unit by a drop-in with lines of its section `Service`; no lines remove it."""
        self.add(f"{unit}.d/zz-test.conf", f"[Service]\n{lines}" if lines else "")
        self.run("systemctl", "daemon-reload")

    def start(self, unit: str) -> bool:
        """Start a unit; return whether that succeeded."""
        self.run("systemctl", "reset-failed", unit, check=False)
        return self.made.run("systemctl", "start", unit, check=False).returncode == 0


@pytest.fixture(scope="module")
def host(server: BitwardenServer) -> Iterator[Host]:
    """Boot systemd on a machine with the units and programs of the page, and with stored credentials."""
    if shutil.which(SYSTEMD) is None:
        unavailable("systemd is not installed")
    account = server.add_account(EXAMPLES)
    path = f"SYSTEMD_UNIT_PATH={UNITS}:/etc/targets:/lib/systemd/system"
    words = ("env", "-i", "container=bwrun", path, "PATH=/usr/sbin:/usr/bin:/sbin:/bin", SYSTEMD)
    with machine(*words, "--unit=here.target", "--log-target=null") as made:
        found = Host(made, server)
        prepare(found, account)
        made.start()
        wait_until(
            lambda: found.run("systemctl", "is-system-running", "--wait", check=False) in {"running\n", "degraded\n"}
        )

        assert "0 loaded units" in found.run("systemctl", "--failed")

        made.run("sh", "-ec", STORE)
        yield found


def prepare(host: Host, account: Account) -> None:
    """Put everything onto the machine that the page takes for granted."""
    write = host.made.write
    host.run("sh", "-c", f"rm -rf {UNITS}/*")  # what the real machine has
    for name, lines in TARGETS.items():
        write(f"/etc/targets/{name}.target", f"[Unit]\nDescription={name}\nDefaultDependencies=no\n{lines}")
    for name in NAMES:
        host.add(name, PAGE.file(f"{UNITS}/{name}"))
    write("/usr/local/bin/nightly", NIGHTLY, 0o755)
    write("/usr/local/bin/app", APP, 0o755)
    write(CA_FILE, host.server.ca_file.read_text())
    write("/etc/systemd/system.conf.d/test.conf", f"[Manager]\nDefaultEnvironment=SSL_CERT_FILE={CA_FILE}\n")
    values = zip(CREDENTIALS, (account.client_id, account.client_secret, account.master_password), strict=True)
    cases = "".join(f"{name}:) printf %s '{value}' ;;\n" for name, value in values)
    write("/usr/local/bin/systemd-ask-password", ANSWERS.format(cases), 0o755)


@pytest.fixture
def changed(host: Host) -> Iterator[Host]:
    """Give the host to a test that changes units; all are stopped and as on the page afterwards."""
    host.skip_journal()
    yield host
    for name in ("/etc/wait", "/etc/fail"):
        (host.made.root / name.lstrip("/")).unlink(missing_ok=True)
    for unit in ("nightly.service", "app.service"):
        host.run("systemctl", "stop", unit)
        host.change(unit, "")


def test_units_are_right(host: Host) -> None:
    """systemd-analyze has no complaint about a unit of the page, and sees a mistake."""
    paths = [f"{UNITS}/{name}" for name in NAMES]
    done = host.made.run("systemd-analyze", "verify", *paths)

    assert done.stdout == ""

    host.made.write("/etc/wrong/nightly.service", PAGE.file(paths[0]).replace("DynamicUser", "DynamicUsers"))

    assert "DynamicUsers" in host.run("systemd-analyze", "verify", "/etc/wrong/nightly.service", check=False)


def test_job_at_night(changed: Host) -> None:
    """The job gets its secrets, as a user of its own, with no home; the timer waits for its hour; nothing is left."""
    changed.run("sh", "-ec", START)
    printed = changed.journal("nightly.service")

    assert re.search(r"^got p4ss and t0ken as 6\d{4} in /run/nightly/\S+ with home none$", printed, re.MULTILINE)
    assert re.search(r"^hidden:$", printed, re.MULTILINE)
    assert changed.show("nightly.service", "Result") == "success"
    assert not (changed.made.root / "run/nightly").exists()
    assert changed.show("nightly.timer", "ActiveState") == "active"
    assert changed.show("nightly.timer", "NextElapseUSecRealtime")


@pytest.mark.slow
def test_killed_job_leaves_nothing(changed: Host) -> None:
    """When systemd kills all processes of the job at once, it removes the session directory."""
    changed.made.write("/etc/wait", "")
    changed.run("systemctl", "start", "--no-block", "nightly.service")
    wait_until(lambda: "hidden:" in changed.journal("nightly.service"))
    there = list((changed.made.root / "run/nightly").iterdir())
    changed.run("systemctl", "kill", "--signal=KILL", "nightly.service")
    wait_until(lambda: changed.show("nightly.service", "ActiveState") == "failed")

    assert len(there) == 1
    assert not (changed.made.root / "run/nightly").exists()


@pytest.mark.slow
def test_hardening_with_mask(changed: Host) -> None:
    """The hardening of the page allows --mask and --kill-leftovers too."""
    command = (
        f"{BWRUN} --mask --kill-leftovers -e DB_PASSWORD=bw://prod-db/password -e TOKEN=bw://mail/password -- nightly"
    )
    changed.change("nightly.service", f"ExecStart=\nExecStart={command}\n")

    assert changed.start("nightly.service")
    assert "got <concealed by bwrun> and <concealed by bwrun> as" in changed.journal("nightly.service")


def test_service(changed: Host) -> None:
    """The service is started when the command says so; HUP to bwrun and a stop reach the command once each."""
    assert changed.start("app.service")
    assert changed.show("app.service", "StatusText") == "the command is ready"

    main = changed.show("app.service", "MainPID")

    assert changed.run("cat", f"/proc/{main}/comm") == "bwrun\n"

    changed.run("kill", "-HUP", main)
    wait_until(lambda: "got SIGHUP" in changed.journal("app.service"))
    changed.run("systemctl", "stop", "app.service")

    assert changed.show("app.service", "Result") == "success"
    assert changed.journal("app.service").split("got ")[1:] == ["SIGHUP\n", "SIGTERM\n"]


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["control-group", "mixed"])
def test_stop_is_one_signal(changed: Host, mode: str) -> None:
    """A stop reaches the command once, whether systemd sends TERM to all processes or to bwrun alone."""
    changed.change("app.service", f"KillMode={mode}\n")

    assert changed.start("app.service")

    changed.run("systemctl", "stop", "app.service")

    assert changed.journal("app.service").split("got ")[1:] == ["SIGTERM\n"]


def test_service_is_not_restarted_when_bwrun_fails(changed: Host) -> None:
    """A wrong API key ends the service with 125 and it is not started again; a failure of the command restarts it."""
    values = zip(CREDENTIALS, (f"user.{uuid.uuid4()}", "x", "x"), strict=True)
    lines = [f"SetCredential={name}:{value}\n" for name, value in values]
    changed.change("app.service", f"LoadCredentialEncrypted=\n{''.join(lines)}")

    assert not changed.start("app.service")
    assert changed.show("app.service", "ExecMainStatus") == "125"
    assert changed.show("app.service", "SubState") == "failed"
    assert "[auth." in changed.journal("app.service")

    changed.made.write("/etc/fail", "")
    changed.change("app.service", "RestartSec=1000\n")  # the test does not wait for the next try

    assert not changed.start("app.service")
    assert changed.show("app.service", "ExecMainStatus") == "3"
    assert changed.show("app.service", "SubState") == "auto-restart"


@pytest.mark.slow
@pytest.mark.parametrize("access", ["main", "exec"])
def test_other_notify_access_is_not_enough(changed: Host, access: str) -> None:
    """With NotifyAccess=main, and with exec, systemd does not accept the word of the command."""
    changed.change("app.service", f"NotifyAccess={access}\nTimeoutStartSec=5\n")

    assert not changed.start("app.service")
    assert changed.show("app.service", "Result") == "timeout"


@pytest.mark.slow
def test_pids_are_the_commands(changed: Host) -> None:
    """WATCHDOG_PID and LISTEN_PID hold the process id of the command, which has the socket and may notify."""
    changed.add("app.socket", "[Socket]\nListenStream=/run/app.socket\n")
    check = "/bin/sh -c 'test $LISTEN_PID = $$$$ && test $WATCHDOG_PID = $$$$ && test -S /proc/self/fd/3 && exec app'"
    command = f"{BWRUN} --no-session -e DB_PASSWORD=bw://prod-db/password -- {check}"
    changed.change("app.service", f"WatchdogSec=300\nSockets=app.socket\nExecStart=\nExecStart={command}\n")
    changed.run("systemctl", "start", "app.socket")

    assert changed.start("app.service"), changed.journal("app.service")


@pytest.mark.slow
def test_drop_in(changed: Host) -> None:
    """The drop-in puts bwrun in front of a command that a package has installed."""
    name = f"{UNITS}/app.service.d/bwrun.conf"
    own = PAGE.file(f"{UNITS}/app.service")
    package = re.sub(r"^ExecStart=.*$", "ExecStart=/usr/local/bin/app", own, flags=re.MULTILINE)
    changed.add("app.service", package.replace("NotifyAccess=all\n", ""))
    changed.add("app.service.d/bwrun.conf", PAGE.file(name))
    changed.run("systemctl", "daemon-reload")
    try:
        assert changed.start("app.service")
        assert changed.run("systemd-analyze", "verify", f"{UNITS}/app.service") == ""
    finally:
        (changed.made.root / name.lstrip("/")).unlink()
        changed.add("app.service", own)


@pytest.mark.slow
def test_no_secret_is_stored_in_clear(host: Host) -> None:
    """The stored credentials hold no secret in clear, and units show none."""
    stored = host.run("sh", "-c", "cat /etc/credstore.encrypted/* && systemctl show nightly.service app.service")

    assert "Environment=BWRUN_SERVER=" in stored
    assert EXAMPLES.master_password not in stored
