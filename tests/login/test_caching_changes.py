"""With `--cache`: other credentials, other keys, refusals, and files that were damaged or exchanged."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cache.test_sealed_file import SQUATTERS
from tests.conftest import CANARY, CHEAP
from tests.login.test_login_failures import assert_failed, assert_tells_no_secret
from tests.server.control import BitwardenServer
from tests.server.faults import Fault, Status
from tests.server.specs import AccountSpec, AttachmentSpec, ItemSpec, Login
from tests.support.cache_file import HEADER, STAMP_END, START, CacheFile, names_in
from tests.support.cached import COLD, WARM, Cached
from tests.support.program import BWRUN, Ended, Surroundings
from tests.support.terminal import Terminal
from tests.support.users import ANOTHER_USER, needs_root

ITEMS = (ItemSpec("prod-db", Login(username="deploy", password="p4ss")),)
SPEC = AccountSpec("other@example.com", f"other {CANARY}", CHEAP, items=ITEMS)
RENEWED = ["date", "date 401", "login"]
WRONG = "mistaken"
ALL = ["date", "date 401", "login", "sync"]


def refused(cached: Cached, *options: str, env: dict[str, str | None] | None = None) -> Ended:
    """Run, which must fail; check all that is true of every failure."""
    cached.server.clear_requests()
    done = cached.run(*options, env=env)
    assert_failed(cached.surroundings, done, cached.surroundings.full_environment(env or {}))
    return done


def change_password(cached: Cached) -> None:
    """Change the account's master password, which ends its tokens."""
    cached.use(cached.server.change_master_password(cached.account, f"new {CANARY}"))
    cached.server.expire_tokens(cached.account)


def rotate_keys(cached: Cached) -> None:
    """Give the account another user key, which ends its tokens."""
    cached.use(cached.server.rotate_keys(cached.account))
    cached.server.expire_tokens(cached.account)


@pytest.mark.parametrize("how", ["rotated", "disabled"])
def test_what_the_server_refuses(cached: Cached, how: str) -> None:
    """An API key that was replaced, an account that was disabled: today's message, and the cache is gone."""
    cached.ask()
    if how == "rotated":
        cached.server.rotate_api_key(cached.account)
    else:
        cached.server.change_spec(cached.account, reply_style="vaultwarden", disabled=True)
    cached.server.expire_tokens(cached.account)

    done = refused(cached)

    assert cached.asked() == ["date 401", "login 400"]
    assert done.stderr == cached.run(cache="").stderr
    assert not cached.path.exists()
    assert cached.run("--offline=always").codes == ["config.nothing-cached"]


def test_an_old_vault_of_a_refused_account(cached: Cached) -> None:
    """A cache that is too old to be used goes too when the server refuses its owner."""
    cached.ask()
    cached.change(lambda file: file.moved(7200, "written"))
    cached.server.rotate_api_key(cached.account)

    refused(cached)

    assert not cached.path.exists()


def test_a_new_api_key(cached: Cached) -> None:
    """The new key does not find the cache of the old one, and replaces it."""
    cached.ask()
    old = cached.owner
    cached.use(cached.server.rotate_api_key(cached.account))

    assert cached.ask() == COLD
    assert cached.ask() == WARM
    with pytest.raises(ValueError, match="MAC check failed"):
        CacheFile.read(cached.path.read_bytes(), old)


@pytest.mark.parametrize("options", [("--max-age", "9999"), pytest.param(("--offline",), marks=pytest.mark.slow)])
def test_a_wrong_master_password(cached: Cached, options: tuple[str, ...]) -> None:
    """It is called wrong after a real login, and the right one still finds its cache."""
    cached.ask()
    before = cached.path.read_bytes()

    done = refused(cached, *options, env={"BW_PASSWORD": WRONG})

    assert done.codes == ["crypto.wrong-master-password"]
    assert cached.asked() == COLD
    assert cached.path.read_bytes() == before
    assert cached.ask() == WARM
    always = refused(cached, "--offline=always", env={"BW_PASSWORD": WRONG})
    assert (always.codes, cached.asked()) == (["config.nothing-cached"], [])


def test_a_wrong_client_secret(cached: Cached) -> None:
    """It is refused by a real login, and the right one still finds its cache."""
    cached.ask()
    before = cached.path.read_bytes()

    done = refused(cached, env={"BW_CLIENTSECRET": WRONG})

    assert cached.asked() == ["login 400"]
    assert done.stderr == cached.run(cache="", env={"BW_CLIENTSECRET": WRONG}).stderr
    assert cached.path.read_bytes() == before
    assert cached.ask() == WARM


def test_a_password_that_was_typed_wrong_at_first(cached: Cached) -> None:
    """The cache is sealed with the password that opened the vault, not with the one that was typed before it."""
    surroundings = cached.surroundings
    environment = surroundings.full_environment({"BW_PASSWORD": None})
    with Terminal.start([BWRUN, "--cache", "--", "true"], environment, surroundings.work) as terminal:
        terminal.wait_for("master password: ")
        terminal.type("typo\n")
        terminal.wait_for("master password: ", times=2)
        terminal.type(f"{cached.account.master_password}\n")
        assert terminal.ended() == 0

    assert refused(cached, "--offline=always", env={"BW_PASSWORD": "typo"}).codes == ["config.nothing-cached"]
    assert refused(cached, env={"BW_PASSWORD": "typo"}).codes == ["crypto.wrong-master-password"]
    assert cached.ask() in (COLD, WARM)
    assert cached.ask() == WARM


def test_a_changed_master_password(cached: Cached) -> None:
    """The old one is wrong at the next request, which removes the cache; the new one logs in once."""
    cached.ask()
    old = cached.account.master_password
    change_password(cached)

    done = refused(cached, env={"BW_PASSWORD": old})

    assert done.codes == ["crypto.wrong-master-password"]
    assert cached.asked()[:3] == RENEWED
    assert not cached.path.exists()
    assert refused(cached, "--offline=always", env={"BW_PASSWORD": old}).codes == ["config.nothing-cached"]
    assert cached.ask() == COLD
    assert cached.ask() == WARM


@pytest.mark.slow
def test_a_master_password_that_another_run_still_has(cached: Cached) -> None:
    """The new password makes a new cache; the old one then does not find it, and does no harm to it."""
    cached.ask()
    old = cached.account.master_password
    change_password(cached)
    assert cached.ask() == COLD
    before = cached.path.read_bytes()

    assert refused(cached, env={"BW_PASSWORD": old}).codes == ["crypto.wrong-master-password"]
    assert cached.path.read_bytes() == before
    assert cached.ask() == WARM


@pytest.mark.parametrize("spec", [SPEC, replace(SPEC, v2=True), replace(SPEC, key_connector=True)], ids=str)
def test_rotated_keys(bare: Surroundings, server: BitwardenServer, spec: AccountSpec) -> None:
    """After a rotation the old user key opens nothing: it is derived, or asked for, anew."""
    server.clear_faults()
    cached = Cached(bare, server, server.add_account(spec))
    cached.use(cached.account)
    options = ("--key-connector-url", f"{server.url}/key-connector") if spec.key_connector else ()
    connector = ["/key-connector/user-keys"] if spec.key_connector else []
    assert cached.ask(*options) == sorted(COLD + connector)
    before = cached.read().state["user_key"]
    rotate_keys(cached)

    assert cached.ask(*options) == sorted(ALL + connector)
    assert cached.read().state["user_key"] != before
    assert cached.ask(*options) == WARM


@pytest.mark.slow
def test_keys_that_were_rotated_while_the_token_stays(cached: Cached) -> None:
    """A server that lets old tokens be: the sync shows that the keys are others."""
    cached.ask()
    rotate_keys(cached)
    cached.run()  # has a token of now
    file = cached.read()
    rotate_keys(cached)
    assert cached.ask() == ALL
    token = cached.read().state["reply"]["access_token"]

    reply = {**file.state["reply"], "access_token": token}
    cached.path.write_bytes(file.with_state(reply=reply).write())

    assert cached.ask() == ["date", "date", "login", "sync", "sync"]
    assert cached.ask() == WARM


def test_another_account_and_another_server(cached: Cached) -> None:
    """Each account at each server has a file of its own; a file in another's place is not used."""
    first = cached.account
    cached.ask()
    mine = cached.path
    other = cached.server.add_account(SPEC)
    cached.use(other)
    assert cached.ask() == COLD
    assert cached.path != mine
    theirs, data = cached.path, cached.path.read_bytes()
    theirs.write_bytes(mine.read_bytes())

    assert cached.ask() == COLD

    assert theirs.read_bytes() != mine.read_bytes()
    mine.write_bytes(data)
    cached.use(first)
    assert cached.ask() == COLD
    assert cached.ask() == WARM
    slash = {"BWRUN_API_URL": f"{cached.server.api_url}/", "BWRUN_IDENTITY_URL": cached.server.identity_url}
    assert cached.ask(env=slash) == WARM
    elsewhere = {"BWRUN_SERVER": cached.server.url.replace("localhost", "127.0.0.1")}
    assert cached.ask(env=elsewhere) == COLD
    assert cached.ask(env=elsewhere) == cached.ask() == WARM
    assert names_in(cached.surroundings).count(".cache") == 3


def seldom(yes: object) -> tuple[pytest.MarkDecorator, ...]:
    """Return the marks of a test that shows little more than another one, if it does."""
    return (pytest.mark.slow,) if yes else ()


def flip(position: int) -> Callable[[bytes], bytes]:
    """Return what flips a bit; a negative position counts from the end."""

    def damage(data: bytes) -> bytes:
        at = position % len(data)
        return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]

    return damage


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "magic": flip(0),
    "version": flip(15),
    "kind": flip(16),
    "N": flip(17),
    "r": flip(18),
    "salt": flip(START - 1),
    "a size": flip(HEADER.size - 1),
    "sizes exchanged": lambda data: data[: START + 8] + data[START : START + 8] + data[START + 16 :],
    "size of a part is 3": lambda data: data[:START] + (3).to_bytes(8, "big") + data[START + 8 :],
    "state": flip(STAMP_END + 20),
    "cut": lambda data: data[:-1],
    "cut behind the header": lambda data: data[: HEADER.size],
    "empty": lambda _: b"",
    "longer": lambda data: data + b"\0",
    "zeros": lambda data: bytes(len(data)),
}


# tests/cache/test_sealed_file.py shows each bit; here are those that a whole run must survive.
SELDOM = (
    "kind",
    "magic",
    "a size",
    "cut behind the header",
    "N",
    "r",
    "sizes exchanged",
    "cut",
    "empty",
    "longer",
    "zeros",
)


@pytest.mark.parametrize("damage", [pytest.param(one, marks=seldom(one in SELDOM)) for one in DAMAGES])
def test_a_damaged_file(cached: Cached, damage: str) -> None:
    """It is no error: the run logs in, is right, and replaces it."""
    cached.ask()
    cached.path.write_bytes(DAMAGES[damage](cached.path.read_bytes()))

    assert cached.ask("--max-age", "9999") == COLD
    assert cached.read().parts["sync"]


def test_damaged_parts(cached: Cached) -> None:
    """A damaged stamp only means that nobody knows what is current; a vault that does not open is fetched."""
    cached.ask()
    cached.path.write_bytes(flip(HEADER.size + 50)(cached.path.read_bytes()))

    assert cached.ask() == ["date", "sync"]
    assert cached.ask() == WARM

    sizes = [len(cached.read().parts[name]) + 28 for name in ("state", "sync")]
    data = cached.path.read_bytes()
    for position in (STAMP_END + sizes[0] + 100, STAMP_END + sum(sizes) + 14):
        data = flip(position)(data)
    cached.path.write_bytes(data)

    assert cached.ask()[-1] == "sync"
    assert cached.ask() == WARM


def of_another_user(path: Path) -> None:
    """Give it to another user; root could read it."""
    os.chown(path, ANOTHER_USER, ANOTHER_USER)


OFTEN = ("open_to_others", "symbolic_link", "pipe")


@pytest.mark.parametrize(
    "squat",
    [
        *(pytest.param(one, marks=seldom(one.__name__ not in OFTEN)) for one in SQUATTERS),
        pytest.param(of_another_user, marks=needs_root),
    ],
)
def test_what_else_lies_there(cached: Cached, squat: Callable[[Path], None]) -> None:
    """What is open to others, linked, or no file is not used, and is replaced."""
    cached.ask()
    squat(cached.path)

    assert cached.ask("--max-age", "9999") == COLD
    status = cached.path.lstat()
    assert (status.st_mode, status.st_nlink, status.st_uid) == (0o100600, 1, os.geteuid())


def test_a_directory_lies_there(cached: Cached) -> None:
    """Nothing can be kept then; each run is right."""
    cached.ask()
    cached.path.unlink()
    cached.path.mkdir()

    assert cached.ask() == cached.ask() == COLD
    assert "cannot write the cache file" in cached.run("-v").stderr
    assert names_in(cached.surroundings) == [".cache", ".lock"]


def test_nothing_secret_leaves(cached: Cached) -> None:
    """No secret of the account or its vault is in a name, in a message, or in clear in a file."""
    runs = [cached.run("-v"), cached.run("-v"), cached.run("-v", "--offline"), cached.run("-v", "--max-age=9")]
    file = cached.read()
    token = str(file.state["reply"]["access_token"])
    for done in runs:
        assert (done.status, done.stdout) == (0, "p4ss")
        assert_tells_no_secret(replace(done, stdout=""), cached.surroundings.environment)
    data = b"".join(path.read_bytes() for path in cached.path.parent.iterdir())
    names = " ".join(path.name for path in cached.path.parent.iterdir())
    user_key = bytes.fromhex(cached.account.user_key_hex)
    owner = cached.owner
    for secret in (token.encode(), user_key, owner.client_secret.encode(), CANARY.encode(), b"cached@example"):
        assert secret not in data
    for word in (owner.client_id, cached.account.user_id, "cached@", "localhost"):
        assert word not in names


def test_an_attachment_with_a_token_that_was_refused(bare: Surroundings, server: BitwardenServer) -> None:
    """A run that asks nothing else logs in once when the server refuses its token."""
    server.clear_faults()
    file = ItemSpec("prod-db", Login("u", "p4ss"), attachments=(AttachmentSpec("a.txt", b"of the file"),))
    cached = Cached(bare, server, server.add_account(replace(SPEC, items=(file,))))
    cached.use(cached.account)
    cached.ask()
    server.expire_tokens(cached.account)
    server.clear_requests()
    words = ("-e", "F=bw://prod-db/attachment/a.txt", "--", "sh", "-c", 'printf %s "$F"')

    done = bare.run("--cache", "--max-age", "9999", *words)

    assert done == Ended(0, "of the file", "")
    assert [name for name in cached.asked() if "/" not in name] == ["login"]


@pytest.mark.parametrize("words", [("--session-api-key",), ("--renew",)])
def test_other_sessions(cached: Cached, words: tuple[str, ...]) -> None:
    """Sessions with the API key, and those whose token is renewed, are had from the cache too."""
    cached.ask()

    assert cached.ask(*words) == WARM


def test_show_is_what_a_plain_run_shows(cached: Cached) -> None:
    """A session from the cache holds what one without it holds, but for its keys and dates."""
    show = ("--", "sh", "-c", 'ls -A "$BITWARDENCLI_APPDATA_DIR"; stat -c %a "$BITWARDENCLI_APPDATA_DIR"; env | sort')
    plain = cached.surroundings.run(*show)
    cached.ask()
    warm = cached.surroundings.run("--cache", *show)

    def lines(done: Ended) -> list[str]:
        return [line.partition("=")[0] for line in done.stdout.splitlines()]

    assert lines(warm) == lines(plain)


@pytest.mark.parametrize("date", ["9" * 70, "\N{GRINNING FACE}" * 20, '"' * 63], ids=["long", "not ASCII", "escaped"])
def test_an_odd_date_is_no_date(cached: Cached, date: str) -> None:
    """A date that does not fit into the file is none: the vault is fetched again, and no later date is taken for it."""
    cached.server.set_fault(Fault("/revision-date", Status(200, json.dumps(f"{date}1"))))
    cached.ask()
    assert cached.read().state

    cached.server.clear_faults()
    cached.server.set_fault(Fault("/revision-date", Status(200, json.dumps(f"{date}2"))))
    assert "sync" in cached.ask()
    assert cached.read().state
