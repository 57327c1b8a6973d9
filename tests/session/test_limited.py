"""`--only`: which items a session holds, what is refused, and that no key in it opens anything else."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from Crypto.Cipher import PKCS1_OAEP
from Crypto.PublicKey import RSA
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from tests.conftest import CHEAP
from tests.official import token_and_sync
from tests.server.control import Account, BitwardenServer
from tests.server.json_types import Json
from tests.server.specs import (
    AccountSpec,
    AttachmentSpec,
    Card,
    FieldSpec,
    ItemSpec,
    Login,
    OrganizationSpec,
    PasswordHistorySpec,
    SecureNote,
    SshKey,
)
from tests.support.files import write_private
from tests.support.program import BWRUN, Ended, Surroundings

PRINT_SESSION = 'printf "%s\\n" "$BW_SESSION"; cat "$BITWARDENCLI_APPDATA_DIR/data.json"'
AES = re.compile(r"2\.[^|]+\|[^|]+\|[^|]+")
FILE = AttachmentSpec("a.txt", b"content")
ITEMS = (
    ItemSpec("db", Login("u", "p"), notes="n", fields=(FieldSpec("f", "v"),), attachments=(FILE,), folder="Prod"),
    ItemSpec("own", Login("u", "p"), own_key=True, attachments=(FILE,), password_history=(PasswordHistorySpec("x"),)),
    ItemSpec("note", SecureNote(), notes="n", folder="Prod/EU/West"),
    ItemSpec("card", Card("Ada", "Visa", "4111"), folder="Production"),
    ItemSpec("team", Login("u", "p"), organization="Acme", collections=("Ops",), folder="Prod"),
    ItemSpec("team-own", SshKey("k", "p", "f"), organization="Acme", collections=("Ops", "Deploy"), own_key=True),
    ItemSpec("beta", Login("u", "p"), organization="Beta", collections=("Ops of Beta",)),
    ItemSpec("twice", Login("u", "1"), folder="Prod"),
    ItemSpec("twice", Login("u", "2")),
    ItemSpec("gone", Login("u", "p"), trashed=True, folder="Prod"),
    ItemSpec("asks", Login("u", "p"), reprompt=True, folder="Prod"),
    ItemSpec("closed", Login("u", "p"), organization="Closed", collections=("C",)),
    ItemSpec("locked", Login("u", "p"), organization="Locked", collections=("L",)),
)
ORGANIZATIONS = (
    OrganizationSpec("Acme", collections=("Ops", "Deploy")),
    OrganizationSpec("Beta", collections=("Ops of Beta",)),
    OrganizationSpec("Closed", enabled=False, collections=("C",)),
    OrganizationSpec("Locked", key_usable=False, collections=("L",)),
)
OF_PROD = {"db", "note", "team", "twice"}


@pytest.fixture(scope="module")
def vault(server: BitwardenServer) -> Account:
    """Make an account with items in many places."""
    spec = AccountSpec(
        "only@example.com", "correct horse", kdf=CHEAP, folders=("Empty",), organizations=ORGANIZATIONS, items=ITEMS
    )
    return server.add_account(spec)


def only(*selectors: str) -> list[str]:
    """Return the options for these selectors."""
    return [word for selector in selectors for word in ("--only", selector)]


def held(surroundings: Surroundings, *words: str, **how: Any) -> list[str]:  # noqa: ANN401  (of `run`)
    """Return the names of the items in the session, as --check says and as the session has them."""
    checked = surroundings.run(*words, "--check", "--json", "--", "sh", **how)
    assert (checked.status, checked.stderr) == (0, "")
    items = json.loads(checked.stdout)["session_items"]
    done = surroundings.run(*words, "--", "sh", "-c", PRINT_SESSION, **how)
    assert (done.status, done.stderr) == (0, "")
    assert {one["id"] for one in items} == set(state_of(done, "ciphers_ciphers"))
    return sorted(one["name"] for one in items)


def state_of(done: Ended, name: str) -> Json:
    """Return one state of the data.json that a run printed."""
    state = json.loads(done.stdout.partition("\n")[2])
    (found,) = [value for key, value in state.items() if key.startswith("user_") and key.endswith(f"_{name}")]
    result: Json = found
    return result


@pytest.mark.parametrize(
    ("selectors", "names"),
    [
        (["db"], {"db"}),
        (["bw://db"], {"db"}),
        (["db", "card", "db"], {"db", "card"}),
        (["twice?folder=Prod"], {"twice"}),
        (["?folder=Prod"], OF_PROD),
        (["?folder=Prod/EU"], {"note"}),
        (["?folder=Prod%2FEU/West"], {"note"}),
        (["?collection=Ops"], {"team", "team-own"}),
        (["?organization=Acme", "note"], {"team", "team-own", "note"}),
        (["?folder=Prod&organization=Acme"], {"team"}),
        (["?organization=Beta"], {"beta"}),
    ],
)
@pytest.mark.usefixtures("vault")
def test_holds_what_is_selected(run_in: Surroundings, selectors: list[str], names: set[str]) -> None:
    """A selector is an item or a place; a folder means its subfolders too, but not one whose name begins the same."""
    assert set(held(run_in, *only(*selectors))) == names


def test_by_id(run_in: Surroundings, vault: Account) -> None:
    """Items and places can be named by their ids, too."""
    ids = vault.item_ids["note"].upper(), f"?folder={vault.folder_ids['Production']}"

    assert held(run_in, *only(*ids)) == ["card", "note"]


def test_by_a_variable(run_in: Surroundings) -> None:
    """The variable has one selector per line, and may stand in a `.env` that was found; the option wins."""
    write_private(run_in.work / ".env", "BWRUN_ONLY='db\n?organization=Beta\n'\n")

    assert held(run_in) == ["beta", "db"]
    assert held(run_in, "--only", "card") == ["card"]


def test_items_of_the_references(run_in: Surroundings) -> None:
    """`references` means the items of the run's own references, those that need not exist excepted."""
    words = ["-e", "A=bw://db", "-e", "B=x {{ bw://own/username }}", "-e", "C=bw://nix", "--optional", "C"]

    assert held(run_in, *words, "--only=references", "--only", "card") == ["card", "db", "own"]
    assert run_in.run("--only=references", "--", "true").codes == ["reference.not-found"]


def test_places_come_with_their_items(run_in: Surroundings) -> None:
    """The session has only the folders, collections and organizations of its items."""
    done = run_in.run(*only("team", "note"), "--", "sh", "-c", PRINT_SESSION)

    kinds = ("folder_folders", "collection_collections", "organizations_organizations", "crypto_organizationKeys")
    assert [len(state_of(done, kind)) for kind in kinds] == [2, 1, 1, 1]


def test_references_see_the_whole_vault(run_in: Surroundings) -> None:
    """--only limits the session, not what the run itself names."""
    done = run_in.run(*only("card"), "-e", "A=bw://db", "--", "sh", "-c", 'echo "$A"')

    assert (done.status, done.stdout, done.stderr) == (0, "p\n", "")


def test_tells_what_the_session_holds(run_in: Surroundings) -> None:
    """-v and --check name the items."""
    told = run_in.run("-v", *only("db", "card"), "--", "true").stderr
    checked = run_in.run(*only("db", "card"), "--check", "--", "true").stdout

    assert "  the session holds 2 item(s): card, db\n" in told
    assert "session      a new one, limited to 2 item(s): card, db\n" in checked


@pytest.mark.parametrize(
    ("selectors", "codes", "said"),
    [
        (["nix"], ["reference.not-found"], "--only nix: no item is called `nix`"),
        (["?folder=Nix"], ["reference.not-found"], "--only ?folder=Nix: no folder is called `Nix`"),
        (["?folder=Empty"], ["reference.not-found"], "--only ?folder=Empty: there is no item in folder `Empty`"),
        (["twice"], ["reference.ambiguous"], "--only twice: 2 items are called `twice`"),
        (["gone"], ["reference.in-trash"], "--only gone: item `gone` is in the trash"),
        (["asks"], ["reference.protected"], "--only asks: item `asks` asks for the master password"),
        (["closed"], ["reference.organization-disabled"], "`Closed`, which is disabled"),
        (["?organization=Closed"], ["reference.not-found"], "there is no item in organization `Closed`"),
        (["?organization=Locked"], ["reference.nothing-usable"], "none of the 1 item(s) there can be used"),
        (["db/password"], ["reference.invalid"], "`--only` takes an item without a field"),
        (["db?newline=lf"], ["reference.invalid"], "`--only` does not take the parameter `newline`"),
        (["?"], ["reference.invalid"], "a parameter of the reference is empty"),
        (["?fodler=Prod"], ["reference.invalid"], "unknown parameter `fodler`"),
        (["nix", "gone", "db"], ["reference.not-found", "reference.in-trash"], "--only gone: item `gone` is in"),
    ],
)
def test_refused_selectors(run_in: Surroundings, selectors: list[str], codes: list[str], said: str) -> None:
    """A selector that matches nothing, or what cannot be used, is an error, and the command is not started."""
    done = run_in.run(*only(*selectors), "--", "touch", "started")

    assert (done.status, done.codes) == (125, codes)
    assert said in done.stderr
    assert not (run_in.work / "started").exists()


def test_errors_of_references_and_selectors(run_in: Surroundings) -> None:
    """What is wrong with references and with selectors is reported at once."""
    done = run_in.run(*only("nix"), "-e", "A=bw://nothing", "--", "true")

    assert "A: no item is called `nothing`" in done.stderr
    assert "--only nix: no item is called `nix`" in done.stderr


def test_malformed_references_and_selectors(run_in: Surroundings, server: BitwardenServer) -> None:
    """Malformed references and malformed selectors are reported together, before any request."""
    done = run_in.run("-e", "X=bw://", *only("?colour=red", "db"), "--", "touch", "started")

    assert (done.status, done.codes) == (125, ["reference.invalid", "reference.invalid"])
    assert "X: " in done.stderr
    assert "--only ?colour=red: " in done.stderr
    assert server.requests() == []
    assert not (run_in.work / "started").exists()


def test_protected_items(run_in: Surroundings) -> None:
    """--allow-protected allows protected items, one by one and in places."""
    assert set(held(run_in, "--allow-protected", *only("?folder=Prod"))) == {*OF_PROD, "asks"}
    assert held(run_in, "--allow-protected", *only("asks")) == ["asks"]


@pytest.mark.parametrize("option", ["--session-api-key", "--renew"])
def test_contradictions(run_in: Surroundings, option: str) -> None:
    """What could reach the rest of the vault is refused beside --only."""
    done = run_in.run(option, *only("db"), "--", "true")

    assert (done.status, done.codes) == (125, ["usage.conflict"])
    assert f"`--only` and `{option}` cannot be used together" in done.stderr


def test_nested_runs(run_in: Surroundings) -> None:
    """A run inside uses the limited session; with an --only of its own, it does not take a wider one."""
    words: list[str | Path] = [*only("db", "card"), "--", BWRUN]
    inner = run_in.run(*words, "--", "sh", "-c", PRINT_SESSION)
    narrower = run_in.run(*words, *only("db"), "--", "true")

    assert len(state_of(inner, "ciphers_ciphers")) == 2
    assert (narrower.status, narrower.codes) == (125, ["credentials.missing"])


def test_nested_runs_with_the_same_env_file(run_in: Surroundings, server: BitwardenServer) -> None:
    """A run inside, which finds the same `.env` with the same selectors, uses the session and does not log in again."""
    names = ("BW_CLIENTID", "BW_CLIENTSECRET", "BW_PASSWORD")
    lines = [f"{name}='{run_in.environment.pop(name)}'\n" for name in names]
    write_private(run_in.work / ".env", "".join([*lines, "BWRUN_ONLY='db\ncard'\n"]))
    done = run_in.run("--", BWRUN, "-e", "A=bw://card/card.number", "--", "sh", "-c", 'echo "$A"')

    assert (done.status, done.stdout, done.stderr) == (0, "4111\n", "")
    assert [one.path for one in server.requests()].count("/identity/connect/token") == 1


# Keys


def open_bytes(buffer: bytes, key: bytes) -> bytes | None:
    """Decrypt IV, MAC and data of AES-256-CBC with HMAC; None: the MAC does not fit, so the key does not open it."""
    iv, mac, data = buffer[:16], buffer[16:48], buffer[48:]
    if not hmac.compare_digest(hmac.digest(key[32:], iv + data, hashlib.sha256), mac):
        return None
    decryptor = Cipher(algorithms.AES(key[:32]), modes.CBC(iv)).decryptor()
    unpadder = PKCS7(128).unpadder()
    return unpadder.update(decryptor.update(data) + decryptor.finalize()) + unpadder.finalize()


def open_text(text: str, key: bytes) -> bytes | None:
    """Decrypt an EncString of type 2."""
    iv, data, mac = (base64.b64decode(part) for part in text[2:].split("|"))
    return open_bytes(iv + mac + data, key)


def texts_in(value: object) -> Iterator[str]:
    """Yield all texts in JSON."""
    if isinstance(value, str):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from texts_in(inner)


def keys_of(printed: str) -> tuple[list[bytes], RSA.RsaKey]:
    """Return each AES key that follows from BW_SESSION and data.json, and the private key."""
    session, _, text = printed.partition("\n")
    state = json.loads(text)
    keys = [base64.b64decode(session)]
    (wrapped,) = [value for name, value in state.items() if name.endswith("_user_auto")]
    found = open_bytes(base64.b64decode(wrapped)[1:], keys[0])
    assert found is not None
    keys.append(found)
    (accounts,) = [value for name, value in state.items() if name.endswith("_accountCryptographicState")]
    der = open_text(accounts["V1"]["private_key"], found)
    assert der is not None
    private = RSA.import_key(der)
    (organizations,) = [value for name, value in state.items() if name.endswith("_crypto_organizationKeys")]
    keys += [PKCS1_OAEP.new(private).decrypt(base64.b64decode(one["key"][2:])) for one in organizations.values()]
    pending = [text for text in texts_in(state) if AES.fullmatch(text)]
    for key in keys:  # it grows: whatever is opened and has the size of a key is tried as one
        for encrypted in pending:
            opened = open_text(encrypted, key)
            if opened is not None and len(opened) == 64 and opened not in keys:
                keys.append(opened)
    return keys, private


@pytest.mark.parametrize(
    "selectors", [["db", "card"], ["db", "own", "team", "team-own", "note"], ["?folder=Prod", "?organization=Acme"]]
)
def test_no_key_opens_anything_else(
    run_in: Surroundings, server: BitwardenServer, vault: Account, selectors: list[str]
) -> None:
    """
    No key of the session opens one ciphertext of the account: not of other items, nor a wrapped key, nor a name.

    The own key of a chosen item opens that item's own parts, which its owner gave to the session anyway.
    """
    token, sync = token_and_sync(server, vault)
    printed = run_in.run(*only(*selectors), "--", "sh", "-c", PRINT_SESSION).stdout
    keys, private = keys_of(printed)
    chosen = set(json.loads(printed.partition("\n")[2])[f"user_{vault.user_id}_ciphers_ciphers"])
    own = [one for one in sync["ciphers"] if one["id"] in chosen and one["key"] is not None]
    assert len(keys) >= 3 if own else len(keys) >= 2

    inside_own = {text for one in own for text in texts_in({name: one[name] for name in one if name != "key"})}
    everything = {text for text in texts_in([token, sync]) if AES.fullmatch(text)} - inside_own
    assert len(everything) > 30
    assert [text for text in everything for key in keys if open_text(text, key) is not None] == []
    wrapped = [one["key"] for one in sync["profile"]["organizations"] if one["key"]]
    assert len(wrapped) >= 3
    for text in wrapped:
        with pytest.raises(ValueError, match=r"decryption|Ciphertext"):
            PKCS1_OAEP.new(private).decrypt(base64.b64decode(text.partition(".")[2]))


def test_nothing_of_the_account_is_in_the_files(run_in: Surroundings, server: BitwardenServer, vault: Account) -> None:
    """The files hold no token that a server takes, no credential, and no ciphertext of another item."""
    token, sync = token_and_sync(server, vault)
    script = 'cat "$BITWARDENCLI_APPDATA_DIR"/*'
    written = run_in.run(*only("db", "team-own"), "--", "sh", "-c", script).stdout
    found = json.loads(written[written.index("{") : written.rindex("}") + 1])
    (access,) = [value for name, value in found.items() if name.endswith("_token_accessToken")]
    header, claims, signature = access.split(".")

    kept = {vault.item_ids["db"], vault.item_ids["team-own"]}
    others = {text for one in sync["ciphers"] if one["id"] not in kept for text in texts_in(one) if AES.fullmatch(text)}
    account = {text for text in texts_in([token, sync["profile"]]) if re.match(r"[0-9]\.", text)}
    assert not [text for text in others | account if text in written]
    for secret in (vault.client_secret, "correct horse", token["access_token"]):
        assert secret not in written
    decoded = [json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in (header, claims)]
    assert (decoded[0]["alg"], decoded[1]["exp"], signature) == ("none", 1, "")
