"""docs/recipes/ansible.md: one login for all hosts, no value in the output (tests/test_commands.py runs it, too)."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.server.control import Account, BitwardenServer
from tests.support.files import write_private
from tests.support.pages import page
from tests.support.program import BWRUN, TIMEOUT, Surroundings

FILES = page("docs/recipes/ansible.md").files()
VALUE = "p4ss-of-prod-db"
PLAY = ("ansible-playbook", "-i", "hosts", "site.yml")

pytestmark = pytest.mark.slow


@pytest.fixture
def playbook(run_in: Surroundings) -> Surroundings:
    """Give a directory with the play, for three hosts."""
    (_, _, settings) = FILES["hosts"].splitlines()[-1].partition(" ")
    (run_in.work / "hosts").write_text("".join(f"host{number} {settings}\n" for number in range(3)))
    (run_in.work / "site.yml").write_text(FILES["site.yml"])
    write_private(run_in.work / ".env", FILES[".env"])
    program = run_in.work / "app"
    program.write_text(f'#!/bin/sh\ngrep -qx "password = {VALUE}" "$2"\n')
    program.chmod(0o700)
    run_in.environment["PATH"] = os.pathsep.join((str(BWRUN.parent), run_in.environment["PATH"]))
    return run_in


def test_all_hosts(playbook: Surroundings, server: BitwardenServer, vault: Account) -> None:
    """Three hosts at once get the value by one login, and nothing that Ansible prints has it, even with -vvv."""
    done = playbook.run("--no-session", "--", *PLAY, "-vvv", "--diff", "--forks", "3")

    assert done.status == 0, done.stdout + done.stderr
    assert done.stdout.count("ok=2 ") == 3
    assert VALUE not in done.stdout + done.stderr
    assert [request.path for request in server.requests()].count("/identity/connect/token") == 1
    assert (playbook.work / "app.conf").read_text() == f"password = {VALUE}\n"


def test_environment_of_a_task(playbook: Surroundings) -> None:
    """Ansible prints the values of `environment` with -vvv, as the page says."""
    task = "      no_log: true\n      environment:\n        COPY: '{{ db_password }}'\n"
    (playbook.work / "site.yml").write_text(FILES["site.yml"].replace("      no_log: true\n", task))
    done = playbook.run("--no-session", "--", *PLAY, "-vvv", "--limit", "host0")

    assert done.status == 0, done.stdout + done.stderr
    assert f"COPY={VALUE}" in done.stdout


def test_without_bwrun(playbook: Surroundings) -> None:
    """The play alone fails and does not go on with an empty password."""
    done = subprocess.run(
        PLAY, check=False, cwd=playbook.work, env=playbook.environment, stdin=subprocess.DEVNULL, capture_output=True,
        timeout=TIMEOUT,
    )  # fmt: skip

    assert done.returncode == 2
    assert not (playbook.work / "app.conf").exists()
