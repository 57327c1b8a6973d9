"""Reading a server's JSON: any letter case, each missing part named, each wrong type refused, nothing internal."""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Callable, Iterator
from typing import cast

import pytest

from bwrun.base.errors import BwrunError, ServerError
from bwrun.base.sensitive import Sensitive
from bwrun.credentials.found import ApiKey, Credentials
from bwrun.crypto.account_keys import open_account_keys, unwrap_user_key
from bwrun.crypto.encstring import SymmetricKey
from bwrun.crypto.parameters import UnlockData
from bwrun.crypto.vault_key import VaultKey
from bwrun.login.server_json import JsonObject
from bwrun.login.token import Login, find_account_keys, read_login
from bwrun.network.answer import Answer
from bwrun.session.contents import SessionData
from bwrun.session.data_json import write_data
from bwrun.settings.servers import find_server
from tests.server.accounts import make_account
from tests.server.json_types import Json, JsonValue
from tests.server.replies import sync_reply, token_reply
from tests.server.specs import (
    AccountSpec,
    AttachmentSpec,
    FieldSpec,
    ItemSpec,
    OrganizationSpec,
    PasswordHistorySpec,
    Pbkdf2,
    ReplyStyle,
    Uri,
)
from tests.server.specs import Login as LoginSpec
from tests.server.state import StoredAccount, World
from tests.server.styles import pascal_case
from tests.server.tokens import Tokens

Path = tuple[str | int, ...]

PASSWORD = "correct horse"
URL = "https://vault.example.com"
CREDENTIALS = Credentials(
    api_key=ApiKey("user.0", Sensitive(b"secret")),
    master_password=Sensitive(PASSWORD.encode()),
    client_id_place="the environment",
    client_secret_place="the environment",
    master_password_place="the environment",
)


class Missing:
    """In place of a value: take the name away."""


MISSING = Missing()
ODD_VALUES: tuple[object, ...] = (
    MISSING, None, "", "\x1b[31m\n", "\ud800", "\udc9b", 0, -1, 10**40, 1.5, True, [], [[]], {}, "2.a|b|c",
)  # fmt: skip


@functools.cache
def stored(style: ReplyStyle) -> StoredAccount:
    """Make an account of which every kind of record is in the sync."""
    return make_account(
        AccountSpec(
            "ada@example.com",
            PASSWORD,
            kdf=Pbkdf2(5_000),
            reply_style=style,
            organizations=(OrganizationSpec("Acme", collections=("Deploy",)),),
            items=(
                ItemSpec(
                    "db", LoginSpec("u", "p", "JBSWY3DPEHPK3PXP", (Uri("https://a.example", match=1),)), notes="n",
                    folder="Prod", own_key=True, fields=(FieldSpec("f", "v"),),
                    attachments=(AttachmentSpec("a.txt", b"x"),), password_history=(PasswordHistorySpec("old"),),
                ),
                ItemSpec("shared", organization="Acme", collections=("Deploy",)),
            ),
        )
    )  # fmt: skip


def login_reply(style: ReplyStyle = "official") -> Json:
    """Make the reply to a login, with a token that has claims."""
    account = stored(style)
    token = Tokens(World(URL)).issue(account, {})
    return cast("Json", json.loads(json.dumps(token_reply(account, token, 3600))))


def sync(style: ReplyStyle = "official") -> Json:
    """Make the reply to a sync."""
    reply: Json = json.loads(json.dumps(sync_reply(stored(style), URL, (2026, 9, 0))))
    return pascal_case(reply) if style == "pascal" else reply


def open_user_key(login: Login) -> VaultKey:
    """Open the user key with the master password."""
    assert isinstance(login.unlock, UnlockData)
    assert CREDENTIALS.master_password is not None
    return unwrap_user_key(login.unlock, CREDENTIALS.master_password)


def read(reply: object) -> Login:
    """Read a reply to a login."""
    return read_login(Answer(200, {}, reply), CREDENTIALS, find_server(URL, None, None))


def write(data: Json, login: Login, user_key: VaultKey) -> Json:
    """Write a session's data.json from a sync."""
    wrapped, user_id = find_account_keys(login, data)
    session = SessionData(
        server=find_server(URL, None, None),
        device="device",
        user_id=login.user_id,
        email=login.email,
        access_token=login.access_token,
        api_key=None,
        unlock=login.unlock,
        keys=open_account_keys(user_key, wrapped, user_id),
        wrapped_keys=wrapped,
        key_connector_url=None,
        read_sync=lambda: data,
        sync_date=None,
        sync_current=None,
        encoded_vault=None,
        server_config=None,
        note=lambda _: None,
    )
    return cast("Json", json.loads(b"".join(write_data(session, SymmetricKey.from_bytes(bytes(64))))))


def paths(value: object, here: Path = ()) -> Iterator[Path]:
    """Walk over every place of a JSON value but the outermost."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in entries:
        yield (*here, name)
        yield from paths(inner, (*here, name))


def changed(reply: Json, path: Path, value: object) -> Json:
    """Return a copy with another value at one place."""
    copied = copy.deepcopy(reply)
    part: JsonValue = copied
    for name in path[:-1]:
        part = part[name]
    if value is MISSING:
        del part[path[-1]]
    else:
        part[path[-1]] = value
    return copied


FEW_ODD_VALUES: tuple[object, ...] = (MISSING, None, "", "\udc9b", -1, True, [[]], {})


def only_bwrun_errors(reply: Json, use: Callable[[Json], object], values: tuple[object, ...] = ODD_VALUES) -> list[str]:
    """Use a reply with every place changed to every odd value; return where something internal came out."""
    internal = []
    for path in paths(reply):
        for value in values:
            try:
                use(changed(reply, path, value))
            except BwrunError:
                pass
            except Exception as error:  # noqa: BLE001  (what must not happen, whatever it is)
                internal.append(f"{path} = {type(value).__name__} {value!r}: {error!r}")
    return internal


@pytest.mark.parametrize("style", ["official", "vaultwarden", "vaultwarden-1.35"])
def test_no_reply_to_a_login_is_an_internal_error(style: ReplyStyle) -> None:
    """A login whose reply has any one part missing or of any other type opens the vault or says why not."""
    reply = login_reply(style)

    def use(odd: Json) -> None:
        open_user_key(read(odd))

    use(reply)

    assert only_bwrun_errors(reply, use) == []


def test_no_reply_to_a_sync_is_an_internal_error() -> None:
    """A sync with any one part missing or of any other type makes a session, or says why not."""
    login = read(login_reply())
    user_key = open_user_key(login)
    reply = sync()

    assert len(write(reply, login, user_key)[f"user_{stored('official').user_id}_ciphers_ciphers"]) == 2
    assert only_bwrun_errors(reply, lambda odd: write(odd, login, user_key), FEW_ODD_VALUES) == []


@pytest.mark.parametrize("style", ["official", "pascal"])
@pytest.mark.parametrize("depth", [100, 500, 900])
def test_no_nesting_is_an_internal_error(style: ReplyStyle, depth: int) -> None:
    """An item nested however deep makes a session without it, or is refused; the stack does not overflow."""
    login = read(login_reply(style))
    user_key = open_user_key(login)
    reply = sync(style)
    items = reply["Ciphers" if style == "pascal" else "ciphers"]
    name = "Fields" if style == "pascal" else "fields"
    nested: object = []
    for _ in range(depth):
        nested = [nested]
    items[0][name] = nested

    try:
        data = write(reply, login, user_key)
    except ServerError:
        return

    assert len(data[f"user_{stored(style).user_id}_ciphers_ciphers"]) >= 1


@pytest.mark.parametrize(
    ("style", "taken", "name"),
    [
        ("official", ["access_token"], "access_token"),
        ("official", ["UserDecryptionOptions", "MasterPasswordUnlock", "Kdf"], "Kdf"),
        ("official", ["UserDecryptionOptions", "MasterPasswordUnlock", "Kdf", "KdfType"], "KdfType"),
        ("official", ["UserDecryptionOptions", "MasterPasswordUnlock", "Kdf", "Iterations"], "Iterations"),
        ("vaultwarden-1.35", ["Key"], "Key"),
        ("vaultwarden-1.35", ["Kdf"], "Kdf"),
        ("vaultwarden-1.35", ["KdfIterations"], "KdfIterations"),
    ],
)
def test_names_the_part_that_is_missing(style: ReplyStyle, taken: list[str], name: str) -> None:
    """A reply without a part that is needed is refused by the part's name."""
    with pytest.raises(ServerError) as caught:
        read(changed(login_reply(style), tuple(taken), MISSING))

    assert caught.value.code == "server.incomplete-reply"
    assert f"lacks `{name}`" in caught.value.message


@pytest.mark.parametrize(
    "taken",
    [
        ("UserDecryptionOptions",),
        ("UserDecryptionOptions", "MasterPasswordUnlock"),
        ("UserDecryptionOptions", "MasterPasswordUnlock", "Salt"),
        ("UserDecryptionOptions", "MasterPasswordUnlock", "MasterKeyEncryptedUserKey"),
        ("UserDecryptionOptions", "HasMasterPassword"),
        ("AccountKeys",),
        ("PrivateKey",),
        ("Key",),
        ("Kdf",),
        ("expires_in",),
        ("ForcePasswordReset",),
    ],
    ids="/".join,
)
def test_does_without_what_servers_leave_out(taken: Path) -> None:
    """What older and other servers leave out, and what stands in two places, may be missing."""
    login = read(changed(login_reply(), taken, MISSING))
    user_key = open_user_key(login)

    assert stored("official").user_key == user_key.encode()


@pytest.mark.parametrize("token", ["", " ", "a\nb", "é", "tok\x00", "tok ", " tok", "a b"])
def test_refuses_a_token_that_is_none(token: str) -> None:
    """An access token that no header can carry is refused as such, before it is sent."""
    with pytest.raises(ServerError) as caught:
        read(login_reply("vaultwarden") | {"access_token": token})

    assert caught.value.code in ("server.unexpected-reply", "server.incomplete-reply")


def test_reads_names_in_any_case() -> None:
    """Names are found in any letter case, and null is as if it were not there."""
    wire = JsonObject({"KdfIterations": 5, "key": "k", "ISSET": True, "none": None}, "the reply")

    assert wire.number("kdfiterations") == wire.number("KDFITERATIONS") == 5
    assert (wire.text("KEY"), wire.flag("isSet")) == ("k", True)
    assert (wire.text("none"), wire.has("none"), wire.has("KEY"), wire.child("none")) == (None, False, True, None)
    assert (wire.text("other"), wire.number("other"), wire.children("other")) == (None, None, [])


@pytest.mark.parametrize("data", [None, [], "text", 5, True])
def test_is_an_object(data: object) -> None:
    """What is no JSON object is refused by the name of the reply."""
    with pytest.raises(ServerError) as caught:
        JsonObject(data, "the server's reply")

    assert (caught.value.code, caught.value.message) == (
        "server.unexpected-reply",
        "the server's reply is not a JSON object",
    )


@pytest.mark.parametrize(
    ("read_it", "message"),
    [
        (lambda wire: wire.text("number"), "`number` of the reply is not text"),
        (lambda wire: wire.number("text"), "`text` of the reply is not a whole number"),
        (lambda wire: wire.number("flag"), "`flag` of the reply is not a whole number"),
        (lambda wire: wire.number("float"), "`float` of the reply is not a whole number"),
        (lambda wire: wire.flag("number"), "`number` of the reply is not true or false"),
        (lambda wire: wire.child("text"), "`text` of the reply is not a JSON object"),
        (lambda wire: wire.children("text"), "`text` of the reply is not a list"),
        (lambda wire: wire.children("list"), "`list` of the reply is not a JSON object"),
    ],
)
def test_refuses_wrong_types(read_it: Callable[[JsonObject], object], message: str) -> None:
    """A value of another type is refused by its name, never shown, never converted."""
    wire = JsonObject({"number": 1, "text": "canary", "flag": True, "float": 1.0, "list": [1]}, "the reply")

    with pytest.raises(ServerError) as caught:
        read_it(wire)

    assert (caught.value.code, caught.value.message) == ("server.unexpected-reply", message)


@pytest.mark.parametrize("name", ["none", "empty", "other"])
def test_names_what_is_needed(name: str) -> None:
    """A text that must be there is missing when it is null or empty too."""
    with pytest.raises(ServerError) as caught:
        JsonObject({"none": None, "empty": ""}, "the reply").required_text(name)

    assert (caught.value.code, caught.value.message) == ("server.incomplete-reply", f"the reply lacks `{name}`")
