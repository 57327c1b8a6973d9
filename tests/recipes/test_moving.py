"""docs/recipes/moving.md: the old script and the new one do the same; tests/test_commands.py runs the rest."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.server.control import Account, BitwardenServer
from tests.support.files import write_private
from tests.support.pages import page
from tests.support.program import TIMEOUT, Surroundings

PAGE = page("docs/recipes/moving.md")
OLD = PAGE.blocks("sh")[0]
NEW = {step.command.removeprefix("cat "): step.output for one in PAGE.examples() for step in one.steps}
SERVER = "https://vault.example.com"
MIGRATE = """\
#!/bin/sh
test "$DB_USER:$DB_PASSWORD" = deploy:p4ss-of-prod-db && echo "migrated ${BW_CLIENTSECRET+with the API key}"
"""


def put(run_in: Surroundings, server: BitwardenServer, files: dict[str, str]) -> None:
    """Put files of the page into the working directory, and the program that both scripts run."""
    for name, text in files.items():
        write_private(run_in.work / name, text.replace(SERVER, server.url)).chmod(0o700)
    (run_in.work / "migrate").write_text(MIGRATE)
    (run_in.work / "migrate").chmod(0o700)


def test_new_script(run_in: Surroundings, server: BitwardenServer, vault: Account) -> None:
    """The new script gets what the old one got, but not the API key."""
    put(run_in, server, {name: NEW[name] for name in ("deploy", "deploy.env")})
    del run_in.environment["BWRUN_SERVER"]

    done = run_in.run("--env-file", "deploy.env", "--", "./deploy")

    assert (done.status, done.stdout, done.stderr) == (0, "migrated \n", "")


@pytest.mark.slow
@pytest.mark.official_cli
def test_old_script(run_in: Surroundings, server: BitwardenServer, vault: Account, official_bw: Path) -> None:
    """The old script works, too, with the official CLI: so the two can be compared."""
    put(run_in, server, {"deploy": OLD})
    path = os.pathsep.join((str(official_bw.parent), run_in.environment["PATH"]))
    own = {
        "PATH": path,
        "NODE_EXTRA_CA_CERTS": str(server.ca_file),
        "BITWARDENCLI_APPDATA_DIR": str(run_in.home / "bw"),
    }

    done = subprocess.run(
        ["./deploy"],
        check=False, cwd=run_in.work, env=run_in.environment | own, stdin=subprocess.DEVNULL, capture_output=True,
        encoding="utf-8", timeout=TIMEOUT,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    assert "migrated with the API key\n" in done.stdout


@pytest.mark.slow
@pytest.mark.official_cli
def test_old_script_step_by_step(
    run_in: Surroundings, server: BitwardenServer, vault: Account, official_bw: Path
) -> None:
    """Without its lines for login, unlock and logout, the old script works inside of bwrun."""
    gone = ("bw config", "bw login", "BW_SESSION=", "export BW_SESSION", "bw sync", "bw lock", "bw logout")
    put(
        run_in, server, {"deploy": "".join(line for line in OLD.splitlines(keepends=True) if not line.startswith(gone))}
    )
    run_in.environment["PATH"] = os.pathsep.join((str(official_bw.parent), run_in.environment["PATH"]))

    done = run_in.run("--", "./deploy")

    assert (done.status, done.stdout) == (0, "migrated \n"), done.stderr


def test_what_differs_from_dotenvx(run_in: Surroundings) -> None:
    """Nothing is expanded or decrypted, a part of a name is not enough, and a failure starts nothing."""
    lines = ("PLAIN=${HOME} $(id)", "SEALED=encrypted:BOX5Gsnx", "URL='a bw://prod-db/password b'")
    write_private(run_in.work / "env", *lines)
    show = 'echo "$PLAIN|$SEALED|$URL"'

    done = run_in.run("--env-file", "env", "--no-session", "--", "sh", "-c", show)
    part = run_in.run("-e", "PW=bw://prod/password", "--no-session", "--", "echo", "started")

    assert done.stdout == "${HOME} $(id)|encrypted:BOX5Gsnx|a bw://prod-db/password b\n"
    assert (part.status, part.stdout, part.codes) == (125, "", ["reference.not-found"])
