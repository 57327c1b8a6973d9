"""Hosts with several addresses, of which some are dead or refuse, in a network where packets really get lost."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.login.test_login_failures import messages
from tests.server.control import BitwardenServer
from tests.server.specs import AccountSpec, AttachmentSpec, ItemSpec, Login
from tests.settings.test_servers_run import port_of
from tests.support.files import write_private
from tests.support.name_server import answer_names
from tests.support.namespace import ALIVE, DEAD, Network, network
from tests.support.program import Ended, Surroundings

DEAD_4, OTHER_DEAD_4, DEAD_6 = DEAD
ALIVE_4, ALIVE_6 = ALIVE
SOON = 15.0  # seconds: generous; the run's own limit is 60, and a name service is given up after 15
CONNECT = """
import sys, time
from bwrun.network.dialing import connect, look_up
host, port, patience = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
start = time.monotonic()
try:
    connection = connect(host, port, patience)
except OSError as error:
    print(type(error).__name__, error.tried, error.timed_out)
else:
    print(connection.getpeername()[0])
    lines = open("/proc/self/net/tcp").readlines() + open("/proc/self/net/tcp6").readlines()
    print(sum(line.split()[3] == "02" for line in lines))  # SYN_SENT
print(time.monotonic() - start)
"""
LOOK_UP = """
import sys
from bwrun.network.dialing import look_up
print(*(address[4][0] for address in look_up(sys.argv[1], 443, 0)))
"""


def run_in_network(surroundings: Surroundings, made: Network, *words: str) -> tuple[Ended, float]:
    """Run bwrun in a network; return how it ended, and after how many seconds."""
    start = time.monotonic()
    done = surroundings.run(*words, before=made.before(surroundings.work))
    return done, time.monotonic() - start


@pytest.mark.parametrize(
    ("names", "alive"),
    [
        ((DEAD_6, ALIVE_4), ALIVE_4),
        ((DEAD_4, ALIVE_4), ALIVE_4),
        ((DEAD_4, ALIVE_6), ALIVE_6),
        ((DEAD_6, DEAD_4, OTHER_DEAD_4, ALIVE_4), ALIVE_4),
        ((ALIVE_6, ALIVE_4), ALIVE_4),
    ],
    ids=["IPv6 dead", "first IPv4 dead", "IPv4 dead", "all dead but the last", "IPv6 refuses"],
)
def test_a_dead_address_does_not_stop_a_run(
    ready: Surroundings, server: BitwardenServer, tmp_path: Path, names: Sequence[str], alive: str
) -> None:
    """A run goes on with the address that answers, and does not wait long for those that do not."""
    with network(tmp_path, {"localhost": names}) as made:
        connected = made.relay(alive, int(port_of(server)))
        done, seconds = run_in_network(ready, made, "--", "true")

    assert (done.status, done.stderr) == (0, "")
    assert set(connected) == {alive}
    assert seconds < SOON


def test_every_connection_gets_past_a_dead_address(bare: Surroundings, server: BitwardenServer, tmp_path: Path) -> None:
    """Connections that do not begin early, and those to a Key Connector and to attachments, do the same."""
    server.clear_faults()
    spec = AccountSpec(
        "dead@example.com", "", key_connector=True,
        items=(ItemSpec("file", Login(), attachments=(AttachmentSpec("a.txt", b"content"),)),),
    )  # fmt: skip
    account = server.add_account(spec)
    bare.use(server, account)
    write_private(bare.work / "secret", account.client_secret)
    bare.environment |= {"BW_CLIENTSECRET_FILE": "secret", "KEY": "bw://file/attachment/a.txt"}
    del bare.environment["BW_CLIENTSECRET"], bare.environment["BW_PASSWORD"]

    with network(tmp_path, {"localhost": (DEAD_6, DEAD_4, ALIVE_4)}) as made:
        made.relay(ALIVE_4, int(port_of(server)))
        done, seconds = run_in_network(
            bare, made, "--key-connector-url", f"{server.url}/key-connector", "--", "sh", "-c", 'echo "$KEY"'
        )

    assert (done.status, done.stdout, done.stderr) == (0, "content\n", "")
    assert seconds < SOON


def test_all_addresses_dead(ready: Surroundings, server: BitwardenServer, tmp_path: Path) -> None:
    """Where no address answers, the run ends at its deadline, and the error says how many were tried."""
    with network(tmp_path, {"localhost": (DEAD_6, DEAD_4, OTHER_DEAD_4)}) as made:
        done, seconds = run_in_network(ready, made, "--timeout", "2", "--", "true")

    assert messages(done)[0] == (
        f"error: timed out after 2 s while waiting for {server.url} (3 addresses tried) [network.timeout]"
    )
    assert 2 <= seconds < SOON


def test_all_addresses_refuse(ready: Surroundings, server: BitwardenServer, tmp_path: Path) -> None:
    """Where all addresses refuse, the error comes at once, with the reason and how many were tried."""
    with network(tmp_path, {"localhost": (ALIVE_6, ALIVE_4)}) as made:
        done, seconds = run_in_network(ready, made, "--", "true")

    assert messages(done)[0] == (
        f"error: cannot connect to {server.url}: Connection refused (2 addresses tried) [network.unreachable]"
    )
    assert seconds < SOON


def test_one_dead_one_refuses(ready: Surroundings, server: BitwardenServer, tmp_path: Path) -> None:
    """An address that refuses does not end the wait for another one, but the deadline does."""
    with network(tmp_path, {"localhost": (DEAD_6, ALIVE_4)}) as made:
        done, seconds = run_in_network(ready, made, "--timeout", "2", "--", "true")

    assert messages(done)[0] == (
        f"error: timed out after 2 s while waiting for {server.url} (2 addresses tried) [network.timeout]"
    )
    assert 2 <= seconds < SOON


@pytest.mark.parametrize(
    ("names", "peer", "least", "most"),
    [
        ((ALIVE_6, DEAD_4), ALIVE_6, 0.0, 0.25),
        ((DEAD_6, ALIVE_4), ALIVE_4, 0.25, 0.5),
        ((DEAD_4, OTHER_DEAD_4, ALIVE_4), ALIVE_4, 0.5, 0.75),
        (("2001:db8::1", ALIVE_4), ALIVE_4, 0.0, 0.25),
    ],
    ids=["first answers", "first dead", "two dead", "first refuses"],
)  # fmt: skip
def test_next_address_after_a_quarter_of_a_second(
    tmp_path: Path, names: Sequence[str], peer: str, least: float, most: float
) -> None:
    """The next address is tried after 250 ms, or at once where one refuses; what has not connected is closed."""
    with network(tmp_path, {"vault.test": names}) as made:
        made.listen(peer, 4430)
        tries = [made.python(CONNECT, "vault.test", "4430", "30").split() for _ in range(5)]

    assert {(where, open_still) for where, open_still, _ in tries} == {(peer, "0")}
    assert all(float(seconds) >= least for _, _, seconds in tries)
    assert min(float(seconds) for _, _, seconds in tries) < most  # a busy machine may delay some of them


@pytest.mark.parametrize(
    ("names", "order"),
    [
        ((DEAD_4, ALIVE_4, DEAD_6, ALIVE_6), [ALIVE_6, DEAD_4, DEAD_6, ALIVE_4]),
        ((DEAD_4, OTHER_DEAD_4, DEAD_6), [DEAD_6, DEAD_4, OTHER_DEAD_4]),
        ((DEAD_4, "2001:db9::1", "2001:db9::2"), [DEAD_4, "2001:db9::1", "2001:db9::2"]),
    ],
    ids=["in turn", "the rest of one family", "no way to IPv6"],
)
def test_order_of_addresses(tmp_path: Path, names: Sequence[str], order: list[str]) -> None:
    """The families take turns, and the system's choice goes first: IPv6 where there is a way to it."""
    with network(tmp_path, {"vault.test": names}) as made:
        assert made.python(LOOK_UP, "vault.test").split() == order


def test_slow_name_service(ready: Surroundings, server: BitwardenServer, tmp_path: Path) -> None:
    """A name service that takes its time is waited for."""
    with network(tmp_path, {}) as made:
        answer_names(made, {"A": ALIVE_4}, delay=2.0)
        made.relay(ALIVE_4, int(port_of(server)))
        done, _ = run_in_network(ready, made, "--", "true")

    assert (done.status, done.stderr) == (0, "")


def test_name_service_that_drops_questions_for_ipv6(
    ready: Surroundings, server: BitwardenServer, tmp_path: Path
) -> None:
    """Where questions for IPv6 addresses get no answer, the IPv4 address is used, long before the system gives up."""
    with network(tmp_path, {}) as made:
        answer_names(made, {"A": ALIVE_4}, silent=("AAAA",))
        made.relay(ALIVE_4, int(port_of(server)))
        done, seconds = run_in_network(ready, made, "--", "true")

    assert (done.status, done.stderr) == (0, "")
    assert seconds < 10  # the system's own lookup takes 15


def test_silent_name_service(ready: Surroundings, server: BitwardenServer, tmp_path: Path) -> None:
    """A name service that never answers does not outlast the deadline, and is named."""
    with network(tmp_path, {}) as made:
        answer_names(made, {}, silent=("A", "AAAA"))
        done, seconds = run_in_network(ready, made, "--timeout", "2", "--", "true")

    assert messages(done)[0] == (
        f"error: timed out after 2 s while waiting for the DNS lookup of {server.url} [network.timeout]"
    )
    assert seconds < 8


def test_name_that_does_not_exist(ready: Surroundings, server: BitwardenServer, tmp_path: Path) -> None:
    """A name without any address is an error of its own."""
    with network(tmp_path, {}) as made:
        answer_names(made, {})
        done, _ = run_in_network(ready, made, "--", "true")

    assert messages(done)[0] == f"error: cannot resolve the name of {server.url} [network.dns]"
