"""References of a bwrun under a bwrun: they come from the outer session, without credentials and without a request."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from tests.conftest import CHEAP, short_runtime
from tests.server.control import Account, BitwardenServer
from tests.server.specs import (
    AccountSpec,
    AttachmentSpec,
    FieldSpec,
    ItemSpec,
    Login,
    OrganizationSpec,
    SecureNote,
)
from tests.support.files import write_private
from tests.support.openssh import tool
from tests.support.program import BWRUN, Ended, Surroundings
from tests.support.ssh_vault import content, pair_of

TOKEN, SYNC, CONFIG = "/identity/connect/token", "/api/sync", "/api/config"
FILE = AttachmentSpec("a.txt", b"content\n")
OLD_FILE = AttachmentSpec("old.txt", b"old content\n", own_key=False)
ITEMS = (
    ItemSpec(
        "prod-db", Login("deploy", "p4ss"), fields=(FieldSpec("PORT", "5432"),), folder="Prod", attachments=(OLD_FILE,)
    ),
    ItemSpec("own", Login("u", "0wn"), own_key=True, attachments=(FILE,)),
    ItemSpec("team", Login("u", "t3am"), organization="Acme", collections=("Ops",)),
    ItemSpec("team-own", Login("u", "t0wn"), organization="Acme", collections=("Ops",), own_key=True),
    ItemSpec("asks", Login("u", "p"), reprompt=True),
    ItemSpec("note", SecureNote(), notes="n0te"),
    ItemSpec("key", content("Ed25519")),
)
NO_ACCOUNT = dict.fromkeys(("BW_CLIENTID", "BW_CLIENTSECRET", "BW_PASSWORD"))
DATA = '"$BITWARDENCLI_APPDATA_DIR/data.json"'
RENEW = "in a long job, `--renew` of the outer run renews it; with `--only`, a session never has a valid one"
IN_OUTER = "or resolve the reference in the outer run: `bwrun -e NAME=@bw://ITEM/attachment/FILENAME -- COMMAND`"
AGAIN = "start the outer run again, or give this run credentials of its own, for example with `--env-file FILE`"


@pytest.fixture(scope="module")
def vault(server: BitwardenServer) -> Account:
    """Make an account with items of several kinds, in several places."""
    organizations = (OrganizationSpec("Acme", collections=("Ops",)),)
    spec = AccountSpec("nested@example.com", "correct horse", kdf=CHEAP, organizations=organizations, items=ITEMS)
    return server.add_account(spec)


@pytest.fixture(scope="module")
def other(server: BitwardenServer) -> Account:
    """Make another account."""
    items = (ItemSpec("prod-db", Login("eve", "of eve")),)
    return server.add_account(AccountSpec("nested-eve@example.com", "eve's own", kdf=CHEAP, items=items))


def run_shell(surroundings: Surroundings, script: str, *options: str, **variables: str | None) -> Ended:
    """Run a shell script under bwrun; `$0` in it is bwrun."""
    return surroundings.run(*options, "--", "sh", "-c", script, BWRUN, env=variables)


def paths(server: BitwardenServer) -> list[str]:
    """Return the paths of the requests that the server saw, sorted."""
    return sorted(request.path for request in server.requests())


def edit_data(code: str) -> str:
    """Return a shell command that runs Python on `state`, the content of data.json, and `user`, the user's id."""
    program = (
        "import json, sys; path = sys.argv[1]; state = json.load(open(path));"
        f" user = state['global_account_activeAccountId']; {code}; json.dump(state, open(path, 'w'))"
    )
    return f'python3 -c "{program}" {DATA}'


@pytest.mark.parametrize(
    ("words", "command", "printed"),
    [
        ("-e X=bw://prod-db", 'echo "$X"', "p4ss"),
        ("-e X=bw://prod-db/username -e Y=bw://note", 'echo "$X $Y"', "deploy n0te"),
        ("-e X='bw://prod-db?folder=Prod'", 'echo "$X"', "p4ss"),
        ("-e X='bw://own' -e Y=bw://team-own", 'echo "$X $Y"', "0wn t0wn"),
        ("-e X='bw://team?organization=Acme&collection=Ops'", 'echo "$X"', "t3am"),
        ("-e X='{{ bw://prod-db }}@{{ bw://own }}'", 'echo "$X"', "p4ss@0wn"),
        ("--item prod-db", 'echo "$PORT"', "5432"),
        ("--optional X -e X=bw://nix -e Y=bw://own", 'echo "${X-unset} $Y"', "unset 0wn"),
        ("--allow-protected -e X=bw://asks", 'echo "$X"', "p"),
        ("--no-session -e X=bw://prod-db", 'echo "$X"', "p4ss"),
        ("--kill-after 5 -e X=bw://prod-db", 'echo "$X"', "p4ss"),
        ("-e X=@bw://prod-db", 'cat "$X"', "p4ss"),
        ("--no-session -e X=@bw://prod-db", 'cat "$X"', "p4ss"),
        ("--template in.txt:OUT", 'cat "$OUT"', "password: p4ss"),
    ],
)
def test_resolves_from_the_outer_session(
    run_in: Surroundings, server: BitwardenServer, words: str, command: str, printed: str
) -> None:
    """Each kind of reference works in a nested run without credentials, and the command keeps the outer session."""
    (run_in.work / "in.txt").write_text("password: {{ bw://prod-db }}")

    done = run_shell(run_in, f"""echo "$BW_SESSION"; "$0" {words} -- sh -c '{command}; echo; echo "$BW_SESSION"'""")

    assert (done.status, done.stderr) == (0, "")
    session, value, *_, nested_session = done.stdout.splitlines()
    assert (value, nested_session) == (printed, session)
    assert paths(server) == [CONFIG, SYNC, TOKEN]


@pytest.mark.usefixtures("vault")
def test_ssh_key(run_in: Surroundings, server: BitwardenServer) -> None:
    """An ssh-agent of a nested run gets its keys from the outer session."""
    tool("ssh-add")
    with short_runtime(run_in):
        done = run_shell(run_in, '"$0" --ssh-key key -- ssh-add -L')

    assert (done.status, done.stderr) == (0, "")
    assert " ".join(done.stdout.split()[:2]) == pair_of("Ed25519").public
    assert paths(server) == [CONFIG, SYNC, TOKEN]


def test_resolves_in_place(run_in: Surroundings) -> None:
    """A nested run that only sets variables becomes the command: the same process, whose memory can be read again."""
    inner = '"$0" -e X=bw://prod-db -- sh -c \'echo "$$ $X"; head -c 1 /proc/self/environ >/dev/null && echo readable\''

    done = run_shell(run_in, f"echo $$; exec {inner}")

    assert (done.status, done.stderr) == (0, "")
    pid, nested, readable = done.stdout.splitlines()
    assert (nested, readable) == (f"{pid} p4ss", "readable")


def test_make_with_many_recipes(run_in: Surroundings, server: BitwardenServer) -> None:
    """`make -j30` with a reference in each of 30 recipes is one login and one sync, and nothing else."""
    tool("make")
    targets = " ".join(f"t{number}" for number in range(30))
    recipe = f"\t@{BWRUN} -e DB=bw://prod-db/password -- sh -c 'echo $@ $$DB'"
    (run_in.work / "Makefile").write_text(f"all: {targets}\n{targets}:\n{recipe}\n")

    done = run_in.run("--", "make", "-j30")

    assert (done.status, done.stderr) == (0, "")
    assert sorted(done.stdout.splitlines()) == sorted(f"t{number} p4ss" for number in range(30))
    assert paths(server) == [CONFIG, SYNC, TOKEN]


def test_sees_no_more_than_the_outer_session(run_in: Surroundings, server: BitwardenServer) -> None:
    """What an outer run with --only does not hold is an error with a hint, or unset if it is optional."""
    script = (
        '"$0" -e X=bw://prod-db -- sh -c \'echo "$X"\'; "$0" -e X=bw://own -- true;'
        ' "$0" -e X=@bw://team?organization=Acme -- true;'
        ' "$0" --optional X -e X=bw://own -- sh -c \'echo "${X-unset}"\''
    )

    done = run_shell(run_in, script, "--only", "prod-db")

    assert (done.status, done.stdout, done.codes) == (0, "p4ss\nunset\n", ["reference.not-in-session"] * 2)
    assert done.stderr.splitlines()[:2] == [
        "bwrun: error: X: no item is called `own` in the session of the outer bwrun [reference.not-in-session]",
        (
            "bwrun: hint: a bwrun inside another one sees only what that one's session holds: if that run has `--only`,"
            " add the item there; if the item is new, start that run again"
        ),
    ]
    assert paths(server) == [CONFIG, SYNC, TOKEN]


def test_hints_of_what_the_session_holds(run_in: Surroundings) -> None:
    """Similar names are those of the items in the session, and no others."""
    script = '"$0" -e X=bw://prod-bd -- true; "$0" -e X=bw://taem -- true'

    done = run_shell(run_in, script, "--only", "prod-db")

    assert done.codes == ["reference.not-in-session"] * 2
    assert [line for line in done.stderr.splitlines() if "did you mean" in line] == [
        "bwrun: hint: did you mean `prod-db`?"
    ]


def test_protected_items_stay_protected(run_in: Surroundings) -> None:
    """An item that asks for the master password needs --allow-protected in the nested run, too."""
    done = run_shell(run_in, '"$0" -e X=bw://asks -- true')

    assert done.codes == ["reference.protected"]


def test_another_account_logs_in(run_in: Surroundings, server: BitwardenServer, other: Account) -> None:
    """With another client id, the references of a nested run are those of that account."""
    write_private(
        run_in.work / "other",
        f"BW_CLIENTID={other.client_id}",
        f"BW_CLIENTSECRET={other.client_secret}",
        f'BW_PASSWORD="{other.master_password}"',
        f"BWRUN_SERVER={server.url}",
    )

    done = run_shell(run_in, '"$0" --env-file other -e X=bw://prod-db -- sh -c \'echo "$X"\'')

    assert (done.status, done.stdout, done.stderr) == (0, "of eve\n", "")
    assert paths(server).count(TOKEN) == 2


UNUSABLE = {
    "locked": (edit_data("del state['__PROTECTED__' + user + '_user_auto']"), "outer-locked"),
    "unlocked anew": (
        edit_data("state['__PROTECTED__' + user + '_user_auto'] = 'Ag' + 'A' * 170"),
        "outer-locked",
    ),
    "logged out": (edit_data("state['global_account_activeAccountId'] = None"), "outer-logged-out"),
    "cut": (f"echo '{{' > {DATA}", "outer-damaged"),
    "empty": (f": > {DATA}", "outer-damaged"),
    "not an object": (f"echo 7 > {DATA}", "outer-damaged"),
    "gone": (f"rm {DATA}", "outer-damaged"),
}


@pytest.mark.parametrize("how", UNUSABLE)
def test_session_that_cannot_be_used(run_in: Surroundings, server: BitwardenServer, how: str) -> None:
    """A session that is locked, logged out or damaged is an error with a hint; with credentials, the run logs in."""
    change, reason = UNUSABLE[how]
    own = 'BW_CLIENTID="$I" BW_CLIENTSECRET="$S" BW_PASSWORD="$P" BWRUN_SERVER="$U"'
    read = "-- sh -c 'echo \"$X\"'"
    script = (
        f'{change}; "$0" -e X=bw://prod-db {read}; "$0" --kill-after 5 -e X=bw://prod-db {read}; "$0" --list;'
        f' {own} "$0" -e X=bw://prod-db {read}; {own} "$0" --check -e X=bw://prod-db | grep ^session'
    )
    names = {"I": "BW_CLIENTID", "S": "BW_CLIENTSECRET", "P": "BW_PASSWORD", "U": "BWRUN_SERVER"}

    done = run_shell(run_in, script, **{short: run_in.environment[name] for short, name in names.items()})

    assert done.codes == [f"session.{reason}"] * 3
    assert AGAIN in done.stderr
    assert done.stdout.splitlines() == ["p4ss", "session      a new one"]
    assert paths(server).count(TOKEN) == 3


@pytest.mark.parametrize(
    "code",
    [
        "state['user_' + user + '_ciphers_ciphers'] = None",
        "state['user_' + user + '_organizations_organizations'] = [1]",
        "state['user_' + user + '_ciphers_ciphers']['x'] = 1",
        "state['user_' + user + '_crypto_organizationKeys'] = {'x': 1}",
        "state['user_' + user + '_crypto_accountCryptographicState'] = {'V1': 1}",
        "state['user_' + user + '_token_accessToken'] = 1",
    ],
)
def test_parts_of_other_types(run_in: Surroundings, code: str) -> None:
    """A part of the session that has another type than it should is as good as missing: no crash."""
    done = run_shell(run_in, f'{edit_data(code)}; "$0" -e X=bw://prod-db -e Y=bw://team -- true')

    assert "internal" not in done.stderr
    assert set(done.codes) <= {"reference.not-in-session", "reference.organization-key", "reference.unresolved"}


def test_waits_while_the_file_is_written(run_in: Surroundings) -> None:
    """A file of which only the beginning is there is read again."""
    script = (
        f"cp {DATA} whole; head -c 200 whole > {DATA};"
        f' "$0" -e X=bw://prod-db -- sh -c \'echo "$X"\' & cat whole > {DATA}; wait $!'
    )

    done = run_shell(run_in, script)

    assert (done.status, done.stdout, done.stderr) == (0, "p4ss\n", "")


def test_attachment_with_a_live_token(run_in: Surroundings, server: BitwardenServer, vault: Account) -> None:
    """A file is downloaded with the session's access token, once even if two references name it."""
    words = "-e X=bw://own/attachment/a.txt -e Y=@bw://own/attachment/a.txt -e Z=bw://prod-db/attachment/old.txt"

    done = run_shell(run_in, f'"$0" {words} -- sh -c \'cat "$Y"; echo "$X$Z"\'')

    assert (done.status, done.stdout, done.stderr) == (0, "content\ncontent\nold content\n\n", "")
    starts = tuple(f"/api/ciphers/{vault.item_ids[name]}/attachment/" for name in ("own", "prod-db"))
    assert sum(path.startswith(starts) for path in paths(server)) == 2
    assert paths(server).count(TOKEN) == 1


@pytest.mark.parametrize("limited", [False, True])
def test_attachment_after_the_end_of_the_token(run_in: Surroundings, server: BitwardenServer, *, limited: bool) -> None:
    """Without a token that is still valid, a file is an error that says what to do, and no request."""
    part = base64.urlsafe_b64encode(json.dumps({"exp": 1}).encode()).decode().rstrip("=")
    end = edit_data(f"state['user_' + user + '_token_accessToken'] = 'x.{part}.x'")
    options = ["--only", "own"] if limited else []

    done = run_shell(
        run_in, f'{":" if limited else end}; "$0" -e X=bw://own/attachment/a.txt -e Y=bw://own -- true', *options
    )

    assert (done.status, done.codes) == (125, ["reference.no-download"])
    assert done.stderr.splitlines() == [
        (
            "bwrun: error: X: the file `a.txt` cannot be downloaded: the access token in the session of the outer bwrun"
            " is not valid any more [reference.no-download]"
        ),
        f"bwrun: hint: {RENEW}",
        f"bwrun: hint: {IN_OUTER}",
    ]
    assert paths(server) == [CONFIG, SYNC, TOKEN]


def test_list_inside(run_in: Surroundings, server: BitwardenServer) -> None:
    """--list lists what the outer session holds."""
    done = run_shell(run_in, '"$0" --list --json', "--only", "prod-db", "--only", "team")

    assert (done.status, done.stderr) == (0, "")
    assert [item["name"] for item in json.loads(done.stdout)] == ["prod-db", "team"]
    assert paths(server) == [CONFIG, SYNC, TOKEN]


def test_check_inside(run_in: Surroundings, server: BitwardenServer) -> None:
    """--check reports from the outer session, and names no account because the run would not log in."""
    done = run_shell(run_in, '"$0" --check --json -e X=bw://prod-db -- true')

    report = json.loads(done.stdout)
    assert (done.status, done.stderr) == (0, "")
    assert (report["session"], report["account"], report["credentials"]) == ("outer", None, None)
    assert ("X", "value", "prod-db", "password") in [
        (one["name"], one["kind"], one["item"], one["field"]) for one in report["variables"]
    ]
    assert paths(server) == [CONFIG, SYNC, TOKEN]


def test_verbose(run_in: Surroundings) -> None:
    """-v says where the values come from, in place and with a worker."""
    done = run_shell(run_in, '"$0" -v -e X=bw://prod-db -- true; "$0" -v -e X=@bw://prod-db -- true')

    assert done.status == 0
    assert done.stderr.count("resolving from the session of the outer bwrun") == 2
    assert "p4ss" not in done.stderr


def test_a_reference_in_the_env_file(run_in: Surroundings, tmp_path: Path) -> None:
    """The references of a `.env` are resolved in the outer run and in the nested one, with one login."""
    (run_in.work / ".env").write_text("DB=bw://prod-db\n")

    done = run_shell(run_in, 'env -u DB "$0" -- sh -c \'echo "$DB"\'')

    assert (done.status, done.stdout, done.stderr) == (0, "p4ss\n", "")
