"""docs/recipes/terraform.md: the files are HCL, the variables reach Terraform, and the state holds no value."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.server.control import Account
from tests.support.files import write_private
from tests.support.hcl import read_hcl
from tests.support.pages import page
from tests.support.program import TIMEOUT, Surroundings

PAGE = page("docs/recipes/terraform.md")
FILES = PAGE.files()
VALUE = "p4ss-of-prod-db"
ADDRESS = "https://state.example.com"


def backend() -> tuple[str, str]:
    """Return the lines for an env file, and the block, of the section about the state."""
    section = PAGE.section("Credentials of providers and of the state")
    lines, block = [part.partition("\n```")[0].partition("\n")[2] for part in section.split("\n```")[1::2]]
    return lines, block


class StateServer(ThreadingHTTPServer):
    """Keeps one state for who has the password."""

    daemon_threads = True
    state: bytes = b""
    refused = 0


class _Handler(BaseHTTPRequestHandler):
    """Answers as the backend `http` wants it: GET and POST of the state, with basic authentication."""

    server: StateServer

    def do_GET(self) -> None:
        self._answer(200 if self.server.state else 404, self.server.state)

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if self._is_allowed():
            self.server.state = content
        self._answer(200, b"")

    def _is_allowed(self) -> bool:
        given = self.headers.get("Authorization", "").removeprefix("Basic ")
        return base64.b64decode(given) == f"deploy:{VALUE}".encode()

    def _answer(self, status: int, content: bytes) -> None:
        if not self._is_allowed():
            self.server.refused += 1
            status, content = 401, b""
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base class's name)
        """Print nothing."""


@contextmanager
def state_server() -> Iterator[StateServer]:
    """Run a server for the state."""
    with StateServer(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def test_files_are_hcl() -> None:
    """Both files are what they say, and each variable of Terraform has its line in the env file."""
    main = read_hcl(FILES["main.tf"])
    (variables,) = main["variable"]
    ((kind, settings),) = read_hcl(backend()[1])["terraform"][0]["backend"][0].items()

    assert {f"TF_VAR_{name}" for name in variables} == set(re.findall(r"^(\w+)=", FILES[".env"], re.MULTILINE))
    assert variables["db_password"]["sensitive"] is True
    assert variables["db_password"]["ephemeral"] is True
    assert (kind, settings["address"]) == ("http", f"{ADDRESS}/production")


def test_values_reach_the_environment(run_in: Surroundings, vault: Account) -> None:
    """What Terraform would be given are the values; a program that prints its environment stands in for it."""
    write_private(run_in.work / ".env", FILES[".env"])

    done = run_in.run("--no-session", "--", "env")

    assert f"TF_VAR_db_password={VALUE}" in done.stdout.splitlines()
    assert done.status == 0


def test_real_terraform(run_in: Surroundings, vault: Account) -> None:
    """The files of the page work with a state at a server that wants a password, and the state has no value in it."""
    terraform = shutil.which("terraform") or shutil.which("tofu")
    if terraform is None:
        pytest.skip("terraform is not installed, and no registry has it: the other tests of the page do without")
    lines, block = backend()
    with state_server() as server:
        address = f"http://127.0.0.1:{server.server_port}"
        write_private(run_in.work / ".env", FILES[".env"] + lines.replace("terraform%20state", "prod-db"))
        (run_in.work / "main.tf").write_text(FILES["main.tf"])
        (run_in.work / "backend.tf").write_text(block.replace(ADDRESS, address))
        program = run_in.work / "migrate"
        program.write_text(f'#!/bin/sh\ntest "$DB_PASSWORD" = {VALUE} && touch migrated\n')
        program.chmod(0o700)
        environment = {"CHECKPOINT_DISABLE": "1", "TF_CLI_CONFIG_FILE": "/dev/null"}
        without = subprocess.run(
            [terraform, "init", "-input=false"],
            check=False, cwd=run_in.work, env=run_in.environment | environment, capture_output=True, timeout=TIMEOUT,
        )  # fmt: skip
        script = f"{terraform} init -input=false && {terraform} apply -input=false -auto-approve"
        done = run_in.run("--no-session", "--", "sh", "-c", script, env=environment)

        assert (without.returncode, server.refused > 0) == (1, True)  # the password is needed
        assert done.status == 0, done.stdout + done.stderr
        assert (run_in.work / "migrated").exists()
        assert json.loads(server.state)["resources"][0]["type"] == "terraform_data"
        assert VALUE.encode() not in server.state
        assert VALUE not in done.stdout + done.stderr
