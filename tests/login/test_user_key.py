"""The vault opened with a user key: every kind of account, what proves the key, and what it survives."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.conftest import CHEAP
from tests.login.test_login_failures import SYNC, TOKEN, fail, messages
from tests.official import token_and_sync
from tests.server import cose, crypto
from tests.server.control import Account, BitwardenServer
from tests.server.faults import Fault, Status
from tests.server.json_types import Json
from tests.server.specs import AccountSpec, FieldSpec, ItemSpec, Login, OrganizationSpec, ReplyStyle
from tests.support.files import write_private
from tests.support.program import BWRUN, Ended, Surroundings
from tests.support.user_keys import text_of, text_of_bytes, with_user_key

PERSONAL = ItemSpec("prod-db", Login("deploy", "p4ss"), fields=(FieldSpec("TOKEN", "t0ken", 1),), folder="Prod")
SHARED = ItemSpec("shared", Login("o", "0rg"), organization="Acme", collections=("Deploy",), own_key=True)
ACME = OrganizationSpec("Acme", collections=("Deploy",))
SPEC = AccountSpec("key@example.com", "correct horse", kdf=CHEAP, organizations=(ACME,), items=(PERSONAL, SHARED))
BLOB = replace(PERSONAL, blob=True)
KINDS = {
    "V1": SPEC,
    "V2": replace(SPEC, v2=True, items=(BLOB, SHARED)),
    "V2 of 2025": replace(SPEC, v2=True, xchacha20=True),
    "Key Connector": replace(SPEC, key_connector=True),
    "Key Connector and V2": replace(SPEC, key_connector=True, v2=True, items=(BLOB, SHARED)),
}
STYLES: list[ReplyStyle] = ["official", "vaultwarden", "vaultwarden-1.35", "pascal", "camel", "announced"]
KEYLESS = replace(SPEC, drop_fields=("AccountKeys", "PrivateKey"), organizations=(), items=(PERSONAL,))
SHOW = ("sh", "-c", 'printf "%s %s" "$A" "$B"')
BOTH = ("-e", "A=bw://prod-db", "-e", "B=bw://shared")
WRONG = "the user key does not open this account"
CAUSES = "it is another account's, or the keys of the account were rotated since"


@pytest.fixture
def keyed(bare: Surroundings, server: BitwardenServer) -> Surroundings:
    """Give surroundings with the server, whose faults and requests are forgotten."""
    server.clear_faults()
    server.clear_requests()
    bare.use(server)
    return bare


def use(surroundings: Surroundings, server: BitwardenServer, account: Account, key_of: Account | None = None) -> None:
    """Set the credentials of an account, with its user key or that of another one."""
    surroundings.use(server, account)
    del surroundings.environment["BW_PASSWORD"]
    surroundings.environment["BWRUN_USER_KEY"] = text_of(key_of or account)


def asked_paths(server: BitwardenServer) -> list[str]:
    """Return the paths of the requests, but for that of the server's config, which may come late."""
    return [one.path for one in server.requests() if not one.path.endswith("/config")]


# What opens.


@pytest.mark.parametrize(
    ("kind", "style"),  # V2 accounts are on official servers only
    [(kind, style) for kind in KINDS for style in STYLES if "V2" not in kind or style in ("official", "announced")],
)
def test_opens(keyed: Surroundings, server: BitwardenServer, kind: str, style: ReplyStyle) -> None:
    """Items of the account and of its organization open, of every kind of account; no Key Connector is asked."""
    use(keyed, server, server.add_account(replace(KINDS[kind], reply_style=style)))

    for options in ((), ("--no-session",)):
        server.clear_requests()
        assert keyed.run(*options, *BOTH, "--", *SHOW) == Ended(0, "p4ss 0rg", "")
        assert asked_paths(server) == ["/identity/connect/token", "/api/sync"]


@pytest.mark.parametrize("kind", KINDS)
def test_items_fetched_alone(keyed: Surroundings, server: BitwardenServer, kind: str) -> None:
    """Items that are named by their ids are fetched alone, and the key is checked all the same."""
    account = server.add_account(KINDS[kind])
    words = ("--no-session", "--item", account.item_ids["prod-db"], "--", "sh", "-c", 'printf "$TOKEN"')
    use(keyed, server, account)
    assert keyed.run(*words) == Ended(0, "t0ken", "")
    assert SYNC not in asked_paths(server)

    use(keyed, server, account, server.add_account(KINDS[kind]))
    assert keyed.run(*words).codes == ["crypto.wrong-user-key"]


def test_a_kdf_that_would_be_refused(keyed: Surroundings, server: BitwardenServer) -> None:
    """No key is derived: an account whose key derivation bwrun would refuse opens with the key."""
    account = server.add_account(replace(SPEC, kdf=replace(CHEAP, iterations=1_000)))
    use(keyed, server, account)
    as_password = {"BWRUN_USER_KEY": None, "BW_PASSWORD": account.master_password}

    assert keyed.run("--", "true", env=as_password).codes == ["crypto.kdf-parameters"]
    done = keyed.run("--timings", *BOTH, "--", *SHOW)
    assert (done.status, done.stdout) == (0, "p4ss 0rg")
    assert ("timing: sync" in done.stderr, "timing: kdf" in done.stderr) == (True, False)


def test_other_modes(keyed: Surroundings, server: BitwardenServer) -> None:
    """--check, --list, --only and --renew work as with a password."""
    use(keyed, server, server.add_account(SPEC))

    assert "ada" not in keyed.run("--list").stdout
    assert keyed.run("--list", "prod").stdout.splitlines()[-1].startswith("prod-db")
    assert keyed.run("--check", *BOTH, "--", "true").status == 0
    assert keyed.run("--only", "prod-db", "-e", "A=bw://prod-db", "--", "sh", "-c", 'printf "$A"').stdout == "p4ss"
    assert keyed.run("--renew", *BOTH, "--", *SHOW) == Ended(0, "p4ss 0rg", "")
    assert keyed.run("--session-api-key", "--", "true") == Ended(0, "", "")


@pytest.mark.parametrize("kind", ["V1", "V2"])
def test_a_nested_run(keyed: Surroundings, server: BitwardenServer, kind: str) -> None:
    """A run inside resolves from the outer session; with a user key of another account it logs in to that."""
    account, other = server.add_account(SPEC), server.add_account(replace(KINDS[kind], email="other@example.com"))
    other = server.add_items(other, ItemSpec("theirs", Login("x", "th3irs")))
    use(keyed, server, account)
    write_private(
        keyed.work / "other",
        f"BW_CLIENTID={other.client_id}", f"BW_CLIENTSECRET={other.client_secret}",
        f"BWRUN_USER_KEY={text_of(other)}", f"BWRUN_SERVER={server.url}",
    )  # fmt: skip
    same = f"{BWRUN} -e A=bw://prod-db -- sh -c 'printf \"$A \"'"
    another = f"{BWRUN} --env-file other -e A=bw://theirs -- sh -c 'printf \"$A \"'"

    done = keyed.run("--", "sh", "-c", f"{same}; {another}")

    assert done == Ended(0, "p4ss th3irs ", "")
    logins = [one.form["client_id"] for one in server.requests() if one.path.endswith(TOKEN)]
    assert logins == [account.client_id, other.client_id]


def test_an_outer_session_that_cannot_be_used(keyed: Surroundings, server: BitwardenServer) -> None:
    """A nested run whose outer session was damaged logs in with the API key and the user key that it has."""
    account = server.add_account(SPEC)
    use(keyed, server, account)
    own = 'BW_CLIENTID="$I" BW_CLIENTSECRET="$S" BWRUN_USER_KEY="$K" BWRUN_SERVER="$U"'
    script = f': >"$BITWARDENCLI_APPDATA_DIR/data.json"; {own} "$0" -e A=bw://prod-db -- sh -c \'printf "$A"\''
    names = {"I": account.client_id, "S": account.client_secret, "K": text_of(account), "U": server.url}

    assert keyed.run("--", "sh", "-c", script, BWRUN, env=names) == Ended(0, "p4ss", "")


# What it survives.


@pytest.mark.parametrize("kind", ["V1", "V2"])
def test_a_change_of_the_master_password(keyed: Surroundings, server: BitwardenServer, kind: str) -> None:
    """A new master password leaves the user key valid."""
    account = server.add_account(KINDS[kind])
    use(keyed, server, account)
    changed = server.change_master_password(account, "another one")
    as_password: dict[str, str | None] = {"BWRUN_USER_KEY": None, "BW_PASSWORD": account.master_password}

    assert keyed.run(*BOTH, "--", *SHOW) == Ended(0, "p4ss 0rg", "")
    assert keyed.run("--", "true", env=as_password).codes == ["crypto.wrong-master-password"]
    assert keyed.run("--", "true", env={**as_password, "BW_PASSWORD": changed.master_password}).status == 0


@pytest.mark.parametrize(("before", "after"), [("V1", "V1"), ("V1", "V2"), ("V2", "V2")])
def test_a_rotation(keyed: Surroundings, server: BitwardenServer, before: str, after: str) -> None:
    """A rotation of the account's keys ends the user key, also one that makes a V2 account; the new one opens."""
    account = server.add_account(KINDS[before])
    use(keyed, server, account)
    rotated = server.rotate_keys(account, v2=after == "V2")

    done = fail(keyed)

    assert messages(done) == [
        f"error: {WRONG} [crypto.wrong-user-key]",
        f"hint: check the user key from the environment: {CAUSES}",
        "hint: print it again: `bwrun --print-user-key`; a new master password alone does not change it",
    ]
    use(keyed, server, rotated)
    assert keyed.run(*BOTH, "--", *SHOW) == Ended(0, "p4ss 0rg", "")


# What does not fit.


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("of", KINDS)
def test_another_account(keyed: Surroundings, server: BitwardenServer, kind: str, of: str) -> None:
    """The user key of another account is refused before anything starts, of whatever kinds the two are."""
    use(keyed, server, server.add_account(KINDS[kind]), server.add_account(KINDS[of]))

    for options in ((), ("--no-session", *BOTH), ("--only", "prod-db")):
        assert fail(keyed, *options).codes == ["crypto.wrong-user-key"]
    for mode in ("--check", "--list"):
        done = keyed.run(mode)
        assert (done.codes, done.stdout) == (["crypto.wrong-user-key"], "")


@pytest.mark.parametrize("kind", ["V1", "V2"])
def test_one_bit(keyed: Surroundings, server: BitwardenServer, kind: str) -> None:
    """A key of the right form in which one bit is wrong is refused, wherever that bit is."""
    account = server.add_account(KINDS[kind])
    use(keyed, server, account)
    encoded = bytes.fromhex(account.user_key_hex)
    end = len(encoded) - (encoded[-1] if kind == "V2" else 0)
    for at in (end - 1, end - 32, *([0, 31, 32] if kind == "V1" else [6])):  # of V2: its secret, and its id
        changed = bytearray(encoded)
        changed[at] ^= 1
        assert fail(keyed, env={"BWRUN_USER_KEY": text_of_bytes(bytes(changed))}).codes == ["crypto.wrong-user-key"]


def tamper(server: BitwardenServer, account: Account, change: Callable[[Json], None]) -> None:
    """Have the server send the account's keys as `change` leaves them."""
    token, sync = token_and_sync(server, account)
    for keys in (token["AccountKeys"], sync["profile"]["accountKeys"]):
        change(keys)
    private = token["AccountKeys"]["publicKeyEncryptionKeyPair"].get("wrappedPrivateKey")
    token["PrivateKey"] = sync["profile"]["privateKey"] = private
    server.set_fault(Fault(TOKEN, Status(200, json.dumps(token))))
    server.set_fault(Fault("/api/sync", Status(200, json.dumps(sync))))


def private_key(wrapped: str | None) -> Callable[[Json], None]:
    """Return the change to another private key."""
    return lambda keys: keys["publicKeyEncryptionKeyPair"].update(wrappedPrivateKey=wrapped)


TAMPERINGS: dict[str, tuple[str, Callable[[Json], None], str]] = {
    "V1, another's private key": (
        "V1", private_key(crypto.encrypt(crypto.private_key_der(), os.urandom(64))), "crypto.wrong-user-key",
    ),
    "V1, a security state": (
        "V1", lambda keys: keys.update(securityState={"securityState": "AAAA", "securityVersion": 2}),
        "crypto.integrity",
    ),
    "V2, another's private key": (
        "V2", private_key(cose.Key().encrypt(crypto.private_key_der(), cose.PKCS8)), "crypto.wrong-user-key",
    ),
    "V2, a private key as V1 has it": (
        "V2", private_key(crypto.encrypt(crypto.private_key_der(), os.urandom(64))), "crypto.wrong-user-key",
    ),
    "V2, no private key": ("V2", private_key(None), "crypto.integrity"),
    "V2, a malformed private key": ("V2", private_key("7.AAAA"), "crypto.malformed"),
    "V2, another's signing key": (
        "V2",
        lambda keys: keys["signatureKeyPair"].update(
            wrappedSigningKey=cose.Key().encrypt(cose.SigningKey().cose_key(), cose.COSE_KEY)
        ),
        "crypto.integrity",
    ),
    "V2, no security state": ("V2", lambda keys: keys.pop("securityState"), "crypto.integrity"),
}  # fmt: skip


@pytest.mark.parametrize("case", TAMPERINGS)
def test_tampered_keys(keyed: Surroundings, server: BitwardenServer, case: str) -> None:
    """With the right user key, keys of the account that do not belong together are refused as with a password."""
    kind, change, code = TAMPERINGS[case]
    account = server.add_account(KINDS[kind])
    use(keyed, server, account)
    tamper(server, account, change)

    assert fail(keyed).codes == [code]


# Old accounts, which have no private key.

ITEMS = {
    "an item": (PERSONAL,),
    "an item with a key": (replace(PERSONAL, own_key=True, folder=None),),
    "an item without a folder": (replace(PERSONAL, folder=None),),
}


@pytest.mark.parametrize("style", ["official", "announced", "pascal"])
@pytest.mark.parametrize("has", [*ITEMS, "a folder"])
def test_no_private_key(keyed: Surroundings, server: BitwardenServer, style: ReplyStyle, has: str) -> None:
    """Without a private key, an item or a folder proves the user key, and refuses a wrong one."""
    folders = ("Prod",) if has == "a folder" else ()
    account = server.add_account(replace(KEYLESS, items=ITEMS.get(has, ()), folders=folders, reply_style=style))
    use(keyed, server, account)

    assert keyed.run("--", "true") == Ended(0, "", "")
    for kind in ("V1", "V2"):
        wrong = {"BWRUN_USER_KEY": text_of(server.add_account(KINDS[kind]))}
        assert fail(keyed, env=wrong).codes == ["crypto.wrong-user-key"]


def test_a_damaged_private_key(keyed: Surroundings, server: BitwardenServer) -> None:
    """A private key that is no EncString proves nothing: the items do."""
    account = server.add_account(SPEC)
    use(keyed, server, account)
    tamper(server, account, private_key("damaged"))

    assert keyed.run("-e", "A=bw://prod-db", "--", *SHOW) == Ended(0, "p4ss ", "")
    wrong = {"BWRUN_USER_KEY": text_of_bytes(bytes(64))}
    assert fail(keyed, env=wrong).codes == ["crypto.wrong-user-key"]


def test_one_damaged_item(keyed: Surroundings, server: BitwardenServer) -> None:
    """One item that opens proves the key, beside one that is damaged."""
    damaged = replace(PERSONAL, name="damaged", tamper=("name",))
    account = server.add_account(replace(KEYLESS, items=(damaged, replace(PERSONAL, folder=None))))
    use(keyed, server, account)

    assert keyed.run("-e", "A=bw://prod-db", "--", *SHOW) == Ended(0, "p4ss ", "")


def test_nothing_that_proves_it(keyed: Surroundings, server: BitwardenServer) -> None:
    """An empty account without a private key does not open with a user key: nothing could prove that it is right."""
    account = server.add_account(replace(KEYLESS, items=()))
    use(keyed, server, account)
    as_password: dict[str, str | None] = {"BWRUN_USER_KEY": None, "BW_PASSWORD": account.master_password}

    done = fail(keyed)

    assert done.codes == ["crypto.unproven-user-key"]
    assert "hint: use the master password for this account" in messages(done)[1]
    assert keyed.run("--", "true", env=as_password) == Ended(0, "", "")


# The order of things.


def test_a_wrong_api_key_is_told_first(keyed: Surroundings, server: BitwardenServer) -> None:
    """A login that is refused is told as ever: the user key was not looked at yet."""
    use(keyed, server, server.add_account(SPEC))

    assert fail(keyed, env={"BW_CLIENTSECRET": "wrong"}).codes == ["auth.invalid-api-key"]


def test_an_account_without_a_master_password(keyed: Surroundings, server: BitwardenServer) -> None:
    """An account that has neither a master password nor a Key Connector is refused as ever."""
    use(keyed, server, server.add_account(replace(SPEC, master_password_set=False)))

    assert fail(keyed).codes == ["auth.no-master-password"]


def test_a_key_connector_that_cannot_be_asked(keyed: Surroundings, server: BitwardenServer) -> None:
    """That the server names no Key Connector, or one to which no token may go, does not matter: it is not asked."""
    account = server.add_account(KINDS["Key Connector"])
    _, sync = token_and_sync(server, account)
    use(keyed, server, account)
    for url in (None, "http://kc.example"):
        sync["profile"]["organizations"][0]["keyConnectorUrl"] = url
        server.set_fault(Fault("/api/sync", Status(200, json.dumps(sync))))

        assert keyed.run(*BOTH, "--", *SHOW) == Ended(0, "p4ss 0rg", "")
        server.clear_faults()


def test_its_own_environment(keyed: Surroundings, server: BitwardenServer) -> None:
    """The changes that the other tests make to an environment are those for a user key."""
    account = server.add_account(SPEC)
    keyed.use(server, account)

    assert keyed.run(*BOTH, "--", *SHOW, env=with_user_key(account)) == Ended(0, "p4ss 0rg", "")
