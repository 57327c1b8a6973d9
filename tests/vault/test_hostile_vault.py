"""A vault that is broken or made to break things: a value, or an error that says what is wrong; no crash, no start."""

from __future__ import annotations

import base64
import copy
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.conftest import CHEAP
from tests.server import crypto
from tests.server.accounts import make_account
from tests.server.control import BitwardenServer
from tests.server.faults import Fault, Status
from tests.server.json_types import Json, JsonValue
from tests.server.replies import sync_reply, token_reply
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
    Uri,
)
from tests.server.state import StoredAccount, make_id
from tests.supervisor.clearing import Run
from tests.support.program import Ended, Surroundings

KNOWN = ("reference.", "crypto.", "server.", "network.", "auth.")  # families that can be about a vault
RICH = ItemSpec(
    "rich",
    Login("ada", "p4ss", "JBSWY3DPEHPK3PXP", (Uri("https://a"),)),
    notes="n",
    fields=(FieldSpec("A", "a"), FieldSpec("B", None, 3, 100)),
    folder="Prod",
    attachments=(AttachmentSpec("f.txt", b"of the file"),),
    password_history=(PasswordHistorySpec("old"),),
    own_key=True,
)
SPEC = AccountSpec(
    "hostile@example.com",
    "correct horse",
    kdf=CHEAP,
    organizations=(OrganizationSpec("Acme", collections=("Ops",)),),
    items=(
        ItemSpec("healthy", Login("ada", "h34lthy"), fields=(FieldSpec("A", "a"),)),
        RICH,
        ItemSpec("shared", Card(number="4111"), organization="Acme", collections=("Ops",)),
        ItemSpec("note", SecureNote(), notes="n"),
    ),
)
WRONG: list[JsonValue] = [
    None, True, -1, 1.5, 10**30, "", "x", "\ud800", "\0", "2.", "2.!!|!!|!!", "2.AA==|AA==|AA==", "0.AAAA|AAAA", "99.x",
    "2.AAAAAAAAAAAAAAAAAAAAAA==|AAAAAAAAAAAAAAAAAAAAAA==|AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", [], {},
    [None], [[[]]], [{}], {"a": {"b": []}}, '{"format_version":1}', "7.AAAA",
]  # fmt: skip


@dataclass
class Hostile:
    """An account that logs in, and whose vault is whatever a test says."""

    server: BitwardenServer
    surroundings: Surroundings
    stored: StoredAccount
    sync: Json

    def serve(self, path: str, body: JsonValue | str) -> None:
        """Answer requests that end in `path` with a body, text as it is."""
        self.server.set_fault(Fault(path, Status(200, body if isinstance(body, str) else json.dumps(body))))

    def item(self, name: str) -> Json:
        """Return an item of the sync."""
        found: Json = next(one for one in self.sync["ciphers"] if one["id"] == self.stored.item_ids[name])
        return found

    def run(self, *words: str) -> Ended:
        """Give the vault out, and run."""
        self.serve("/api/sync", self.sync)
        return self.surroundings.run(*words)


@pytest.fixture
def hostile(bare: Surroundings, server: BitwardenServer) -> Iterator[Hostile]:
    """Make an account of which the test holds the keys, and the server nothing."""
    stored = make_account(SPEC)
    bare.use(server)
    bare.environment |= {
        "BW_CLIENTID": stored.client_id,
        "BW_CLIENTSECRET": stored.client_secret,
        "BW_PASSWORD": SPEC.master_password,
    }
    server.clear_faults()
    sync = json.loads(json.dumps(sync_reply(stored, server.url, (2026, 9, 0))))
    made = Hostile(server, bare, stored, sync)
    made.serve("/connect/token", token_of(made))
    yield made

    server.clear_faults()


def places(value: JsonValue, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the path of every part of a JSON value."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in entries:
        yield (*path, name)
        yield from places(inner, (*path, name))


def put(value: JsonValue, path: tuple[str | int, ...], wrong: JsonValue) -> None:
    """Put something wrong in a place."""
    for name in path[:-1]:
        value = value[name]
    value[path[-1]] = wrong


def assert_clear(done: Ended, *expected: str) -> None:
    """Either the values that were asked for, or errors of known kinds, all about the vault."""
    if done.status == 0:
        assert (done.stdout, done.stderr) in [(text, "") for text in expected]
        return
    assert done.status == 125
    assert done.stdout == ""
    assert done.codes
    assert all(code.startswith(KNOWN) for code in done.codes), done.stderr
    assert "Traceback" not in done.stderr


ASKED = ("", "/username", "/json", "/uri", "/notes", "/A", "/B", "/totp", "/attachment/f.txt", "/name")
HEALTHY = ("sh", "-c", 'echo "$H"')


@pytest.mark.parametrize("name", ["rich", "shared"])
def test_every_part_of_an_item(hostile: Hostile, name: str) -> None:
    """Whatever stands in the place of any part of an item, a healthy one is had, with and without a session."""
    whole = hostile.item(name)
    for path in places(whole):
        for wrong in WRONG:
            broken = copy.deepcopy(whole) | ({"id": make_id()} if path != ("id",) else {})
            put(broken, path, wrong)
            hostile.sync["ciphers"].append(broken)
    assert len(hostile.sync["ciphers"]) > 500

    for words in ([], ["--no-session"]):
        done = hostile.run(*words, "-e", "H=bw://healthy", "--", *HEALTHY)
        assert (done.status, done.stdout, done.stderr) == (0, "h34lthy\n", "")
    done = hostile.run("--list", "healthy")
    assert (done.status, done.stdout.count("\n"), done.stderr) == (0, 2, "")
    assert hostile.run("--list", "--json").status == 0


@pytest.mark.parametrize("field", ASKED)
def test_every_part_of_what_is_asked_for(thorough: None, hostile: Hostile, field: str) -> None:
    """Whatever stands in the place of any part of the items asked for, all that is wrong is told, each by its name."""
    whole = hostile.item("rich")
    words: list[str] = []
    for path in places(whole):
        for wrong in WRONG if path != ("id",) else []:
            broken = copy.deepcopy(whole) | {"id": make_id()}
            put(broken, path, wrong)
            hostile.sync["ciphers"].append(broken)
            words += ["-e", f"V{len(words) // 2}=bw://{broken['id']}{field}"]
    done = hostile.run("--no-session", *words, "--", "touch", "x")

    assert done.status in (0, 125)
    assert_clear(done, "")
    assert (done.status == 0) == (hostile.surroundings.work / "x").exists()
    assert all(line.startswith(("bwrun: error: V", "bwrun: hint: ")) for line in done.stderr.splitlines())


@pytest.mark.parametrize("place", ["ciphers", "folders", "collections", "profile", "profile.organizations", "ciphers.0",
                                   "profile.organizations.0", "folders.0", "collections.0", "profile.privateKey",
                                   "profile.id", "ciphers.0.id", "ciphers.2.organizationId", "folders.0.name",
                                   "profile.organizations.0.key", "ciphers.0.collectionIds"])  # fmt: skip
def test_every_part_of_a_sync(thorough: None, hostile: Hostile, place: str) -> None:
    """Whatever stands in the place of a part of the sync: a value, or an error of the server's or about the item."""
    path = tuple(int(name) if name.isdigit() else name for name in place.split("."))
    whole = copy.deepcopy(hostile.sync)
    values: list[JsonValue] = [None, -1, "\ud800", [None, 5, [], {"id": 5}], {"id": []}]
    for wrong in values:
        hostile.server.clear_faults()
        hostile.sync = copy.deepcopy(whole)
        put(hostile.sync, path, wrong)
        words = ["-e", "H=bw://healthy", "-e", "S=bw://shared/card.number", "--optional", "S"]
        hostile.serve("/connect/token", token_of(hostile))
        done = hostile.run(*words, "--", "sh", "-c", 'echo "$H ${S-unset}"')
        assert_clear(done, "h34lthy 4111\n", "h34lthy unset\n")


def token_of(hostile: Hostile) -> Json:
    """Return a token reply."""
    claims = {"sub": hostile.stored.user_id, "email": SPEC.email, "exp": int(time.time()) + 3600}
    middle = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return token_reply(hostile.stored, f"e30.{middle}.x", 3600)


@pytest.mark.parametrize("wrong", [None, 10**30, "\ud800", "2.AA==|AA==|AA==", [None], {"a": {"b": []}}], ids=ascii)
def test_an_item_alone(thorough: None, hostile: Hostile, wrong: JsonValue) -> None:
    """Whatever stands in an item that is fetched alone, or in the place of the item: a value or an error."""
    whole = hostile.item("rich")
    for place in ("id", "type", "organizationId", "login", "key", "deletedDate", None):
        broken = copy.deepcopy(whole)
        if place is not None:
            broken[place] = wrong
        hostile.server.clear_faults()
        hostile.serve("/connect/token", token_of(hostile))
        hostile.serve("/accounts/profile", hostile.sync["profile"])
        hostile.serve("/details", json.dumps(wrong) if place is None else broken)
        words = ["--no-session", "-e", f"V=bw://{whole['id']}", "--", "sh", "-c", 'echo "$V"']
        assert_clear(hostile.surroundings.run(*words), "p4ss\n", "\n")


@pytest.mark.parametrize("depth", [450, 900, 100_000])
@pytest.mark.parametrize("place", ["notes", "unknown", "data"])
def test_deep_nesting(hostile: Hostile, depth: int, place: str) -> None:
    """JSON nested to any depth, wherever it is, is passed over or refused by name."""
    hostile.item("rich")[place] = "DEEP"
    text = json.dumps(hostile.sync).replace('"DEEP"', "[" * depth + "]" * depth)
    hostile.serve("/api/sync", text)
    for words in (["-e", "H=bw://healthy"], ["--no-session", "-e", "H=bw://healthy"], ["-e", "H=bw://rich/json"]):
        done = hostile.surroundings.run(*words, "--", "sh", "-c", 'echo "${H%%{*}"')
        assert_clear(done, "h34lthy\n", "\n")
    assert hostile.surroundings.run("--list").status in (0, 125)


@pytest.mark.parametrize("place", ["notes", "name"])
def test_a_hundred_megabytes(thorough: None, hostile: Hostile, place: str) -> None:
    """A text of 100 MB in an item costs memory a few times its size, and nothing but that item."""
    hostile.item("rich")[place] = "2.AAAAAAAAAAAAAAAAAAAAAA==|" + "A" * (100 << 20) + "|" + "A" * 43 + "="
    hostile.serve("/api/sync", hostile.sync)
    little = ["sh", "-c", 'ulimit -v 1500000; exec "$@"', "sh"]  # KiB
    with Run.start(hostile.surroundings, "-e", "H=bw://healthy", "--", *HEALTHY, before=little) as run:
        done = run.wait()
    assert (done.status, done.stdout, done.stderr) == (0, "h34lthy\n", "")

    words = ["-e", "H=bw://healthy", "-e", f"V=bw://{hostile.stored.item_ids['rich']}/{place}", "--no-session"]
    with Run.start(hostile.surroundings, *words, "--", "true", before=little) as run:
        done = run.wait()
    assert (done.status, done.codes) == (125, ["crypto.malformed"])
    assert len(done.stderr) < 1000


def test_a_value_of_megabytes(hostile: Hostile) -> None:
    """A value that no variable can hold is named as a variable's, and is a file like any other."""
    text = "x" * (4 << 20)
    hostile.item("note")["notes"] = crypto.encrypt_text(text, hostile.stored.user_key)
    done = hostile.run("--no-session", "-e", "V=bw://note", "--", "true")
    assert (done.status, done.codes) == (125, ["reference.too-large"])
    assert f"the value has {len(text)} bytes" in done.stderr

    done = hostile.run("--no-session", "-e", "V=@bw://note", "--", "sh", "-c", 'wc -c <"$V"')
    assert (done.status, int(done.stdout), done.stderr) == (0, len(text), "")


@pytest.mark.parametrize("size", [-1, "-5", 1e30, 10**30, "x", None, [], {}, True, "9" * 5000])
def test_the_size_of_a_file(hostile: Hostile, size: JsonValue) -> None:
    """What the server says of a file's size is not believed, and not needed."""
    hostile.item("rich")["attachments"][0]["size"] = size
    done = hostile.run("--no-session", "-e", "H=bw://rich/json", "--", "sh", "-c", 'echo "${H%%{*}"')

    assert_clear(done, "\n")
    assert done.status == 0


@pytest.mark.parametrize(
    "url",
    ["", "x", "http://[::1", "http://\0/", "http://\ud800/", "https://\ud800/", "https://x\n", "ftp://x", "file:///etc/passwd",
     "http://localhost:notaport/", "https://localhost:1/", "https://localhost:99999999/", "//x", None, 5, [], {}],
    ids=ascii,
)  # fmt: skip
def test_the_address_of_a_file(thorough: None, hostile: Hostile, url: JsonValue) -> None:
    """An address that is none, or not one to send a request to, is an error about the file, whatever stands there."""
    identity = hostile.item("rich")["attachments"][0]["id"]
    hostile.serve(f"/attachment/{identity}", {"url": url})
    done = hostile.run("--timeout", "20", "--no-session", "-e", "H=bw://rich/attachment/f.txt", "--", "true")

    assert done.status == 125
    assert_clear(done)


@pytest.mark.parametrize("body", [b"", b"\2", b"\2" + b"x" * 48, b"\2" + b"x" * 64, b"\0" * 100, b"\2" + b"x" * 65])
def test_the_body_of_a_file(hostile: Hostile, body: bytes) -> None:
    """A file that is cut off or changed is an error about that file, and no file is made of it."""
    identity = hostile.item("rich")["attachments"][0]["id"]
    hostile.serve(f"/attachment/{identity}", {"url": f"{hostile.server.url}/elsewhere"})
    hostile.serve("/elsewhere", body.decode("latin-1"))
    done = hostile.run("-e", "H=@bw://rich/attachment/f.txt", "--", "touch", "x")

    assert done.status == 125
    assert done.codes[0].startswith("crypto.")
    assert "`f.txt`" in done.stderr
    assert not (hostile.surroundings.work / "x").exists()


@pytest.mark.parametrize(
    "identity",
    ["../../../sync", "..", "a?b=c", "a#b", "%2e%2e", "a\nb", "\ud800", "é", "x" * 9000],
    ids=lambda text: ascii(text[:12]),
)
def test_the_id_of_a_file(thorough: None, hostile: Hostile, identity: str) -> None:
    """An attachment's id is one part of a path: it cannot make bwrun ask for anything but an attachment."""
    item = hostile.item("rich")
    item["attachments"][0]["id"] = identity
    hostile.server.clear_requests()
    done = hostile.run("--no-session", "-e", "H=bw://rich/attachment/f.txt", "--", "true")

    assert done.status == 125
    assert_clear(done)
    asked = [request.path for request in hostile.server.requests()]
    assert asked.count("/api/sync") == 1
    assert not any(request.query for request in hostile.server.requests() if "attachment" in request.path)


def test_thousands(thorough: None, hostile: Hostile) -> None:
    """Thousands of custom fields, and thousands of items of one name, are read like few; a hint stays short."""
    rich, note = hostile.item("rich"), hostile.item("note")
    rich["fields"] = [*rich["fields"][:1], *[rich["fields"][1] | {"name": None} for _ in range(5000)]]
    hostile.sync["ciphers"] += [note | {"id": make_id()} for _ in range(3000)]
    done = hostile.run("--no-session", "-e", "A=bw://rich/A", "--", "sh", "-c", 'echo "$A"')
    assert (done.status, done.stdout, done.stderr) == (0, "a\n", "")

    done = hostile.run("--no-session", "-e", "A=bw://rich/B", "-e", "B=bw://note", "--", "true")
    assert done.codes == ["reference.no-field", "reference.ambiguous"]
    assert len(done.stderr) < 3000


def test_two_items_of_one_id(hostile: Hostile) -> None:
    """Of two items with the same id one is taken, and the other does no harm."""
    healthy = hostile.item("healthy")
    for broken in ({**healthy, "login": 5}, {**healthy, "id": healthy["id"].upper()}):
        hostile.sync["ciphers"].append(broken)
        assert_clear(hostile.run("-e", f"H=bw://{healthy['id']}", "--", *HEALTHY), "h34lthy\n")
