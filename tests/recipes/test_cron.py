"""docs/recipes/cron.md: its crontabs, run by a real cron on a machine that is thrown away."""

from __future__ import annotations

import re

import pytest

from tests.server.control import BitwardenServer
from tests.support.example_vault import EXAMPLES
from tests.support.machine import PATH, Machine, machine
from tests.support.needs import program
from tests.support.pages import page
from tests.support.terminal import wait_until

PAGE = page("docs/recipes/cron.md")
JOBS = ("/etc/cron.d/nightly", "/etc/cron.d/report")
ENV_FILE = "/etc/bwrun/nightly.env"
[PROTECT] = re.findall(r"^```sh\n(chown .*?)^```$", PAGE.text, re.MULTILINE | re.DOTALL)
CA_FILE = "/etc/ssl/server.pem"
MAILER = """#!/bin/sh
file=$(mktemp /tmp/XXXXXX)
cat >"$file"
mv "$file" "$file.mail"
"""
# Prints nothing if all is well; goes on for as long as it is told to.
NIGHTLY = """#!/bin/sh
env >/tmp/nightly.new
mv /tmp/nightly.new /tmp/nightly
while [ -e /etc/wait ]; do sleep 0.05; done
"""
REPORT = '#!/bin/sh\necho "the token is $REPORT_TOKEN"\n'


def prepare(made: Machine, server: BitwardenServer) -> None:
    """Put everything onto the machine that the page takes for granted, and nothing else for cron to do."""
    account = server.add_account(EXAMPLES)
    values = {
        "BW_CLIENTID": account.client_id,
        "BW_CLIENTSECRET": account.client_secret,
        "BW_PASSWORD": f"'{account.master_password}'",
        "BWRUN_SERVER": server.url,
    }
    shown = PAGE.file(ENV_FILE)
    made.write(ENV_FILE, re.sub(r"^(BW\w+)=.*", lambda line: f"{line[1]}={values[line[1]]}", shown, flags=re.MULTILINE))
    made.run("sh", "-ec", "rm -rf /etc/crontab /etc/cron.d/* /var/spool/cron/crontabs/*; mkdir -m 1777 /run/lock")
    made.run("useradd", "--system", "deploy")  # without a home directory
    made.run("sh", "-ec", PROTECT)
    made.write("/usr/sbin/sendmail", MAILER, 0o755)
    made.write("/usr/local/bin/nightly", NIGHTLY, 0o755)
    made.write("/usr/local/bin/report", REPORT, 0o755)
    made.write(CA_FILE, server.ca_file.read_text())
    made.write("/etc/environment", f"SSL_CERT_FILE={CA_FILE}\n")


def at_start(crontab: str) -> str:
    """Return a crontab whose jobs run when cron starts instead of at their hour."""
    changed, count = re.subn(r"^\d+ \d+ \* \* \S+", "@reboot", crontab, flags=re.MULTILINE)

    assert count == 1
    return changed.replace("--jitter 600", "--jitter 0.1")


def mails(made: Machine) -> dict[str, str]:
    """Return the mails that cron has sent, by the last word of the command."""
    texts = [path.read_text() for path in (made.root / "tmp").glob("*.mail")]
    return {re.findall(r"^Subject: .*/(\S+)$", text, re.MULTILINE)[0]: text for text in texts}


@pytest.fixture
def cron() -> str:
    """Return the path of cron."""
    return program("cron", "cron is not installed", PATH)


def test_jobs(cron: str, server: BitwardenServer) -> None:
    """The jobs get their secrets, a second run is refused, and mails tell what was printed or failed, no value."""
    with machine(cron, "-f") as made:
        prepare(made, server)
        for path in JOBS:
            made.write(path, at_start(PAGE.file(path)))
        wrong = at_start(PAGE.file(JOBS[0])).replace("bwrun --env", "bwrun -e X=bw://no-such-item/password --env")
        made.write("/etc/cron.d/wrong", wrong.replace("lock/nightly", "lock/wrong"))
        unescaped = at_start(PAGE.file(JOBS[1])).replace("\\%", "%")
        made.write("/root/unescaped", unescaped.replace("  deploy  ", "  "))
        made.run("crontab", "-u", "deploy", "/root/unescaped")
        made.write("/etc/wait", "")
        made.start()
        wait_until((made.root / "tmp/nightly").exists)
        again = made.run("setpriv", "--reuid=deploy", "flock", "--nonblock", "/run/lock/nightly", "true", check=False)
        environment = (made.root / "tmp/nightly").read_text().splitlines()
        (made.root / "etc/wait").unlink()
        wait_until(lambda: len(mails(made)) == 3)
        wait_until(lambda: "bwrun" not in made.run("ps", "-e", "-o", "comm=").stdout)
        found = mails(made)

        assert again.returncode == 1
        assert {"DB_PASSWORD=p4ss", "TOKEN=t0ken", "PATH=/usr/bin:/bin"} <= set(environment)
        assert not [line for line in environment if line.startswith(("BW_PASSWORD", "BW_CLIENT", "XDG_RUNTIME_DIR"))]
        assert "the token is <concealed by bwrun>" in found["report"]
        assert "To: ops@example.com" in found["report"]
        assert "[reference.not-found]" in found["nightly"]
        assert "[usage.no-command]" in found["CI"]  # the command ended at the `%`
        assert "t0ken" not in "".join(found.values())
        assert [path.name for path in (made.root / "dev/shm").iterdir() if path.name.startswith("bwrun.")] == []
