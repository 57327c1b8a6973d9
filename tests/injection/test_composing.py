"""Values that hold references inside other text: what is replaced, what is refused, and what only gives a warning."""

from __future__ import annotations

import json

import pytest

from tests.conftest import CHEAP
from tests.server.control import Account, BitwardenServer
from tests.server.specs import AccountSpec, AttachmentSpec, FieldSpec, ItemSpec, Login, SecureNote
from tests.support.files import write_private
from tests.support.program import BWRUN, Surroundings

SECRET = "s3cret-90be"
ID = "0e0e0e0e-0000-4000-8000-000000000001"
URL = "postgres://u:{{ bw://prod-db/password }}@h/db"
FILLED = f"postgres://u:{SECRET}@h/db"
SHOW = ("sh", "-c", 'printf %s "$URL"')
FORBIDDEN = ["PATH", "LD_PRELOAD", "BASH_ENV", "HOME", "BW_SESSION", "BITWARDENCLI_APPDATA_DIR"]


@pytest.fixture(scope="module")
def vault(server: BitwardenServer) -> Account:
    """Make an account with values that fit into a variable, and some that do not."""
    return server.add_account(
        AccountSpec(
            "composing@example.com",
            "correct horse",
            kdf=CHEAP,
            items=(
                ItemSpec(
                    "prod-db",
                    Login("deploy", SECRET),
                    id=ID,
                    fields=(FieldSpec("URL", "of the item"),),
                    attachments=(AttachmentSpec("raw", b"\xff\n\xfe"),),
                ),
                ItemSpec("odd", SecureNote(), notes="a {{ bw://prod-db }} \\1 %s\n"),
                ItemSpec("hint", SecureNote(), notes="see bw://x"),
                ItemSpec("nul", SecureNote(), notes=f"{SECRET}\0"),
                ItemSpec("big", SecureNote(), notes=SECRET * 20_000),
                ItemSpec("spoilt", Login("a", "b"), tamper=("login.password",)),
            ),
        )
    )


# What is replaced -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["-e", "env file", "environment"])
def test_is_composed_from_each_place(run_in: Surroundings, place: str) -> None:
    """A reference in braces is replaced by its value, wherever the value of the variable comes from."""
    if place == "env file":
        write_private(run_in.work / ".env", f"URL={URL}\n")
    words = ("-e", f"URL={URL}") if place == "-e" else ()
    done = run_in.run(*words, "--", *SHOW, env={"URL": URL if place == "environment" else None})

    assert (done.status, done.stdout, done.stderr) == (0, FILLED, "")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ bw://prod-db }}", SECRET),
        ("{{bw://prod-db}}{{\tbw://prod-db/username }}", f"{SECRET}deploy"),
        ("@text {{ bw://prod-db/username }}", "@text deploy"),
        ("me@{{ bw://prod-db/username }}", "me@deploy"),
        (" {{ bw://prod-db/username }}\n\t\\ %d ${X} {{ jinja }} {}\n", " deploy\n\t\\ %d ${X} {{ jinja }} {}\n"),
        ("<{{ bw://odd }}>", "<a {{ bw://prod-db }} \\1 %s\n>"),
        ("\udcff{{ bw://prod-db/attachment/raw }}ü", "\udcff\udcff\n\udcfeü"),
    ],
)
def test_other_bytes_stay(run_in: Surroundings, text: str, expected: str) -> None:
    """Only the references with their braces are replaced; values come in unchanged and are not read again."""
    done = run_in.run("-e", f"URL={text}", "--", *SHOW)

    assert (done.status, done.stdout, done.stderr) == (0, expected, "")


def test_who_wins(run_in: Surroundings) -> None:
    """A composed value that loses, against -e, --item or --template, is not looked up."""
    (run_in.work / "t").write_text("filled")
    wrong = "x {{ bw://nix }}"
    env = {"URL": wrong, "A": wrong, "T": wrong}
    words = ["-e", "A=plain", "--item", "prod-db", "--template", "t:T"]
    done = run_in.run(*words, "--", "sh", "-c", 'echo "$URL $A $(cat "$T")"', env=env)

    assert (done.status, done.stdout, done.stderr) == (0, "of the item plain filled\n", "")
    done = run_in.run("-e", f"URL={URL}", "--item", "prod-db", "--", *SHOW)
    assert (done.status, done.stdout) == (0, FILLED)


def test_optional(run_in: Surroundings) -> None:
    """If one part of an optional variable is missing, the variable is unset; a part that is broken is an error."""
    text = f"{URL} {{{{ bw://nix }}}}"
    done = run_in.run("--optional", "URL", "-e", f"URL={text}", "--", "sh", "-c", 'echo "${URL-unset}"')

    assert (done.status, done.stdout, done.stderr) == (0, "unset\n", "")
    done = run_in.run("--optional", "URL", "-e", f"URL={text} {{{{ bw://spoilt }}}}", "--", "true")
    assert (done.status, done.codes) == (125, ["crypto.integrity"])


def test_items_are_fetched_alone(run_in: Surroundings, server: BitwardenServer) -> None:
    """Without a session, references by id in composed values are downloaded as those in plain ones."""
    done = run_in.run("--no-session", "-e", f"URL=a {{{{ bw://{ID}/username }}}} b", "--", *SHOW)

    assert (done.status, done.stdout, done.stderr) == (0, "a deploy b", "")
    assert f"/api/ciphers/{ID}/details" in [request.path for request in server.requests()]
    assert "/api/sync" not in [request.path for request in server.requests()]
    run_in.run("--no-session", "-e", f"A=bw://{ID}", "-e", "URL=a {{ bw://odd }}", "--", "true")
    assert "/api/sync" in [request.path for request in server.requests()]


@pytest.mark.parametrize(
    "name", ["npm_lifecycle_script", "SUDO_COMMAND", "MAKEFLAGS", "BASH_FUNC_run%%", "npm_package_scripts_x"]
)
def test_a_command_line_in_the_environment_stays(run_in: Surroundings, server: BitwardenServer, name: str) -> None:
    """What npm, sudo, make and bash keep in the environment may be bwrun's own command line: it is no value of ours."""
    line = f"bwrun -e 'URL={URL}' -e A=bw://x -- y"
    done = run_in.run("--no-session", "--", "env", env={name: line})

    assert (done.status, done.stderr) == (0, "")
    assert f"{name}={line}\n" in done.stdout
    assert server.requests() == []


def test_a_nested_run_sees_the_text(run_in: Surroundings, server: BitwardenServer) -> None:
    """A run inside sees the composed value, and composes its own."""
    done = run_in.run("-e", f"URL={URL}", "--", BWRUN, "--", *SHOW)
    assert (done.status, done.stdout, done.stderr) == (0, FILLED, "")

    server.clear_requests()
    names = ("BW_CLIENTID", "BW_CLIENTSECRET", "BW_PASSWORD", "BWRUN_SERVER")
    done = run_in.run(
        *(word for name in names for word in ("--pass", name)), "--", BWRUN, "-e", f"URL={URL}", "--", *SHOW
    )
    assert (done.status, done.stdout, done.stderr) == (0, FILLED, "")


# What is refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FORBIDDEN)
def test_forbidden_variables(run_in: Surroundings, server: BitwardenServer, name: str) -> None:
    """A variable that no reference may set may not be composed either."""
    done = run_in.run("-e", f"{name}=/bin:{{{{ bw://prod-db }}}}", "--", "/bin/true")

    assert (done.status, done.codes) == (125, ["reference.invalid"])
    assert f"bwrun: error: {name}: " in done.stderr
    assert server.requests() == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x {{ bw:// }}", "the item in the reference is empty"),
        ("x {{ BW://y }}", "a reference begins with `bw://`, in lower case"),
        ("x {{ bw://y?what=z }}", "unknown parameter `what`"),
        ("x {{ @bw://y }}", "braces cannot contain `@bw://…`, the path of a file"),
        ("@{{ bw://y }}", "a value cannot begin with `@{{ bw://…`"),
        ("@{{bw://y}} more", "a value cannot begin with `@{{ bw://…`"),
    ],
)
def test_malformed(run_in: Surroundings, server: BitwardenServer, text: str, message: str) -> None:
    """What is malformed is refused with the variable's name and what to write, before any request."""
    done = run_in.run("-e", f"URL={text}", "--", "true")

    assert (done.status, done.codes) == (125, ["reference.invalid"])
    assert f"bwrun: error: URL: {message} [reference.invalid]\nbwrun: hint: " in done.stderr
    assert server.requests() == []


def test_what_is_malformed_is_told_at_once(run_in: Surroundings) -> None:
    """All malformed references of one value are told, together with those of other variables."""
    done = run_in.run("-e", "URL={{ bw:// }} {{ bw://x/ }} {{ bw://ok }}", "-e", "B=bw://", "--", "true")

    assert (done.status, done.codes) == (125, ["reference.invalid"] * 3)
    assert done.stderr.count("bwrun: error: URL: ") == 2


@pytest.mark.parametrize(("item", "code"), [("nul", "reference.nul"), ("big", "reference.too-large")])
def test_what_no_variable_can_hold(run_in: Surroundings, item: str, code: str) -> None:
    """A text with a NUL byte, or one that is too large, is an error with a way out that works, and shows no value."""
    done = run_in.run("-e", f"URL=x {{{{ bw://{item} }}}}", "--", "touch", "x")

    assert (done.status, done.codes) == (125, [code])
    assert "`--template FILE:URL`" in done.stderr
    assert SECRET not in done.stderr
    assert not (run_in.work / "x").exists()


def test_missing(run_in: Surroundings) -> None:
    """A reference that finds nothing is told once by the variable's name, even if the value has it twice."""
    done = run_in.run("-e", "URL={{ bw://nix }} {{ bw://nix }} {{ bw://prod-db }}", "--", "touch", "x")

    assert (done.status, done.codes) == (125, ["reference.not-found"])
    assert "bwrun: error: URL: no item is called `nix`" in done.stderr
    assert SECRET not in done.stderr
    assert not (run_in.work / "x").exists()


# What gives a warning -------------------------------------------------------------------------------------------------

WARNING = (
    "bwrun: warning: SEE (from {}) contains `bw://` without braces inside other text, so bwrun does not replace it\n"
    "bwrun: hint: write `{{{{ bw://ITEM/FIELD }}}}` where the value of an item is to stand\n"
)


@pytest.mark.parametrize("place", ["`-e`", "`.env` line 2", "the environment"])
@pytest.mark.parametrize("session", [[], ["--no-session"]], ids=["session", "no session"])
def test_without_braces(run_in: Surroundings, server: BitwardenServer, place: str, session: list[str]) -> None:
    """A `bw://` without braces stays, with one warning that names the variable and shows nothing of its value."""
    value = f"docs-{SECRET} at bw://x and bw://y"
    if "line" in place:
        write_private(run_in.work / ".env", f"\nSEE='{value}'\n")
    words = ("-e", f"SEE={value}") if place == "`-e`" else ()
    env = {"SEE": value if place == "the environment" else None}
    done = run_in.run(*session, *words, "--", "sh", "-c", 'printf %s "$SEE"', env=env)

    assert (done.status, done.stdout, done.stderr) == (0, value, WARNING.format(place))
    if session:
        assert server.requests() == []


@pytest.mark.parametrize(
    "value", [" bw://x", "{{ bw://x", "u:bw://x@h", "{{ bw://prod-db }} and bw://y", "{{\nbw://x }}"]
)
def test_what_has_no_braces(run_in: Surroundings, value: str) -> None:
    """Braces that are not closed, or not on one line, are none; braces elsewhere in the value do not matter."""
    done = run_in.run("-e", f"SEE={value}", "--", "true")

    assert (done.status, done.stderr) == (0, WARNING.format("`-e`"))


def test_no_warning_where_there_is_nothing_to_do(run_in: Surroundings) -> None:
    """Variables that do not reach the command as they are, and names of other schemes, give no warning."""
    (run_in.work / "t").write_text("")
    env = {"T": "see bw://x", "A": "see bw://x", "OTHER": "xbw://y", "BWRUN_ENV_FILE": None}
    done = run_in.run("--template", "t:T", "-e", "A=x", "--", "true", env=env)

    assert (done.status, done.stderr) == (0, "")


def test_a_nested_run_does_not_warn_again(run_in: Surroundings) -> None:
    """A run inside does not warn of what the outer one has set or has warned of, but of what it sets itself."""
    env = {"SEE": "docs at bw://x"}
    done = run_in.run("-e", "NOTE=bw://hint", "--", BWRUN, "--", "true", env=env)
    assert (done.status, done.stderr) == (0, WARNING.format("the environment"))

    done = run_in.run("--", BWRUN, "-e", "SEE=docs at bw://x", "--", "sh", "-c", 'printf %s "$SEE"')
    assert (done.status, done.stdout, done.stderr) == (0, "docs at bw://x", WARNING.format("`-e`"))


# Look before you run --------------------------------------------------------------------------------------------------


def test_check(run_in: Surroundings) -> None:
    """--check shows a composed variable with each of its references, and nothing of its value."""
    text = f"hidden-{SECRET} {{{{ bw://prod-db }}}} {{{{ bw://prod-db }}}} {{{{ bw://odd }}}}"
    words = ["--check", "--optional", "M", "-e", f"URL={text}", "-e", "M=x {{ bw://nix/y }}"]
    done = run_in.run(*words, "--json", env={"URL": "x"})

    assert (done.status, done.stderr, SECRET in done.stdout) == (0, "", False)
    rows = [one for one in json.loads(done.stdout)["variables"] if one["name"] in ("URL", "M")]
    assert [(one["name"], one["kind"], one["reference"], one["item"], one["field"]) for one in rows] == [
        ("M", "missing", "bw://nix/y", None, None),
        ("URL", "composed", "bw://prod-db", "prod-db", "password"),
        ("URL", "composed", "bw://odd", "odd", "notes"),
    ]
    assert [(one["set_by"], one["instead_of"]) for one in rows[1:]] == [("-e", ["the environment"])] * 2

    done = run_in.run(*words, env={"URL": "x"})
    lines = [" ".join(line.split()) for line in done.stdout.splitlines() if line.startswith("URL")]
    assert lines == ["URL composed prod-db password -e the environment", "URL composed odd notes -e the environment"]
    assert SECRET not in done.stdout


def test_says_no_value(run_in: Surroundings) -> None:
    """With all steps printed, nothing of a composed value is."""
    done = run_in.run("-v", "-e", f"URL=hidden {URL} bw://x", "--", "true")

    assert done.status == 0
    assert SECRET not in done.stderr
    assert "hidden" not in done.stderr
