"""Files with secrets (`NAME=@bw://…`, `--template`): exactly the bytes, for the user alone, gone at the end."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from tests.conftest import CHEAP
from tests.server.control import Account, BitwardenServer
from tests.server.specs import AccountSpec, AttachmentSpec, ItemSpec, Login, SecureNote, SshKey
from tests.supervisor.clearing import Run, wait_cleared
from tests.support.files import write_private
from tests.support.program import BWRUN, Surroundings
from tests.support.terminal import wait_until

BINARY = bytes(range(256)) + b"\r\n\0\n\r"
NOTES = {"crlf": "one\r\ntwo\r\n", "no end": "one", "newline": "one\n\n", "nul": "a\0b", "other": "grüße €\n"}
HEX = 'od -An -v -tx1 "$F"'


@pytest.fixture(scope="module")
def vault(server: BitwardenServer) -> Account:
    """Make an account with something of each kind that can be a file."""
    files = (AttachmentSpec("id.pem", BINARY), AttachmentSpec("empty", b""))
    return server.add_account(
        AccountSpec(
            "files@example.com",
            "correct horse",
            kdf=CHEAP,
            items=(
                ItemSpec("app", Login("deploy", "p4ss"), attachments=files),
                ItemSpec("tls", SshKey("-----BEGIN\nKEY-----\n", "ssh-ed25519 A", "SHA256:x")),
                ItemSpec("spoilt", Login("a", "b"), tamper=("login.password",)),
                *(ItemSpec(name, SecureNote(), notes=text) for name, text in NOTES.items()),
            ),
        )
    )


def content(surroundings: Surroundings, *words: str) -> bytes:
    """Return what is in the file at $F."""
    done = surroundings.run(*words, "--", "sh", "-c", HEX)
    assert (done.status, done.stderr) == (0, "")
    return bytes.fromhex(done.stdout)


# @bw:// ---------------------------------------------------------------------------------------------------------------

VALUES = {f"{name}/notes": text.encode() for name, text in NOTES.items()} | {
    "app/attachment/id.pem": BINARY,
    "app": b"p4ss",
    "tls/ssh.private_key": b"-----BEGIN\nKEY-----\n",
}


@pytest.mark.parametrize("reference", VALUES)
@pytest.mark.parametrize("session", [[], ["--no-session"]], ids=["session", "no session"])
def test_has_exactly_the_bytes(run_in: Surroundings, reference: str, session: list[str]) -> None:
    """The file has the value's bytes: NUL, CRLF, no UTF-8; a newline at its end only where the vault has one."""
    assert content(run_in, *session, "-e", f"F=@bw://{reference.replace(' ', '%20')}") == VALUES[reference]


@pytest.mark.parametrize("umask", ["000", "077", "777"])
@pytest.mark.parametrize("session", [[], ["--no-session"]], ids=["session", "no session"])
def test_is_private_whatever_the_umask(run_in: Surroundings, umask: str, session: list[str]) -> None:
    """The file is 0600 in directories that are 0700, within the session's own; the command has the caller's umask."""
    (run_in.work / "t").write_text("{{ bw://app }}")
    script = 'for f in "$F" "$T"; do stat -c %a "$f" "${f%/*}" "${f%/*/*}"; echo "${f%/*/*/*}"; done; umask'
    words = [*session, "-e", "F=@bw://app", "--template", "t:T", "--", "sh", "-c", script]
    with Run.start(run_in, *words, before=["sh", "-c", f'umask {umask}; exec "$@"', "sh"]) as run:
        done = run.wait()

    each = ["600", "700", "700", str(run_in.runtime)]
    assert (done.status, done.stderr, done.stdout.split()) == (0, "", [*each, *each, f"0{umask}"])


def test_is_in_the_sessions_directory(run_in: Surroundings) -> None:
    """Beside a session the file is in its directory, where nothing of the session's can be of its name."""
    script = 'echo "$BITWARDENCLI_APPDATA_DIR"; echo "$data"; echo "$owner"; cat "$owner"'
    done = run_in.run("-e", "data=@bw://app", "-e", "owner=@bw://app", "--", "sh", "-c", script)

    directory, *rest = done.stdout.splitlines()
    assert rest == [f"{directory}/files/data", f"{directory}/files/owner", "p4ss"]


@pytest.mark.parametrize("session", [[], ["--no-session"]], ids=["session", "no session"])
@pytest.mark.parametrize("how", ["end", "TERM", "INT", "KILL"])
def test_is_gone_at_the_end(run_in: Surroundings, session: list[str], how: str) -> None:
    """However bwrun ends, kill -9 included, the files are gone."""
    (run_in.work / "t").write_text("{{ bw://app }}")
    script = 'echo ready; cat "$F" "$T"; echo; echo "$F"; echo "$T"; ' + ("" if how == "end" else "exec sleep 1000")
    words = [*session, "-e", "F=@bw://app", "--template", "t:T", "--", "sh", "-c", script]
    with Run.start(run_in, *words) as run:
        if how == "end":
            run.wait()
        else:
            wait_until(lambda: run.stdout.count("\n") == 4)
            assert all(Path(path).exists() for path in run.stdout.split()[2:])
            run.kill(getattr(signal, f"SIG{how}"))
            run.wait()
        wait_cleared(run_in)

        ready, both, *paths = run.stdout.split()
    assert (ready, both) == ("ready", "p4ssp4ss")
    assert len(paths) == 2
    assert not any(Path(path).exists() for path in paths)


def test_optional_file(run_in: Surroundings) -> None:
    """A file whose item is missing leaves its variable unset if that is optional, whoever else had set it."""
    write_private(run_in.work / ".env", "F=plain")
    words = ["--no-session", "--optional", "F", "--", "sh", "-c", "echo ${F-unset}"]
    done = run_in.run(*words, env={"F": "@bw://nix"})

    assert (done.status, done.stdout, done.stderr) == (0, "unset\n", "")
    done = run_in.run("--optional", "F", "-e", "F=@bw://spoilt", "--", "touch", "x")
    assert (done.status, done.codes) == (125, ["crypto.integrity"])
    assert not (run_in.work / "x").exists()


def test_missing_file(run_in: Surroundings) -> None:
    """One that is not optional stops the run before the command, and before any file."""
    done = run_in.run("-e", "F=@bw://nix", "-e", "G=@bw://app", "--", "touch", "x")

    assert (done.status, done.codes) == (125, ["reference.not-found"])
    assert not (run_in.work / "x").exists()


def test_a_file_is_downloaded_once(run_in: Surroundings, server: BitwardenServer) -> None:
    """Three references to the same attachment are one download."""
    words = ["-e", "A=@bw://app/attachment/id.pem", "-e", "B=@bw://app/attachment/id.pem"]
    (run_in.work / "t").write_text("{{ bw://app/attachment/id.pem }}")

    assert run_in.run(*words, "--template", "t:T", "--", "cmp", "/dev/null", "/dev/null").status == 0
    assert sum("/attachments/" in request.path for request in server.requests()) == 1


def test_odd_variables_have_files_too(run_in: Surroundings) -> None:
    """A name that could be no file's gets a file all the same, one of each, in nobody's way."""
    (run_in.work / "t").write_text("template")
    names = ["a.b", "../x", "x/y", "é", "n" * 300]
    words = [word for name in names for word in ("-e", f"{name}=@bw://app")]
    script = "import os, sys; print(*(open(os.environ[name]).read() for name in sys.argv[1:]))"
    done = run_in.run("--no-session", "--template", "t:file-0", *words, "--", "python3", "-c", script, *names, "FILE_0")

    assert (done.status, done.stdout, done.stderr) == (0, "p4ss p4ss p4ss p4ss p4ss template\n", "")


def test_nested_run_has_the_file(run_in: Surroundings) -> None:
    """A run inside sees the path that the outer one resolved, and takes nothing away from it."""
    script = '"$0" -- sh -c \'cat "$F"\'; "$0" --no-session -- sh -c \'cat "$F"\'; cat "$F"'
    done = run_in.run("-e", "F=@bw://app", "--", "sh", "-c", script, BWRUN)

    assert (done.status, done.stdout, done.stderr) == (0, "p4ss" * 3, "")


def test_no_place_for_a_file(run_in: Surroundings, server: BitwardenServer) -> None:
    """Where there is no directory for it, a run that asks for a file fails, before any request."""
    for mode in ([], ["--check"]):
        words = [*mode, "--no-session", "-e", "F=@bw://app", "--", "true"]
        done = run_in.run(*words, env={"BWRUN_RUNTIME_DIR": "/nonexistent"})

        assert (done.status, done.codes) == (125, ["session.runtime-dir"])
    assert server.requests() == []


# --template -----------------------------------------------------------------------------------------------------------


def test_nothing_else_is_changed(run_in: Surroundings) -> None:
    """Values stand where references stood, unescaped; all other bytes are as they were."""
    text = b'\xef\xbb\xbfa="%1"\r\n\0$HOME ${X} {{ jinja }} %% \\1 \xff\xfe\n<%2>[bw:/x] xbw://app %3'
    references = {b"%1": b"bw://app", b"%2": b"{{ bw://tls/ssh.private_key }}", b"%3": b"{{bw://crlf/notes}}"}
    values = {b"%1": b"p4ss", b"%2": b"-----BEGIN\nKEY-----\n", b"%3": b"one\r\ntwo\r\n"}
    (run_in.work / "t").write_bytes(filled(text, references))

    assert content(run_in, "--template", "t:F") == filled(text, values)


def filled(text: bytes, parts: dict[bytes, bytes]) -> bytes:
    """Return a text with `parts` in the places of marks."""
    for mark, part in parts.items():
        text = text.replace(mark, part)
    return text


@pytest.mark.parametrize(
    ("out", "variable", "name"), [("APP", "APP", "APP"), ("app.conf", "APP_CONF", "app.conf"), ("low", "low", "low")]
)
def test_out(run_in: Surroundings, out: str, variable: str, name: str) -> None:
    """OUT is a variable or a file's name; the path at the one ends with the other."""
    (run_in.work / "in:put").write_text("x {{ bw://app }}")
    done = run_in.run("--template", f"in:put:{out}", "--", "sh", "-c", f'echo "${variable}"; cat "${variable}"')

    path, text = done.stdout.splitlines()
    assert (done.status, Path(path).name, text) == (0, name, "x p4ss")


@pytest.mark.parametrize("out", ["", "a/b", "../s3cret", ".s3cret", "1s3cret", "PATH", "BW_SESSION", "s3cret\n"])
def test_odd_out(run_in: Surroundings, server: BitwardenServer, out: str) -> None:
    """What is no plain name is refused before any request, and not shown if it names no variable."""
    (run_in.work / "t").write_text("x")
    done = run_in.run("--template", f"t:{out}", "--", "true")

    assert (done.status, done.codes) == (125, ["usage.template"])
    assert "s3cret" not in done.stderr
    assert server.requests() == []


def test_templates_of_the_option_and_the_variable(run_in: Surroundings) -> None:
    """BWRUN_TEMPLATE means one template; options, as many as there are, replace it; the command sees no setting."""
    for name in "abc":
        (run_in.work / name).write_text(name + " {{ bw://app }}\n")
    script = 'cat "${A-/dev/null}" "${B-/dev/null}" "${C-/dev/null}"; env | grep BWRUN_'
    setting = {"BWRUN_TEMPLATE": "a:A"}

    assert run_in.run("--", "sh", "-c", script, env=setting).stdout == "a p4ss\n"
    done = run_in.run("--template", "b:B", "--template", "c:C", "--", "sh", "-c", script, env=setting)
    assert done.stdout == "b p4ss\nc p4ss\n"


def test_a_template_wins_over_the_environment(run_in: Surroundings) -> None:
    """A variable that the environment or an env file sets is replaced, and a reference there not looked up."""
    write_private(run_in.work / ".env", "T=bw://nix")
    (run_in.work / "t").write_text("bw://app")
    done = run_in.run("--template", "t:T", "--", "sh", "-c", 'cat "$T"', env={"T": "bw://nix?what"})

    assert (done.status, done.stdout, done.stderr) == (0, "p4ss", "")


def write_all(where: int | Path, text: str) -> None:
    """Write to a pipe, and close it."""
    with open(where, "w") as pipe:  # noqa: PTH123  (a descriptor has no path)
        pipe.write(text)


@pytest.mark.parametrize("kind", ["stdin", "descriptor", "fifo"])
def test_a_template_from_a_pipe(run_in: Surroundings, kind: str) -> None:
    """A template may be a pipe, as `<(…)` is: it is read once, to its end."""
    words = ["--", "sh", "-c", 'cat "$T"']
    text = "x bw://app " * 20_000
    if kind == "stdin":
        done = run_in.run("--template", "/dev/stdin:T", *words, stdin=text)
    elif kind == "descriptor":
        reader, writer = os.pipe()
        feeder = threading.Thread(target=write_all, args=(writer, text))
        feeder.start()
        done = run_in.run("--template", f"/dev/fd/{reader}:T", *words, pass_fds=[reader])
        feeder.join()
        os.close(reader)
    else:
        os.mkfifo(run_in.work / "fifo")
        feeder = threading.Thread(target=write_all, args=(run_in.work / "fifo", text))
        feeder.start()
        done = run_in.run("--template", "fifo:T", *words)
        feeder.join()

    assert (done.status, done.stdout, done.stderr) == (0, "x p4ss " * 20_000, "")


@pytest.mark.parametrize("kind", ["missing", "directory", "large", "endless"])
def test_a_template_that_cannot_be_read(run_in: Surroundings, server: BitwardenServer, kind: str) -> None:
    """It is named with the reason before any request, and nothing is started."""
    path = {"missing": "nix", "directory": "d", "large": "l", "endless": "/dev/zero"}[kind]
    (run_in.work / "d").mkdir()
    with (run_in.work / "l").open("wb") as file:
        file.truncate((16 << 20) + 1)
    done = run_in.run("--template", f"{path}:T", "--", "touch", "x")

    assert (done.status, done.codes) == (125, ["config.template"])
    assert f"`{path}`" in done.stderr
    assert server.requests() == []
    assert not (run_in.work / "x").exists()


def test_what_is_malformed_is_told_at_once(run_in: Surroundings, server: BitwardenServer) -> None:
    """Malformed references of all templates and variables are told in one go, by their place, before any request."""
    (run_in.work / "a").write_text("ok {{ bw://app }}\nü bw://app/\n")
    (run_in.work / "b").write_text("{{ BW://x }}{{ @bw://x }}")
    done = run_in.run("--template", "a:A", "--template", "b:B", "-e", "C=bw://", "--item", "x/y", "--", "true")

    assert (done.status, done.codes) == (125, ["reference.invalid"] * 5)
    for place in ("`a` line 2 column 3: ", "`b` line 1 column 1: ", "`b` line 1 column 13: ", "C: ", "--item x/y: "):
        assert f"bwrun: error: {place}" in done.stderr
    assert server.requests() == []


def test_what_cannot_be_resolved_is_told_at_once(run_in: Surroundings) -> None:
    """References that find nothing are told in one go, with those of variables, and no command is started."""
    (run_in.work / "a").write_text("{{ bw://app }}\n {{ bw://nix }} bw://spoilt\n")
    done = run_in.run("--optional", "A", "--template", "a:A", "-e", "C=bw://app/x", "--", "touch", "x")

    assert (done.status, sorted(done.codes)) == (125, ["crypto.integrity", "reference.no-field", "reference.not-found"])
    assert "error: `a` line 2 column 2: no item is called `nix`" in done.stderr
    assert "p4ss" not in done.stderr
    assert not (run_in.work / "x").exists()
