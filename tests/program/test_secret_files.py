"""Files of the vault: `NAME=@bw://…` and `--template`, in the session's directory and gone with it."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.conftest import CHEAP
from tests.server.control import Account, BitwardenServer
from tests.server.specs import AccountSpec, AttachmentSpec, ItemSpec, Login, SecureNote
from tests.support.files import write_private
from tests.support.program import BWRUN, Surroundings

BYTES = bytes(range(256)) + b"\r\n\0end"


@pytest.fixture(scope="module")
def vault(server: BitwardenServer) -> Account:
    """Make an account with a file of every byte, and a few values."""
    file = AttachmentSpec("all.bin", BYTES)
    items = (
        ItemSpec("tls", Login("deploy", "p4ss"), attachments=(file,)),
        ItemSpec("My note", SecureNote(), notes="two\nlines"),
    )
    return server.add_account(AccountSpec("files@example.com", "correct horse", kdf=CHEAP, items=items))


@pytest.fixture
def run_in(bare: Surroundings, server: BitwardenServer, vault: Account) -> Surroundings:
    """Give surroundings with that account."""
    server.clear_faults()
    bare.use(server, vault)
    return bare


@pytest.mark.parametrize("options", [[], ["--no-session"]], ids=["session", "no session"])
def test_file_has_exactly_the_bytes(run_in: Surroundings, options: list[str]) -> None:
    """A file of the vault arrives byte for byte, is the user's alone whatever the umask, and is gone afterwards."""
    script = 'cp "$KEY" copy; stat -c %a "$KEY" "$(dirname "$KEY")"; echo "$KEY"'
    words = [*options, "-e", "KEY=@bw://tls/attachment/all.bin", "--", "sh", "-c", script]
    done = subprocess.run(
        [BWRUN, *words], check=False, capture_output=True, encoding="utf-8", cwd=run_in.work, umask=0,
        env=run_in.environment,
    )  # fmt: skip
    first, second, where = done.stdout.split()

    assert (done.returncode, done.stderr, first, second) == (0, "", "600", "700")
    assert (run_in.work / "copy").read_bytes() == BYTES
    assert where.startswith(f"{run_in.runtime}/bwrun.")
    assert where.endswith("/files/KEY")
    assert run_in.left() == []


def test_optional_file_is_missing(run_in: Surroundings) -> None:
    """An optional file that is not there leaves its variable unset."""
    words = ["--optional", "KEY", "-e", "KEY=@bw://tls/attachment/other", "--", "sh", "-c", 'echo "${KEY-unset}"']

    assert run_in.run(*words).stdout == "unset\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_files_go_with_the_run(run_in: Surroundings, number: signal.Signals) -> None:
    """However the run ends, by `kill -9` of bwrun too, no file of the vault is left."""
    words = ["--no-session", "-e", "KEY=@bw://tls", "--", "sh", "-c", 'cat "$KEY"; echo; exec sleep 30']
    process = subprocess.Popen(
        [BWRUN, *words], stdout=subprocess.PIPE, env=run_in.full_environment({}), cwd=run_in.work, encoding="utf-8"
    )
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == "p4ss\n"
        assert len(run_in.left()) == 1
        process.send_signal(number)
        process.wait()
        process.stdout.read()  # to the end: the janitor has ended the command by then

    wait_until_empty(run_in.runtime)


def wait_until_empty(directory: Path) -> None:
    """Wait until nothing lies in `directory`; the test's time limit ends a wait in vain."""
    while any(directory.iterdir()):
        os.sched_yield()


def test_template(run_in: Surroundings) -> None:
    """References in a template become values, bare or between braces, and no other byte changes."""
    text = b'\xff user={{ bw://tls/username }}\r\n"bw://tls",{{bw://My note}};{{ other }} abw://x ${Y} <bw://tls/name>'
    (run_in.work / "in.tpl").write_bytes(text)
    done = run_in.run("--template", "in.tpl:CONF", "--", "sh", "-c", 'cp "$CONF" out; stat -c %a "$CONF"; echo "$CONF"')
    mode, where = done.stdout.split()

    assert (done.status, done.stderr, mode) == (0, "", "600")
    assert where.endswith("/files/CONF")
    assert (run_in.work / "out").read_bytes() == (
        b'\xff user=deploy\r\n"p4ss",two\nlines;{{ other }} abw://x ${Y} <tls>'
    )
    assert run_in.left() == []


def test_names_of_templates(run_in: Surroundings) -> None:
    """OUT is a variable, or a file's name from which the variable follows; the option may be repeated."""
    write_private(run_in.work / "a:b.tpl", "bw://tls")
    words = ["--template", "a:b.tpl:app-1.conf", "--template", "a:b.tpl:Lower_case"]
    done = run_in.run(*words, "--", "sh", "-c", 'cat "$APP_1_CONF" "$Lower_case"; basename "$APP_1_CONF"')

    assert (done.status, done.stdout, done.stderr) == (0, "p4ss\np4ss\napp-1.conf\n", "")


def test_template_from_the_environment_and_a_pipe(run_in: Surroundings) -> None:
    """BWRUN_TEMPLATE is the option; IN may be a pipe."""
    script = f'echo bw://tls | "{BWRUN}" -- sh -c \'cat "$CONF"\''
    done = subprocess.run(
        ["sh", "-c", script],
        env=run_in.full_environment({"BWRUN_TEMPLATE": "/dev/stdin:CONF"}),
        cwd=run_in.work,
        capture_output=True,
        check=False,
        encoding="utf-8",
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "p4ss\n", "")


def test_wrong_references_in_templates(run_in: Surroundings, server: BitwardenServer) -> None:
    """All that is malformed is told by line and column before any request; what is not found stops the run."""
    write_private(
        run_in.work / "wrong.tpl", "ü bw://a?x=1 bw://tls\n\n{{ bw://a/b/c }} BW://tls\n@bw://tls {{ @bw://tls }}\n"
    )
    server.clear_requests()
    done = run_in.run("--template", "wrong.tpl:CONF", "--", "touch", "x")

    assert (done.status, done.codes) == (125, ["reference.invalid"] * 4)
    for place in ("line 1 column 3", "line 3 column 1", "line 3 column 18", "line 4 column 11"):
        assert f"`wrong.tpl` {place}: " in done.stderr
    assert server.requests() == []
    write_private(run_in.work / "wrong.tpl", "bw://nix bw://tls/nofield")
    done = run_in.run("--template", "wrong.tpl:CONF", "--", "touch", "x")

    assert (done.status, done.codes) == (125, ["reference.not-found", "reference.no-field"])
    assert not (run_in.work / "x").exists()


@pytest.mark.parametrize(
    ("option", "code"),
    [
        ("in.tpl", "usage.template"),
        ("in.tpl:", "usage.template"),
        (":CONF", "usage.template"),
        ("in.tpl:../CONF", "usage.template"),
        ("in.tpl:.conf", "usage.template"),
        ("in.tpl:1.conf", "usage.template"),
        ("in.tpl:PATH", "usage.template"),
        ("in.tpl:BW_SESSION", "usage.template"),
        ("missing.tpl:CONF", "config.template"),
    ],
)
def test_wrong_templates(run_in: Surroundings, option: str, code: str) -> None:
    """A template that cannot be read, or an OUT that is no plain name, is told before anything is done."""
    write_private(run_in.work / "in.tpl", "bw://tls")
    done = run_in.run("--template", option, "--", "touch", "x")

    assert (done.status, done.codes) == (125, [code])
    assert not (run_in.work / "x").exists()


@pytest.mark.parametrize("words", [["--template", "in.tpl:CONF"], ["-e", "CONF=x"]])
def test_two_options_for_one_variable(run_in: Surroundings, words: list[str]) -> None:
    """Two options that set the same variable contradict each other."""
    write_private(run_in.work / "in.tpl", "bw://tls")
    done = run_in.run("--template", "in.tpl:CONF", *words, "--", "true")

    assert (done.status, done.codes) == (125, ["usage.template"])


def test_template_wins_over_the_environment(run_in: Surroundings) -> None:
    """An option wins over the environment: a reference there is not looked up."""
    write_private(run_in.work / "in.tpl", "no reference")
    done = run_in.run("--template", "in.tpl:CONF", "--", "sh", "-c", 'cat "$CONF"', env={"CONF": "@bw://there-is-none"})

    assert (done.status, done.stdout, done.stderr) == (0, "no reference\n", "")
