"""`--renew`: the access token is a fresh one for as long as the command runs, and nothing else changes by that."""

from __future__ import annotations

import base64
import json
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.official import Bw, Runner, paths
from tests.server.control import Account, BitwardenServer
from tests.server.faults import Fault, Hang, Status
from tests.server.json_types import Json
from tests.server.specs import AccountSpec, ItemSpec, Login, Pbkdf2
from tests.supervisor.clearing import (
    CANARY,
    GONE,
    JANITOR,
    PYTHON,
    RECORDS,
    SLEEP,
    Run,
    is_alive,
    session_of,
    wait_cleared,
    wait_dead,
)
from tests.support.program import Surroundings
from tests.support.proxies import connect_proxy
from tests.support.terminal import wait_until

TOKEN = "/connect/token"
SHORT = 4  # seconds: a token that lives so long is renewed after three, and still good at the sync of a slow login
RETRY = 60  # seconds after which a renewal that failed is tried again
SPEC = AccountSpec("renew@example.com", "correct horse", Pbkdf2(5_000), items=(ItemSpec("db", Login("u", "p4ss")),))


@dataclass(frozen=True)
class Renewing:
    """Surroundings for accounts of one's own."""

    surroundings: Surroundings
    server: BitwardenServer

    def account(self, *, lifetime: int, style: str = "official") -> Account:
        """Make an account whose tokens live so many seconds, and use it from now on."""
        made = self.server.add_account(SPEC)
        self.server.change_spec(made, token_lifetime=lifetime, reply_style=style)
        self.surroundings.use(self.server, made)
        return made

    def logins(self) -> int:
        """Return how many logins the server has seen."""
        return sum(request.path.endswith(TOKEN) for request in self.server.requests())


@pytest.fixture
def renewing(bare: Surroundings, server: BitwardenServer) -> Iterator[Renewing]:
    """Give surroundings in which the server has nothing wrong with it, and forget its requests."""
    server.clear_faults()
    server.clear_requests()
    yield Renewing(bare, server)

    server.clear_faults()


def token_in(directory: Path) -> str:
    """Return the access token in a session; it is replaced at once, so each read sees a whole file."""
    state = json.loads((directory / "data.json").read_bytes())
    return str(next(value for name, value in state.items() if name.endswith("_token_accessToken")))


def end_of(token: str) -> int:
    """Return when a token ends, in seconds since the epoch."""
    payload = token.split(".")[1]
    return int(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["exp"])


def helpers(run: Run) -> list[psutil.Process]:
    """Return bwrun's children but command, janitor and canary."""
    known = {run.first(), run.named(JANITOR), run.named(CANARY)}
    return [child for child in psutil.Process(run.pid).children() if child not in known and is_alive(child)]


def finish(run: Run, number: int = signal.SIGTERM) -> None:
    """End the run by a signal to its command."""
    run.kill(number)
    run.wait()


@pytest.mark.parametrize("style", [pytest.param("official", marks=pytest.mark.slow), "vaultwarden"])
def test_renewed_before_its_end(renewing: Renewing, style: str) -> None:
    """The token is another one before the first has ended, and again, silently; nobody else sees a difference."""
    renewing.account(lifetime=12, style=style)
    with Run.start(renewing.surroundings, "--renew", "--", *RECORDS) as run:
        run.wait_ready()
        directory = session_of(renewing.surroundings)
        tokens = [token_in(directory)]
        for _ in range(2):
            wait_until(lambda: token_in(directory) != tokens[-1], GONE)
            tokens.append(token_in(directory))
        finish(run)
        shown = (run.process.returncode, run.stdout, run.stderr)
    asked = [request.time for request in renewing.server.requests() if request.path.endswith(TOKEN)]
    ends = [end_of(token) for token in tokens]

    assert all(moment < end for moment, end in zip(asked[1:], ends, strict=False))
    assert ends == sorted(set(ends))
    assert shown == (7, "ready\n15\n", "")


def test_not_without_the_option(renewing: Renewing) -> None:
    """Without --renew nobody logs in a second time, and the token stays."""
    renewing.account(lifetime=SHORT)
    with Run.start(renewing.surroundings, "--", *SLEEP) as run:
        run.wait_ready()
        token = token_in(session_of(renewing.surroundings))
        wait_until(lambda: time.time() > end_of(token) + 2, GONE)

        assert token_in(session_of(renewing.surroundings)) == token
        assert renewing.logins() == 1
        finish(run)


def test_by_a_variable(renewing: Renewing) -> None:
    """BWRUN_RENEW=1 is --renew."""
    renewing.account(lifetime=SHORT)
    with Run.start(renewing.surroundings, "--", *SLEEP, env={"BWRUN_RENEW": "1"}) as run:
        run.wait_ready()
        directory = session_of(renewing.surroundings)
        token = token_in(directory)
        wait_until(lambda: token_in(directory) != token, GONE)
        finish(run)


def test_through_a_proxy(renewing: Renewing) -> None:
    """The renewal goes the way that the login went: through the proxy of the caller's environment."""
    renewing.account(lifetime=SHORT)
    with connect_proxy() as proxy:
        env = {"HTTPS_PROXY": f"http://{proxy.host}", "NO_PROXY": "10.0.0.0/8,::1"}
        with Run.start(renewing.surroundings, "--renew", "--", *SLEEP, env=env) as run:
            run.wait_ready()
            directory = session_of(renewing.surroundings)
            token, before = token_in(directory), len(proxy.asked)
            wait_until(lambda: token_in(directory) != token, GONE)
            finish(run)

        assert len(proxy.asked) > before > 0


def test_same_device(renewing: Renewing) -> None:
    """A renewal is the same login once more: same client, same device, and no request but that one."""
    renewing.account(lifetime=SHORT)
    with Run.start(renewing.surroundings, "--renew", "--", *SLEEP) as run:
        run.wait_ready()
        wait_until(lambda: renewing.logins() >= 2, GONE)
        finish(run)
    logins = [request for request in renewing.server.requests() if request.path.endswith(TOKEN)]
    others = [request.path for request in renewing.server.requests() if not request.path.endswith(TOKEN)]

    assert len({tuple(sorted(login.form.items())) for login in logins}) == 1
    assert len({(login.headers["user-agent"], login.headers["bitwarden-client-version"]) for login in logins}) == 1
    assert sorted(others) == ["/api/config", "/api/sync"]


def test_device_of_the_last_login(renewing: Renewing) -> None:
    """A run that had to log in as a device of its own renews its token as that device."""
    renewing.account(lifetime=SHORT)
    renewing.server.set_fault(Fault("/api/sync", Status(401, "{}"), count=1))
    with Run.start(renewing.surroundings, "--renew", "--", *SLEEP) as run:
        run.wait_ready()
        wait_until(lambda: renewing.logins() >= 3, GONE)
        finish(run)
    logins = [request for request in renewing.server.requests() if request.path.endswith(TOKEN)]
    first, second, *others = [login.form["deviceIdentifier"] for login in logins]

    assert first != second
    assert set(others) == {second}


# Takes the CLI's lock for each of its writes, as the CLI does; prints what it wrote, what was left, and the tokens.
WRITER = """\
import json, os, sys, time
path = os.environ["BITWARDENCLI_APPDATA_DIR"] + "/data.json"
most, in_place = float(sys.argv[1]), sys.argv[2] == "in place"
written, tokens = 0, []
end = time.monotonic() + most
while (len(tokens) < 4 or written <= 100) and time.monotonic() < end:
    try:
        os.mkdir(path + ".lock")
    except FileExistsError:
        time.sleep(0.001)
        continue
    with open(path) as file:
        state = json.load(file)
    assert state.get("counter", 0) == written, (state.get("counter"), written)
    token = next(value for name, value in state.items() if name.endswith("_token_accessToken"))
    if token not in tokens:
        tokens.append(token)
    written += 1
    state["counter"] = written
    state[f"key-{written % 50}"] = written
    state["text"] = "\\U0001f600 \\u00e9 \\ud800"
    if in_place:
        with open(path, "w") as file:
            json.dump(state, file)
    else:
        with open(path + ".mine", "w") as file:
            json.dump(state, file)
        os.replace(path + ".mine", path)
    os.rmdir(path + ".lock")
    time.sleep(0.002)
with open(path) as file:
    state = json.load(file)
kept = all(state[f"key-{n % 50}"] == n for n in range(max(1, written - 49), written + 1))
kept = kept and state["text"] == "\\U0001f600 \\u00e9 \\ud800"
json.dump({"written": written, "counter": state["counter"], "kept": kept, "tokens": len(tokens)}, sys.stdout)
"""


@pytest.mark.slow
@pytest.mark.parametrize("how", ["in place", "replaced"])
def test_loses_no_update(renewing: Renewing, how: str) -> None:
    """What the command wrote into data.json under the CLI's lock stays, however many renewals happen meanwhile."""
    renewing.account(lifetime=SHORT)
    done = renewing.surroundings.run("--renew", "--", *PYTHON, WRITER, str(GONE), how)
    found = json.loads(done.stdout)

    assert (done.status, done.stderr) == (0, "")
    assert found["written"] == found["counter"] > 100
    assert found["kept"]
    assert found["tokens"] >= 4


def test_only_the_token_changes(renewing: Renewing) -> None:
    """A renewal changes the token and not one other value of data.json, and leaves no other file and no lock."""
    renewing.account(lifetime=SHORT)
    with Run.start(renewing.surroundings, "--renew", "--", *SLEEP) as run:
        run.wait_ready()
        directory = session_of(renewing.surroundings)
        files = sorted(path.name for path in directory.iterdir())
        before = json.loads((directory / "data.json").read_bytes())
        token = token_in(directory)
        wait_until(lambda: token_in(directory) != token and helpers(run) == [], GONE)
        after = json.loads((directory / "data.json").read_bytes())

        changed = [name for name in before if before[name] != after.get(name)]
        assert len(changed) == 1
        assert changed[0].endswith("_token_accessToken")
        assert list(before) == list(after)
        assert sorted(path.name for path in directory.iterdir()) == files
        assert (directory / "data.json").stat().st_mode & 0o777 == 0o600
        finish(run)


def test_waits_for_a_held_lock(renewing: Renewing) -> None:
    """While somebody holds the CLI's lock, and keeps it fresh, the file is left alone; then it is renewed."""
    renewing.account(lifetime=SHORT)
    with Run.start(renewing.surroundings, "--renew", "--", *SLEEP) as run:
        run.wait_ready()
        directory = session_of(renewing.surroundings)
        lock = directory / "data.json.lock"
        take(lock)
        token = token_in(directory)
        before = renewing.logins()
        wait_until(lambda: renewing.logins() > before and helpers(run) != [], GONE)
        held = (directory / "data.json").read_bytes()
        end = time.monotonic() + 4
        while time.monotonic() < end:
            lock.touch()
            assert (directory / "data.json").read_bytes() == held
            time.sleep(0.05)
        lock.rmdir()
        wait_until(lambda: token_in(directory) != token, GONE)
        finish(run)

        assert run.stderr == ""


def take(lock: Path) -> None:
    """Take the CLI's lock, as soon as it is free."""

    def taken() -> bool:
        try:
            lock.mkdir()
        except FileExistsError:
            return False
        return True

    wait_until(taken, GONE)


@pytest.mark.slow
def test_takes_over_a_stale_lock(renewing: Renewing) -> None:
    """A lock whose holder died does not keep the token from being renewed, and is gone afterwards."""
    renewing.account(lifetime=SHORT)
    with Run.start(renewing.surroundings, "--renew", "--", *SLEEP) as run:
        run.wait_ready()
        directory = session_of(renewing.surroundings)
        lock = directory / "data.json.lock"
        take(lock)
        token = token_in(directory)
        wait_until(lambda: token_in(directory) != token, GONE)  # after the ten seconds that make it stale
        wait_until(lambda: not lock.exists(), GONE)
        finish(run)

        assert run.stderr == ""


@pytest.mark.slow
def test_failures_are_told_once_and_tried_again(renewing: Renewing, tmp_path: Path) -> None:
    """A renewal that fails is told once, the command goes on, and a minute later the next try may succeed."""
    (tmp_path / "other").mkdir()
    other = Surroundings.make(tmp_path / "other")
    refused = renewing.account(lifetime=SHORT, style="vaultwarden")
    with Run.start(renewing.surroundings, "--renew", "--", *RECORDS) as run:
        run.wait_ready()
        first = renewing.account(lifetime=SHORT, style="vaultwarden")
        other.environment |= {name: renewing.surroundings.environment[name] for name in SETTINGS}
        with Run.start(other, "--renew", "--", *RECORDS) as lucky:
            lucky.wait_ready()
            for account in (refused, first):
                renewing.server.change_spec(account, disabled=True)
            warning = "bwrun: warning: cannot renew the session's access token: "
            for one in (run, lucky):
                wait_for_text(one, warning)
            renewing.server.change_spec(first, disabled=False)
            directory, before = session_of(other), token_in(session_of(other))
            tries = renewing.logins()
            wait_until(lambda: token_in(directory) != before, RETRY + GONE)
            wait_until(lambda: renewing.logins() >= tries + 2, RETRY + GONE)
            wait_until(lambda: helpers(run) == [], GONE)
            for one in (run, lucky):
                one.kill(signal.SIGTERM)

                done = one.wait()
                assert (done.status, done.stdout) == (7, "ready\n15\n")
                assert done.stderr.count("bwrun: ") == done.stderr.count(warning) == 1
                assert refused.client_secret not in done.stderr
    assert other.left() == []


def wait_for_text(run: Run, text: str) -> None:
    """Wait until bwrun has said it."""
    wait_until(lambda: text in run.stderr, GONE)


SETTINGS = ("BWRUN_SERVER", "SSL_CERT_FILE", "BW_CLIENTID", "BW_CLIENTSECRET", "BW_PASSWORD")


def test_key_stays_with_bwrun(renewing: Renewing) -> None:
    """The API key and the password are neither in a file of the session nor in the command's environment."""
    account = renewing.account(lifetime=SHORT)
    script = 'echo ready; while [ ! -e go ]; do cat "$BITWARDENCLI_APPDATA_DIR"/*; sleep 0.1; done 2>&1; env'
    with Run.start(renewing.surroundings, "--renew", "--", "sh", "-c", script) as run:
        run.wait_ready()
        directory = session_of(renewing.surroundings)
        token = token_in(directory)
        wait_until(lambda: token_in(directory) != token, GONE)
        (renewing.surroundings.work / "go").touch()
        done = run.wait()

    assert (done.status, done.stderr) == (0, "")
    assert renewing.logins() >= 2
    assert "_token_accessToken" in done.stdout
    assert account.client_secret not in done.stdout
    assert account.master_password not in done.stdout
    assert account.client_id not in done.stdout.partition("BW_SESSION=")[2]
    assert "apiKeyClient" not in done.stdout


def test_helper_ends_with_the_run(renewing: Renewing) -> None:
    """A helper at work does not hold up a run whose command ends, and is gone with it."""
    renewing.account(lifetime=SHORT)
    renewing.server.set_fault(Fault(TOKEN, Hang(), skip=1))
    with Run.start(renewing.surroundings, "--renew", "--", *RECORDS) as run:
        run.wait_ready()
        wait_until(lambda: renewing.logins() == 2, GONE)
        (helper,) = helpers(run)
        ended = time.monotonic()
        finish(run)

        assert time.monotonic() - ended < 50  # a login may take the 60 of the default timeout
        assert not helper.is_running()
        assert (run.process.returncode, run.stderr) == (7, "")


def test_helper_dies_with_bwrun(renewing: Renewing) -> None:
    """SIGKILL of bwrun: a helper at work dies, too, and the session is cleared."""
    renewing.account(lifetime=SHORT)
    renewing.server.set_fault(Fault(TOKEN, Hang(), skip=1))
    with Run.start(renewing.surroundings, "--renew", "--", *SLEEP) as run:
        run.wait_ready()
        wait_until(lambda: renewing.logins() == 2, GONE)
        (helper,) = helpers(run)
        members = run.members()
        run.kill()
        run.wait()
        wait_dead(helper, *members)
        wait_cleared(renewing.surroundings)


@pytest.mark.parametrize("delay", [0.0, 0.02, 0.05, 0.1, 0.2])
def test_starting_helper_dies_with_bwrun(renewing: Renewing, delay: float) -> None:
    """SIGKILL of bwrun at any moment of a helper's start: the helper does not stay, and logs in for nobody."""
    renewing.account(lifetime=SHORT)
    with Run.start(renewing.surroundings, "--renew", "--", *SLEEP) as run:
        run.wait_ready()
        renewing.server.set_fault(Fault(TOKEN, Hang()))
        due = end_of(token_in(session_of(renewing.surroundings))) - SHORT / 4
        wait_until(lambda: time.time() > due - 0.5)
        while not (found := helpers(run)):
            pass
        time.sleep(delay)
        run.kill()
        run.wait()
        end = time.monotonic() + 50  # less than the 60 that it waits for an answer
        while is_alive(found[0]):
            assert time.monotonic() < end
            time.sleep(0.01)
        wait_cleared(renewing.surroundings)


def test_killed_helper(renewing: Renewing) -> None:
    """A helper that is killed is a renewal that failed: one warning, and the command goes on."""
    renewing.account(lifetime=SHORT)
    renewing.server.set_fault(Fault(TOKEN, Hang(), skip=1))
    with Run.start(renewing.surroundings, "--renew", "--", *RECORDS) as run:
        run.wait_ready()
        wait_until(lambda: renewing.logins() == 2, GONE)
        helpers(run)[0].kill()
        wait_until(lambda: "cannot renew" in run.stderr, GONE)
        finish(run)

        assert (run.process.returncode, run.stdout) == (7, "ready\n15\n")


def test_logged_out(renewing: Renewing) -> None:
    """When the command has logged out of its session, nobody logs it in again."""
    renewing.account(lifetime=SHORT)
    script = """\
import json, os, sys, time
path = os.environ["BITWARDENCLI_APPDATA_DIR"] + "/data.json"
with open(path) as file:
    state = json.load(file)
name = next(name for name in state if name.endswith("_token_accessToken"))
state[name] = None
with open(path + ".mine", "w") as file:
    json.dump(state, file)
os.replace(path + ".mine", path)
print("ready", flush=True)
sys.stdin.read()
with open(path) as file:
    print(json.load(file)[name])
"""
    with Run.start(renewing.surroundings, "--renew", "--", *PYTHON, script, stdin=-1) as run:
        run.wait_ready()
        wait_until(lambda: "cannot renew" in run.stderr, GONE)
        assert run.process.stdin is not None
        run.process.stdin.close()

        done = run.wait()
        assert (done.status, done.stdout) == (0, "ready\nNone\n")


# With the official CLI ------------------------------------------------------------------------------------------------

CLI_MARGIN = 300  # seconds before its end from which the CLI takes a token for ended
NEW_ITEM: Json = {"type": 2, "name": "made late", "notes": "n0te", "secureNote": {"type": 0}, "organizationId": None}


def create_late(bw: Bw) -> Json:
    """Inside: make an item before and after the CLI takes the first token for ended, and read both."""
    over = end_of(token_in(Path(os.environ["BITWARDENCLI_APPDATA_DIR"]))) - CLI_MARGIN
    calls = {"early": bw("create", "item", send=NEW_ITEM | {"name": "made early"})}
    while time.time() < over + 1:
        time.sleep(0.1)
    calls["late"] = bw("create", "item", send=NEW_ITEM)
    calls["list"] = bw("list", "items")
    return calls


@pytest.mark.official_cli
@pytest.mark.slow
@pytest.mark.parametrize("renew", [True, False])
def test_creates_after_the_first_token(renewing: Renewing, official_bw: Path, *, renew: bool) -> None:
    """`bw create item` works after the first token would have ended, and (to be sure of the test) only with --renew."""
    account = renewing.account(lifetime=CLI_MARGIN + 30)
    runner = Runner(renewing.surroundings, official_bw)
    options = ("--renew",) if renew else ()
    found = runner.run(create_late, options=options).value

    assert found["early"]["status"] == 0, found
    assert (found["late"]["status"] == 0) == renew, found
    names = {item["name"] for item in json.loads(found["list"]["stdout"])}
    assert names == {"db", "made early"} | ({"made late"} if renew else set())
    assert paths(renewing.server).count("POST /api/ciphers") == 1 + renew
    assert account.client_secret not in json.dumps(found)
