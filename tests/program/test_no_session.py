"""`--no-session`: values alone. What is asked of the server, what is written (nothing), and what stays as it is."""

from __future__ import annotations

import json
import os
import signal

import pytest

from tests.conftest import CHEAP
from tests.server.control import Account, BitwardenServer
from tests.server.faults import Fault, Status
from tests.server.specs import (
    AccountSpec,
    AttachmentSpec,
    FieldSpec,
    ItemSpec,
    Login,
    OrganizationSpec,
    ReplyStyle,
    Uri,
)
from tests.supervisor.clearing import JANITOR, Run, is_alive, wait_dead
from tests.support.program import BWRUN, Surroundings

TOKEN = "/identity/connect/token"
SYNC = "/api/sync"
PROFILE = "/api/accounts/profile"
NOBODY = "0d0d0d0d-0000-4000-8000-000000000000"
STYLES: list[ReplyStyle] = ["official", "vaultwarden", "vaultwarden-1.35", "pascal", "camel"]


def spec(style: ReplyStyle) -> AccountSpec:
    """Return an account with more items than are fetched alone, one of an organization's, in a style of replies."""
    return AccountSpec(
        f"no-session-{style}@example.com",
        "correct horse",
        kdf=CHEAP,
        reply_style=style,
        organizations=(OrganizationSpec("Acme", collections=("Ops",)),),
        items=(
            *(ItemSpec(f"item {number}", Login("u", f"p{number}")) for number in range(11)),
            ItemSpec(
                "rich", Login("ada", "r1ch", "JBSWY3DPEHPK3PXP", (Uri("https://a"),)), notes="n", own_key=True,
                fields=(FieldSpec("A", "a"), FieldSpec("B", "b", 1)), folder="Prod",
                attachments=(AttachmentSpec("f.txt", b"of the file\n"),),
            ),
            ItemSpec("shared", Login("u", "sh4red"), organization="Acme", collections=("Ops",), own_key=True),
            ItemSpec("gone", Login("u", "p"), trashed=True),
        ),
    )  # fmt: skip


@pytest.fixture(scope="module")
def accounts(server: BitwardenServer) -> dict[str, Account]:
    """Make an account of each style."""
    return {style: server.add_account(spec(style)) for style in STYLES}


@pytest.fixture
def vault(accounts: dict[str, Account]) -> Account:
    """Return the official one."""
    return accounts["official"]


@pytest.fixture
def run_in(run_in: Surroundings) -> Surroundings:
    """See that no directory could be made in them."""
    run_in.environment["BWRUN_RUNTIME_DIR"] = "/nonexistent"
    return run_in


def paths(server: BitwardenServer) -> list[str]:
    """Return the paths of the requests so far."""
    return [request.path for request in server.requests()]


def details(account: Account, *items: str) -> list[str]:
    """Return the paths that give items alone."""
    return [f"/api/ciphers/{account.item_ids[item]}/details" for item in items]


def variables(account: Account, *items: str) -> list[str]:
    """Return options for the passwords of items, by id."""
    return [word for number, item in enumerate(items) for word in ("-e", f"V{number}=bw://{account.item_ids[item]}")]


# What is asked --------------------------------------------------------------------------------------------------------


def test_nothing_wanted(run_in: Surroundings, server: BitwardenServer) -> None:
    """Without any reference there is no login and no request; no credentials are needed, and none reach the command."""
    script = "env | grep -c ^BW; exit 7"
    done = run_in.run("--no-session", "--", "sh", "-c", script)
    assert (done.status, done.stdout, done.stderr) == (7, "0\n", "")

    done = run_in.run("--no-session", "--", "true", env={"BW_CLIENTID": None, "BW_PASSWORD": None})
    assert (done.status, done.stderr) == (0, "")
    assert paths(server) == []


@pytest.mark.parametrize("style", STYLES)
def test_a_few_ids(
    run_in: Surroundings, server: BitwardenServer, accounts: dict[str, Account], style: ReplyStyle
) -> None:
    """Ten items by id are fetched alone, each once, from every kind of server; there is no sync."""
    vault = accounts[style]
    run_in.use(server, vault)
    items = [f"item {number}" for number in range(9)] + ["rich"]
    words = variables(vault, *items, "rich")
    script = 'echo "$V0 $V8 $V9 $V10 ${BW_SESSION-none} ${BITWARDENCLI_APPDATA_DIR-none}"'
    done = run_in.run("--no-session", *words, "--", "sh", "-c", script)

    assert (done.status, done.stdout, done.stderr) == (0, "p0 p8 r1ch r1ch none none\n", "")
    first, *rest = paths(server)
    assert first == TOKEN
    assert sorted(rest) == sorted(details(vault, *items))


def test_eleven_ids(run_in: Surroundings, server: BitwardenServer, vault: Account) -> None:
    """Eleven items are one sync."""
    items = [f"item {number}" for number in range(11)]
    done = run_in.run("--no-session", *variables(vault, *items), "--", "sh", "-c", 'echo "$V0 $V10"')

    assert (done.status, done.stdout, done.stderr) == (0, "p0 p10\n", "")
    assert paths(server) == [TOKEN, SYNC]


@pytest.mark.parametrize("reference", ["item%200", "{id}?folder=Prod", "{id}?organization={id}"])
def test_a_name_wants_the_vault(run_in: Surroundings, server: BitwardenServer, vault: Account, reference: str) -> None:
    """One name, of an item or of where it is, is looked up in the whole vault."""
    text = reference.format(id=vault.item_ids["rich"])
    run_in.run("--no-session", *variables(vault, "item 1"), "-e", f"N=bw://{text}", "--", "true")

    assert paths(server) == [TOKEN, SYNC]


def test_a_session_wants_the_vault(run_in: Surroundings, server: BitwardenServer, vault: Account) -> None:
    """With a session the whole vault is fetched, whatever is asked for; BWRUN_NO_SESSION is the option."""
    words = [*variables(vault, "item 1"), "--", "true"]
    assert run_in.run(*words, env={"BWRUN_RUNTIME_DIR": None}).status == 0
    assert SYNC in paths(server)

    server.clear_requests()
    assert run_in.run(*words, env={"BWRUN_NO_SESSION": "1"}).status == 0
    assert paths(server) == [TOKEN, *details(vault, "item 1")]


@pytest.mark.parametrize("style", STYLES)
def test_an_item_of_an_organization(
    run_in: Surroundings, server: BitwardenServer, accounts: dict[str, Account], style: ReplyStyle
) -> None:
    """For an organization's item its key is needed too: the profile is fetched, once."""
    vault = accounts[style]
    run_in.use(server, vault)
    done = run_in.run("--no-session", *variables(vault, "shared", "item 1"), "--", "sh", "-c", 'echo "$V0 $V1"')

    assert (done.status, done.stdout, done.stderr) == (0, "sh4red p1\n", "")
    first, *rest, last = paths(server)
    assert (first, sorted(rest), last) == (TOKEN, sorted(details(vault, "shared", "item 1")), PROFILE)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("status", [404, 400])
def test_an_unknown_id(
    run_in: Surroundings, server: BitwardenServer, accounts: dict[str, Account], style: ReplyStyle, status: int
) -> None:
    """An id that the server does not know is one that is not found, however it says so, and may be optional."""
    vault = accounts[style]
    run_in.use(server, vault)
    body = json.dumps({"message": "Cipher doesn't exist", "object": "error"})
    server.set_fault(Fault(f"/ciphers/{NOBODY}/details", Status(status, body)))
    words = ["--no-session", *variables(vault, "item 1"), "-e", f"N=bw://{NOBODY}"]

    done = run_in.run(*words, "--", "touch", "x")
    assert (done.status, done.codes) == (125, ["reference.not-found"])
    assert f"N: no item has the id {NOBODY}" in done.stderr
    assert not (run_in.work / "x").exists()
    done = run_in.run("--optional", "N", *words, "--", "sh", "-c", 'echo "$V0 ${N-unset}"')
    assert (done.status, done.stdout, done.stderr) == (0, "p1 unset\n", "")


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (401, "", "auth.token-refused"), (403, "{}", "auth.token-refused"), (500, "", "server.unavailable"),
        (418, "{}", "server.sync"), (200, "[]", "server.unexpected-reply"), (200, "null", "server.not-json"),
        (200, "<html>", "server.not-json"), (200, "{}", "reference.not-found"), (302, "", "server.redirect"),
    ],
)  # fmt: skip
def test_an_item_that_is_not_given(  # noqa: PLR0913, PLR0917
    run_in: Surroundings, server: BitwardenServer, vault: Account, status: int, body: str, code: str
) -> None:
    """What the server says in place of an item is an error of its own kind, and not that of a missing item."""
    server.set_fault(Fault("/details", Status(status, body, headers={"Retry-After": "0"})))
    done = run_in.run("--no-session", *variables(vault, "item 1"), "--", "touch", "x")

    assert (done.status, done.codes) == (125, [code])
    assert not (run_in.work / "x").exists()


def test_the_same_values_either_way(run_in: Surroundings, server: BitwardenServer, vault: Account) -> None:
    """The whole item, its fields, its file and its parts are the same from the item alone and from the sync."""
    fields = ("json", "notes", "uri", "A", "attachment/f.txt", "username", "id", "name")
    script = "; ".join(f'echo "$V{number}"' for number in range(len(fields)))
    texts = [f"bw://{vault.item_ids['rich']}/{field}" for field in fields]
    words = [word for number, text in enumerate(texts) for word in ("-e", f"V{number}={text}")]
    alone = run_in.run("--no-session", *words, "--", "sh", "-c", script)
    assert SYNC not in paths(server)
    synced = run_in.run("--no-session", *words, "-e", "N=bw://item%200", "--", "sh", "-c", script)

    assert (alone.status, alone.stderr) == (0, "")
    assert alone == synced
    assert json.loads(alone.stdout.splitlines()[0])["login"]["password"] == "r1ch"
    assert alone.stdout.splitlines()[1:5] == ["n", "https://a", "a", "of the file"]


def test_items_and_templates_by_id(run_in: Surroundings, server: BitwardenServer, vault: Account) -> None:
    """--item and --template by id are fetched alone as well."""
    (run_in.work / "t").write_text(f"bw://{vault.item_ids['rich']}\n")
    words = ["--no-session", "--item", vault.item_ids["rich"], "--template", "t:T"]
    done = run_in.run(*words, "--", "sh", "-c", 'echo "$A $B $(cat "$T")"', env={"BWRUN_RUNTIME_DIR": None})

    assert (done.status, done.stdout, done.stderr) == (0, "a b r1ch\n", "")
    assert paths(server) == [TOKEN, *details(vault, "rich")]


def test_in_the_trash(run_in: Surroundings, vault: Account) -> None:
    """An item in the trash is refused by name also when it is fetched alone."""
    done = run_in.run("--no-session", *variables(vault, "gone"), "--", "true")

    assert (done.status, done.codes) == (125, ["reference.in-trash"])


def test_a_template_without_a_reference(run_in: Surroundings, server: BitwardenServer) -> None:
    """A template that refers to nothing needs no login: it is copied."""
    (run_in.work / "t").write_text("plain\n")
    words = ["--no-session", "--template", "t:T", "--", "sh", "-c", 'cat "$T"']
    assert run_in.run(*words, env={"BWRUN_RUNTIME_DIR": None}).stdout == "plain\n"
    assert run_in.run("--check", *words, env={"BWRUN_RUNTIME_DIR": None}).stdout.splitlines()[-1].split() == [
        "T",
        "template",
        "`t`",
    ]
    assert paths(server) == []


# What is written, and what goes on ------------------------------------------------------------------------------------


def test_nothing_is_written(run_in: Surroundings, vault: Account) -> None:
    """Nothing is written anywhere, even where there would be a place for it."""
    folders = [run_in.runtime, run_in.home, run_in.work]
    before = [folder.stat().st_mtime_ns for folder in folders]
    words = ["--no-session", *variables(vault, "item 1"), "--", "sh", "-c", 'test "$V0" = p1']

    assert run_in.run(*words, env={"BWRUN_RUNTIME_DIR": None}).status == 0
    assert [folder.stat().st_mtime_ns for folder in folders] == before


@pytest.mark.parametrize("option", ["--renew", "--session-api-key"])
def test_contradictions(run_in: Surroundings, server: BitwardenServer, option: str) -> None:
    """What is about the session goes with none, wherever it is said."""
    done = run_in.run("--no-session", option, "--", "true")
    assert (done.status, done.codes) == (125, ["usage.conflict"])

    setting = "BWRUN_" + option[2:].upper().replace("-", "_")
    done = run_in.run("--", "true", env={"BWRUN_NO_SESSION": "1", setting: "1"})
    assert (done.status, done.codes) == (125, ["usage.conflict"])
    assert paths(server) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_signals_arrive(run_in: Surroundings, vault: Account, number: signal.Signals) -> None:
    """A signal to bwrun reaches the command, and bwrun ends as it did."""
    script = f"trap 'echo got; exit 9' {number.value}; echo ready; while :; do sleep 0.1; done"
    for words in ([], variables(vault, "item 1")):
        with Run.start(run_in, "--no-session", *words, "--", "sh", "-c", script) as run:
            run.wait_ready()
            run.kill(number)
            done = run.wait()

        assert (done.status, done.stdout, done.stderr) == (9, "ready\ngot\n", "")


def test_ends_as_the_command(run_in: Surroundings) -> None:
    """The command's status is bwrun's, and its signal too."""
    assert run_in.run("--no-session", "--", "sh", "-c", "exit 42").status == 42
    assert run_in.run("--no-session", "--", "sh", "-c", "kill -KILL $$").status == -signal.SIGKILL
    assert run_in.run("--no-session", "--", "no-such-program").status == 127


def test_killed(run_in: Surroundings, vault: Account) -> None:
    """A bwrun that is killed (-9) takes its command with it: the janitor stands by with nothing to clear."""
    words = ["--no-session", *variables(vault, "item 1"), "--", "sh", "-c", "echo ready; exec sleep 1000"]
    with Run.start(run_in, *words) as run:
        run.wait_ready()
        command, janitor = run.first(), run.named(JANITOR)
        assert is_alive(command)
        run.kill()
        run.wait()
        wait_dead(command, janitor)


def test_kill_after(run_in: Surroundings) -> None:
    """Supervision is the same without a session: a command that ignores TERM is killed."""
    script = 'trap "" TERM; echo ready; while :; do sleep 0.1; done'
    with Run.start(run_in, "--no-session", "--kill-after", "0.2", "--", "sh", "-c", script) as run:
        run.wait_ready()
        run.kill(signal.SIGTERM)
        assert run.wait().status == -signal.SIGKILL


def test_inside_another_run(run_in: Surroundings, server: BitwardenServer, vault: Account) -> None:
    """Inside another run --no-session needs no credentials: values come from the session of that run."""
    script = '"$0" --no-session -- echo fine; "$0" --no-session -e A=bw://x -- echo started; echo $?'
    done = run_in.run("--", "sh", "-c", script, BWRUN, env={"BWRUN_RUNTIME_DIR": str(run_in.runtime)})

    assert (done.status, done.stdout, done.codes) == (0, "fine\n125\n", ["reference.not-in-session"])
    assert paths(server).count(TOKEN) == 1


def test_a_run_with_a_session_inside(run_in: Surroundings, server: BitwardenServer) -> None:
    """A run inside one without a session has no outer session to take, and opens its own."""
    own = f'BW_PASSWORD="$P" BW_CLIENTID="$I" BW_CLIENTSECRET="$S" BWRUN_SERVER={server.url}'
    inner = f"{own} \"$0\" -- sh -c 'echo ${{BW_SESSION:+open}}'"
    env = {
        "P": run_in.environment["BW_PASSWORD"],
        "I": run_in.environment["BW_CLIENTID"],
        "S": run_in.environment["BW_CLIENTSECRET"],
    }
    done = run_in.run("--no-session", "--", "sh", "-c", inner, BWRUN, env={**env, "BWRUN_RUNTIME_DIR": None})

    assert (done.status, done.stdout, done.stderr) == (0, "open\n", "")
    assert os.listdir(run_in.runtime) == []  # noqa: PTH208
