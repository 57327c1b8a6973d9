"""Many runs at once with `--cache`: one logs in, the others use its result, or end with its error."""

from __future__ import annotations

import signal
from contextlib import ExitStack

import pytest

from tests.conftest import CANARY
from tests.login.test_accounts import odd_kdf
from tests.login.test_login_failures import TOKEN, messages
from tests.server.faults import Fault, Hold, Status
from tests.server.specs import Pbkdf2
from tests.supervisor.clearing import GONE, Run
from tests.support.cache_file import names_in
from tests.support.cached import COLD, DOWN, SHOW, WARM, Cached
from tests.support.program import Ended
from tests.support.terminal import wait_until

MANY, SOME = 30, 5
PATIENCE = "200"  # seconds, for so many runs on a busy machine
WAITING = "waiting for another run of bwrun, which is logging in to this account"
IN_SESSION = ("--", "sh", "-c", 'test -s "$BITWARDENCLI_APPDATA_DIR/data.json" && printf p4ss')
COMMANDS = (SHOW, IN_SESSION, ("--no-session", *SHOW))


class Crowd:
    """Runs of one account, started at once, one of which is held in its login."""

    def __init__(self, cached: Cached, stack: ExitStack, count: int, *, options: tuple[str, ...] = ()) -> None:
        """Start `count` runs, and wait until all but one wait for that one, whose login the server does not answer."""
        self.cached = cached
        cached.server.clear_requests()
        words = [("-v", "--cache", "--timeout", PATIENCE, *options, *COMMANDS[one % 3]) for one in range(count)]
        self.runs = [stack.enter_context(Run.start(cached.surroundings, *one)) for one in words]
        wait_until(lambda: sum(WAITING in run.stderr for run in self.runs) >= count - 1, GONE)
        (self.holder,) = (run for run in self.runs if WAITING not in run.stderr)

    def others(self) -> list[Run]:
        """Return the runs that wait."""
        return [run for run in self.runs if run is not self.holder]

    def end(self, runs: list[Run] | None = None) -> list[Ended]:
        """Let the server answer, and wait for the ends of these runs, or of all."""
        self.cached.recover()
        return [run.wait() for run in (self.runs if runs is None else runs)]


def held(cached: Cached, *actions: Status) -> None:
    """Hold each login, and answer it in another way afterwards."""
    cached.server.set_fault(Fault(TOKEN, Hold()))
    for action in actions:
        cached.server.set_fault(Fault(TOKEN, action))


@pytest.mark.timeout(600)
def test_thirty_at_once(cached: Cached) -> None:
    """From a cold start there is one login and one sync, and each command is right."""
    held(cached)
    with ExitStack() as stack:
        ended = Crowd(cached, stack, MANY).end()

    assert {(done.status, done.stdout) for done in ended} == {(0, "p4ss")}
    asked = cached.asked()
    assert (asked.count("login"), asked.count("sync")) == (1, 1)
    assert asked.count("date") == MANY
    assert len(asked) == MANY + 2
    assert names_in(cached.surroundings) == [".cache", ".lock"]


FAILURES = {
    "disabled": ("auth.disabled", [Status(400, '{"error": "invalid_grant", "error_description": "disabled"}')]),
    "down": ("server.unavailable", [DOWN]),
    "wrong password": ("crypto.wrong-master-password", []),
}


@pytest.mark.parametrize("how", FAILURES)
def test_a_login_that_fails(cached: Cached, how: str) -> None:
    """It is told to the runs that wait: one login, and one error for all."""
    code, actions = FAILURES[how]
    if how == "wrong password":
        cached.surroundings.environment["BW_PASSWORD"] = f"mistaken {CANARY}"
    held(cached, *actions)
    with ExitStack() as stack:
        ended = Crowd(cached, stack, SOME).end()

    assert {done.status for done in ended} == {125}
    assert {tuple(messages(done)) for done in ended} == {tuple(messages(ended[0]))}
    assert ended[0].codes == [code]
    assert sum(name.startswith("login") for name in cached.asked()) == 1
    cached.surroundings.environment["BW_PASSWORD"] = cached.account.master_password
    cached.recover()
    assert cached.ask() == COLD  # a later run tries it again
    assert cached.ask() == WARM


def test_an_error_of_a_runs_own_settings(cached: Cached) -> None:
    """What a run did not allow may be allowed in the run that waits for it: that logs in itself."""
    cached.server.set_fault(Fault(TOKEN, Hold(), count=1))
    cached.server.set_fault(Fault(TOKEN, odd_kdf(Pbkdf2(60_000_000)), count=1))
    show = ("-v", "--cache", "--timeout", PATIENCE)
    with Run.start(cached.surroundings, *show, *SHOW) as strict:
        wait_until(lambda: "login" in "".join(cached.asked()) or strict.process.poll() is not None, GONE)
        with Run.start(cached.surroundings, *show, "--allow-costly-kdf", *SHOW) as generous:
            wait_until(lambda: WAITING in generous.stderr, GONE)
            cached.recover()

            assert strict.wait().codes == ["crypto.kdf-parameters"]
            assert generous.wait().stdout == "p4ss"


@pytest.mark.parametrize("whom", ["pid", pytest.param("group", marks=pytest.mark.slow)])
def test_a_holder_that_is_killed(cached: Cached, whom: str) -> None:
    """The lock ends with the process that has it: the next run logs in, the others use its result."""
    held(cached)
    with ExitStack() as stack:
        crowd = Crowd(cached, stack, SOME)
        if whom == "pid":
            crowd.holder.kill(signal.SIGKILL)
        else:
            crowd.holder.kill_group(signal.SIGKILL)
        crowd.holder.wait()
        ended = crowd.end(crowd.others())

    assert {(done.status, done.stdout) for done in ended} == {(0, "p4ss")}
    asked = cached.asked()
    assert (sum(name.startswith("login") for name in asked), asked.count("sync")) == (2, 1)
    wait_until(lambda: cached.surroundings.left() == [], GONE)


def test_a_wait_that_is_too_long(cached: Cached) -> None:
    """A run waits within its timeout, and its error says for what; the holder goes on."""
    held(cached)
    with ExitStack() as stack:
        crowd = Crowd(cached, stack, 2)

        done = cached.run("--timeout", "1")

        assert (done.status, done.codes) == (125, ["network.timeout"])
        assert "another run of bwrun" in done.stderr
        assert {(one.status, one.stdout) for one in crowd.end()} == {(0, "p4ss")}


def test_a_signal_while_it_waits(cached: Cached) -> None:
    """A run that waits can be ended."""
    held(cached)
    with ExitStack() as stack:
        crowd = Crowd(cached, stack, 2)
        (waiting,) = crowd.others()
        waiting.kill(signal.SIGTERM)

        assert waiting.wait().status == -signal.SIGTERM
        assert {(one.status, one.stdout) for one in crowd.end([crowd.holder])} == {(0, "p4ss")}


def test_another_account_does_not_wait(cached: Cached) -> None:
    """The lock is that of one account at one server, and it is held for the login only."""
    cached.server.set_fault(Fault(TOKEN, Hold(), count=1))
    with ExitStack() as stack:
        crowd = Crowd(cached, stack, 2)

        assert cached.ask(env={"BWRUN_SERVER": cached.server.url.replace("localhost", "127.0.0.1")}) == COLD
        crowd.end()


def test_the_lock_ends_with_the_login(cached: Cached) -> None:
    """While the command of the first run goes on, others log in and write as they need."""
    with Run.start(cached.surroundings, "--cache", "--", "sh", "-c", "echo ready; exec sleep 1000") as first:
        first.wait_ready()
        cached.server.add_items(cached.account)
        cached.server.expire_tokens(cached.account)

        assert cached.ask("--timeout", "60") == ["date", "date 401", "login", "sync"]
        first.kill(signal.SIGTERM)
        first.wait()


def test_a_wait_in_vain_with_offline(cached: Cached) -> None:
    """If the run that logs in gets no answer in time, neither does the server answer this one: the cache is used."""
    cached.ask()
    cached.change(lambda file: file.moved(3590, "issued"))
    held(cached)
    with ExitStack() as stack:
        crowd = Crowd(cached, stack, 2)
        done = cached.run("--offline", "--timeout", "1")
        crowd.end()

    assert (done.status, done.stdout) == (0, "p4ss")


def test_a_token_that_another_login_ended(cached: Cached) -> None:
    """Where a login ends the device's older tokens, runs with and without --cache disturb each other once."""
    cached.server.change_spec(cached.account, one_token_per_device=True)
    assert cached.ask() == COLD
    assert cached.ask() == WARM
    assert cached.ask(cache="") == ["login", "sync"]

    assert cached.ask() == ["date", "date 401", "login"]
    assert cached.ask() == WARM


def test_a_vault_that_is_not_kept(cached: Cached) -> None:
    """A run whose own token was ended meanwhile keeps nothing, but lets the others go on while its command runs."""
    cached.server.set_fault(Fault("/api/sync", Status(401, "{}"), count=1))
    with Run.start(cached.surroundings, "--cache", "--", "sh", "-c", "echo ready; exec sleep 1000") as first:
        first.wait_ready()
        cached.server.clear_faults()
        assert not cached.path.exists()

        assert cached.ask("--timeout", "60") == COLD
        first.kill(signal.SIGTERM)
        first.wait()
