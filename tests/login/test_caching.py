"""With `--cache`: what a run asks the server (docs/cache.md), when a vault in the cache is used, and how long."""

from __future__ import annotations

import json
import select
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.conftest import CHEAP
from tests.login.test_login_failures import messages
from tests.login.test_modern_accounts import KINDS, VALUES, WITHOUT_PASSWORD
from tests.server.control import BitwardenServer
from tests.server.faults import Fault, Status
from tests.server.specs import AccountSpec, ItemSpec, Login
from tests.support.cache_file import NOTHING, CacheFile, names_in
from tests.support.cached import COLD, CONFIG, SHOW, WARM, Cached
from tests.support.program import BWRUN, Ended, Surroundings
from tests.support.terminal import wait_until

NEW = ItemSpec("new", Login("n", "n3w"))
SHOW_NEW = ("-e", "NEW=bw://new/password", "--", "sh", "-c", 'printf %s "$NEW"')


def test_what_a_run_asks(cached: Cached) -> None:
    """The table: nothing in the cache, a current vault, one that has changed, a token that is refused."""
    assert cached.ask() == COLD
    order = [request.path.rpartition("/")[2] for request in cached.server.requests()]
    assert order.index("revision-date") < order.index("sync")
    wait_until(lambda: CONFIG in [request.path for request in cached.server.requests()])
    assert cached.ask() == WARM
    assert [request.path for request in cached.server.requests()] == ["/api/accounts/revision-date"]
    assert cached.ask("--no-session") == WARM

    cached.server.add_items(cached.account, NEW)
    cached.server.clear_requests()
    done = cached.surroundings.run("--cache", *SHOW_NEW)

    assert (done, cached.asked()) == (Ended(0, "n3w", ""), ["date", "sync"])
    assert cached.ask() == WARM

    cached.server.expire_tokens(cached.account)

    assert cached.ask() == ["date", "date 401", "login"]
    assert cached.ask() == WARM
    assert cached.ask(cache="") == ["login", "sync"]  # without --cache all is as ever


def test_what_is_said(cached: Cached) -> None:
    """With -v each run says what it had; `--check` says it too, and writes nothing."""
    first, second = cached.run("-v"), cached.run("-v")
    before = cached.path.read_bytes()
    check = cached.surroundings.run("--cache", "--check")

    assert "kept the vault in the cache" in first.stderr
    assert "using the vault in the cache: cached " in second.stderr
    assert " s ago, current" in second.stderr
    assert "logged in" not in second.stderr
    assert f"the account is that of {cached.account.email}\n" in second.stderr
    assert "\nvault        cached " in check.stdout
    assert cached.path.read_bytes() == before

    cached.change(lambda file: file.moved(200, "written", "checked"))

    aged = cached.run("-v", "--max-age", "300")
    assert "cached 3 min ago, checked 3 min ago" in aged.stderr
    assert "cached 3 min ago, current" in cached.run("-v").stderr


@pytest.mark.parametrize("stale", [False, True])
def test_a_check_writes_nothing(cached: Cached, *, stale: bool) -> None:
    """`--check` neither makes a cache, nor changes one that is not current, nor takes the lock."""
    if stale:
        cached.ask()
        cached.server.add_items(cached.account, NEW)
    before = cached.path.read_bytes() if stale else None

    done = cached.surroundings.run("--cache", "--check")

    assert done.status == 0
    assert "\nvault        fetched\n" in done.stdout
    assert names_in(cached.surroundings) == ([".cache", ".lock"] if stale else [])
    assert (cached.path.read_bytes() if stale else None) == before


@pytest.mark.parametrize(("lifetime", "needed"), [(3600, 900), (880, 440)])
def test_a_token_that_ends_soon(cached: Cached, lifetime: int, needed: int) -> None:
    """A session gets a token for 15 minutes more, or for half of its time; a run without one needs it for itself."""
    cached.server.change_spec(cached.account, token_lifetime=lifetime)
    assert cached.ask() == COLD
    cached.change(lambda file: file.moved(lifetime - needed - 60, "issued"))

    assert cached.ask() == WARM

    cached.change(lambda file: file.moved(90, "issued"))

    assert cached.ask("--no-session") == WARM
    assert cached.ask() == ["date", "login"]
    cached.change(lambda file: file.moved(lifetime - 30, "issued"))
    assert cached.ask("--no-session") == ["date", "login"]


def test_how_long_it_lasts(cached: Cached) -> None:
    """A vault that is older than the run allows is not used, whatever the run before allowed."""
    cached.ask()
    cached.change(lambda file: file.moved(3500, "written"))

    assert cached.ask() == WARM
    assert cached.ask(cache="--cache=59m") == WARM

    assert cached.ask(cache="--cache=58m") == COLD
    assert cached.ask(cache="--cache=58m") == WARM
    cached.change(lambda file: file.moved(3700, "written"))
    assert cached.ask(cache="--cache=2h") == WARM
    assert cached.ask(cache="", env={"BWRUN_CACHE": "1d"}) == WARM
    assert cached.ask() == COLD


def test_max_age(cached: Cached) -> None:
    """Within it nothing is asked, counted from the last question, also if that found the vault current."""
    assert cached.ask("--max-age", "60") == COLD
    assert cached.ask("--max-age", "60") == []
    cached.server.add_items(cached.account, NEW)
    assert cached.ask("--max-age", "60") == []
    assert cached.ask("--max-age", "0") == ["date", "sync"]

    cached.change(lambda file: file.moved(100))

    assert cached.ask(env={"BWRUN_MAX_AGE": "110"}) == []
    assert cached.ask("--max-age", "60") == WARM
    assert cached.ask("--max-age", "60s") == []

    cached.change(lambda file: file.moved(4000, "issued"))

    assert cached.ask("--max-age", "60") == []  # a token that has ended is not asked for


def ahead(*clocks: int) -> Callable[[CacheFile], CacheFile]:
    """Return what moves some clocks of all moments a minute ahead: 0 the time of day, 1 the time since the start."""

    def move(file: CacheFile) -> CacheFile:
        state = file.state
        for name in ("issued", "written"):
            for clock in clocks:
                state[name][clock] += 60
        return file.with_state(**state)

    return move


def old_boot(file: CacheFile) -> CacheFile:
    """Return the file as one of an earlier start of the machine, which had been on for long."""
    state = file.state
    for name in ("issued", "written"):
        state[name][1:] = [state[name][1] + 1e6, "01234567-89ab-4cde-8f01-23456789abcd"]
    revision, wall, running, _ = json.loads(file.stamp)
    return replace(file.with_state(**state), stamp=json.dumps([revision, wall, running + 1e6, "01234567"]).encode())


@pytest.mark.parametrize("clocks", [(0,), (1,), (0, 1)], ids=["time of day", "time since the start", "both"])
def test_a_file_from_the_future(cached: Cached, clocks: tuple[int, ...]) -> None:
    """A clock was set back: the file is not trusted, not even offline, and it is replaced."""
    cached.ask()
    cached.change(ahead(*clocks))

    assert cached.run("--offline=always").codes == ["config.nothing-cached"]
    assert cached.ask("--max-age", "9999") == COLD
    assert cached.ask("--max-age", "9999") == []


def test_a_stamp_from_the_future(cached: Cached) -> None:
    """Then nobody knows when the server was asked, so it is asked."""
    cached.ask()
    cached.change(lambda file: file.moved(-60, "checked"))

    assert cached.ask("--max-age", "9999") == WARM


def test_a_file_of_an_earlier_start(cached: Cached) -> None:
    """The time since the start says nothing then; the time of day does."""
    cached.ask()
    cached.change(old_boot)

    assert cached.ask("--max-age", "60") == []
    assert cached.ask() == WARM


@pytest.mark.parametrize("answer", [Status(404, ""), Status(200, "true")])
def test_a_server_that_does_not_say_when(cached: Cached, answer: Status) -> None:
    """Then each run fetches the vault; it is never taken for current."""
    cached.server.set_fault(Fault("/revision-date", answer))
    for _ in range(2):
        assert "sync" in cached.ask()


def test_a_refused_date_is_not_asked_for_ever(cached: Cached) -> None:
    """A server that refuses each token ends the run with the usual error, after one more login."""
    cached.ask()
    cached.server.clear_requests()
    cached.server.set_fault(Fault("/api/accounts/revision-date", Status(401, "{}")))
    cached.server.set_fault(Fault("/api/sync", Status(401, "{}")))

    done = cached.run()

    assert (done.status, done.codes) == (125, ["auth.token-refused"])
    assert cached.asked().count("login") <= 2
    assert not cached.path.exists()


SELDOM = ("V2", "V2 without item keys", "Key Connector")


@pytest.mark.parametrize("kind", [pytest.param(one, marks=pytest.mark.slow if one in SELDOM else ()) for one in KINDS])
def test_every_kind_of_account(bare: Surroundings, server: BitwardenServer, kind: str) -> None:
    """Each kind of value of each kind of account is the same from the cache; nothing but the date is asked."""
    server.clear_faults()
    cached = Cached(bare, server, server.add_account(KINDS[kind]))
    cached.use(cached.account)
    connected = "Connector" in kind
    values = {name: value for name, value in VALUES.items() if "/attachment/" not in name}
    words = [word for number, text in enumerate(values) for word in ("-e", f"V{number}=bw://{text}")]
    script = "".join(f'printf "%s|" "$V{number}"; ' for number in range(len(values)))
    connector = ("--key-connector-url", f"{server.url}/key-connector") if connected else ()
    asked = []
    for _ in range(2):
        server.clear_requests()
        done = bare.run(
            "--cache", *connector, *words, "--", "sh", "-c", script, env=WITHOUT_PASSWORD if connected else None
        )
        asked.append(cached.asked())

        assert done == Ended(0, "".join(f"{value}|" for value in values.values()), "")
    assert asked[1] == WARM
    if connected:
        owner = replace(cached.owner, password=None)
        assert CacheFile.read(cached.path.read_bytes(), owner).kind == NOTHING


def test_other_modes(cached: Cached) -> None:
    """`--list`, `--item`, `--only` and an attachment use the cache, and show what they show without it."""
    words: list[tuple[str, ...]] = [
        ("--list",),
        ("--list", "prod-db"),
        ("--item", "prod-db", "--", "sh", "-c", "env | grep -i -c p4ss"),
        ("--only", "bw://prod-db", "--", "sh", "-c", 'grep -c prod "$BITWARDENCLI_APPDATA_DIR/data.json"; true'),
    ]
    plain = [cached.surroundings.run(*one) for one in words]
    cached.ask()
    cached.server.clear_requests()

    assert [cached.surroundings.run("--cache", *one) for one in words] == plain
    assert cached.asked() == WARM * len(words)


def test_a_limited_session_has_no_token(cached: Cached) -> None:
    """With --only, a session from the cache has neither a token, nor any other item's data."""
    cached.server.add_items(cached.account, NEW)
    show = ("--only", "bw://new", "--", "sh", "-c", 'cat "$BITWARDENCLI_APPDATA_DIR/data.json"')
    cached.ask()

    data = json.loads(cached.surroundings.run("--cache", *show).stdout)
    token = str(cached.read().state["reply"]["access_token"])

    assert token not in json.dumps(data)
    ciphers = next(value for name, value in data.items() if name.endswith("ciphers_ciphers"))
    assert len(ciphers) == 1


def test_inside_a_run(cached: Cached) -> None:
    """A run inside a run uses the outer session: it neither asks nor reads a cache, and makes none."""
    inner = (str(BWRUN), "--cache", *SHOW)
    cached.server.clear_requests()

    done = cached.surroundings.run("--", *inner)

    assert (done, cached.asked()) == (Ended(0, "p4ss", ""), ["login", "sync"])
    assert names_in(cached.surroundings) == []
    assert cached.surroundings.run("--cache", "--", *inner) == Ended(0, "p4ss", "")
    assert cached.ask() == WARM


def test_nothing_is_asked_and_nothing_connected(bare: Surroundings) -> None:
    """With --max-age and with --offline=always there is not even a connection."""
    items = (ItemSpec("prod-db", Login(username="deploy", password="p4ss")),)
    with BitwardenServer.start() as server:
        cached = Cached(bare, server, server.add_account(AccountSpec("a@example.com", "pass", CHEAP, items=items)))
        cached.use(cached.account)
        ca_file = Path(bare.home, "ca.pem")
        ca_file.write_bytes(server.ca_file.read_bytes())
        bare.environment["SSL_CERT_FILE"] = str(ca_file)
        cached.ask()
        port = urlsplit(server.url).port
    with socket.create_server(("127.0.0.1", port or 0), reuse_port=True) as listener:
        for words in (("--max-age", "9999"), ("--offline=always",)):
            assert cached.run(*words) == Ended(0, "p4ss", "")
        assert select.select([listener], [], [], 0)[0] == []
    gone = cached.run("--offline=auto")
    assert (gone.status, gone.stdout, len(messages(gone))) == (0, "p4ss", 1)
    assert messages(gone)[0].startswith("warning: using the vault that was cached ")
    assert cached.run().codes == ["network.unreachable"]
