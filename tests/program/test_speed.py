"""
What a run asks for and imports, counted, so that speed is not lost unseen; no clock is read here.

What each costs: `make bench`, `make bench-libraries`, `python -X importtime`.
"""

from __future__ import annotations

import re
import sys

import pytest

from tests.server.control import Account, BitwardenServer
from tests.server.specs import AccountSpec, ItemSpec, Login, Pbkdf2
from tests.support.program import BWRUN, Ended, Surroundings
from tests.support.proxies import connect_proxy
from tests.support.user_keys import with_user_key

CONFIG, SYNC, TOKEN = "GET /api/config ", "GET /api/sync excludeDomains=true", "POST /identity/connect/token "
CONNECTIONS = 2  # at most: a new one costs two round trips, but the config's are beside what the run waits for
TRACE = {"PYTHONPROFILEIMPORTTIME": "1"}
LINE = re.compile(r"^import time:\s+\d+ \|\s+\d+ \| +(\S+)$", re.MULTILINE)

NEEDED = {"cryptography"}
SLOW = {
    "argparse", "ast", "asyncio", "concurrent", "configparser", "csv", "ctypes.util", "cProfile", "dataclasses",
    "difflib", "doctest", "email.generator", "email.mime", "ftplib", "getpass", "http.server",
    "importlib.metadata", "inspect", "logging", "multiprocessing", "netrc", "optparse", "pathlib", "pdb", "pickle",
    "pkgutil", "pprint", "shutil", "sqlite3", "statistics", "subprocess", "tempfile", "tomllib", "unittest",
    "urllib.request", "xml",
}  # fmt: skip
# Ours that only some runs need, or that can wait until the key derivation needs a core and not the interpreter.
OURS_LATER = {
    "bwrun.credentials.password_command", "bwrun.helpers", "bwrun.injection.resolving", "bwrun.network.slow_lookup",
    "bwrun.references", "bwrun.session.data_json", "bwrun.session.formats", "bwrun.session.opening",
    "bwrun.session.vault_state",
    "bwrun.vault",
}  # fmt: skip
REFERENCES = {"ONE": "bw://prod-db/password", "TWO": "bw://mail/username", "THREE": "bw://mail/password"}


def asked(server: BitwardenServer) -> list[str]:
    """Return what the server was asked, in a fixed order."""
    return sorted(f"{request.method} {request.path} {request.query}" for request in server.requests())


def imported(text: str) -> set[str]:
    """Return the modules whose import a trace on stderr names."""
    return set(LINE.findall(text))


def before_login(run: Ended) -> set[str]:
    """Return what launcher and worker imported until the login was answered."""
    early, found, _ = run.stderr.partition("logged in to ")

    assert (run.status, found) == (0, "logged in to ")
    return imported(early)


def within(names: set[str], packages: set[str]) -> set[str]:
    """Return those of the names that are one of the packages or modules, or inside it."""
    return {name for name in names if any(name == package or name.startswith(f"{package}.") for package in packages)}


@pytest.mark.parametrize("references", [{}, REFERENCES], ids=["session alone", "three references"])
def test_three_requests(ready: Surroundings, server: BitwardenServer, references: dict[str, str]) -> None:
    """A run asks for a token, the vault, and beside them the server's config: each once, and nothing else."""
    done = ready.run("--", "true", env=references)

    assert (done.status, done.stderr) == (0, "")
    assert asked(server) == [CONFIG, SYNC, TOKEN]


def test_login_and_sync_share_a_connection(ready: Surroundings, server: BitwardenServer) -> None:
    """
    The sync waits for no second handshake; only the config, which nothing waits for, may have one of its own.

    On a busy machine, the thread for the config may start so late that it takes the connection of the login. So it runs
    three times.
    """
    shared = []
    for _ in range(3):
        server.clear_requests()
        ready.run("--", "true")

        connections = {request.path: request.connection for request in server.requests()}
        shared.append(connections["/api/sync"] in (connections["/identity/connect/token"], connections["/api/config"]))
        assert len(set(connections.values())) <= CONNECTIONS + 1 - shared[-1]

    assert any(shared)


def test_nested_run_asks_for_nothing(ready: Surroundings, server: BitwardenServer) -> None:
    """Two runs inside another make no request more."""
    done = ready.run("--", "sh", "-c", '"$0" true && "$0" -v -- "$0" true', BWRUN)

    assert done.status == 0
    assert asked(server) == [CONFIG, SYNC, TOKEN]


def test_a_failed_command_asks_for_nothing(ready: Surroundings, server: BitwardenServer) -> None:
    """What can fail without the server fails before it is asked."""
    assert ready.run("--", "/no/such/command").status == 127
    assert ready.run("--", "true", env={"ONE": "bw://"}).status == 125
    assert asked(server) == []


def test_worker_imports_little_before_the_login(ready: Surroundings) -> None:
    """Until the login is answered the worker has no package that it can do without, and none of ours that can wait."""
    names = before_login(ready.run("--", "true", env={**TRACE, "BWRUN_VERBOSE": "1"}))

    known = {"_wmi", "bwrun", "org", "sitecustomize", "usercustomize", "_cffi_backend", "_distutils_hack"}
    known |= {"apport_python_hook"}  # what Debian's `sitecustomize` imports
    assert {"bwrun.worker", "bwrun.login.token"} <= names  # it is the right place to look
    assert within(names, SLOW) == set()
    assert within(names, OURS_LATER) == set()
    assert within(names, {"cryptography.x509", "cryptography.hazmat.primitives.serialization"}) == set()
    assert third_party(names) - known - NEEDED == set()


def test_session_is_imported_while_the_key_is_derived(ready: Surroundings) -> None:
    """What opens the session comes after the login is answered and before the key is there."""
    done = ready.run("--", "true", env={**TRACE, "BWRUN_VERBOSE": "1"})

    between = done.stderr.partition("logged in to ")[2].partition("unlocked the vault with ")[0]
    assert {"bwrun.session.opening", "bwrun.session.vault_state"} <= imported(between)


USER_KEYS_OWN = {"bwrun.credentials.user_key", "bwrun.login.given_user_key"}


def test_only_a_user_key_needs_its_modules(ready: Surroundings, account: Account) -> None:
    """A run with a user key imports two modules of ours that other runs do not."""
    with_password = ready.run("--", "true", env=TRACE)
    with_key = ready.run("--", "true", env={**TRACE, **with_user_key(account)})

    assert (with_password.status, with_key.status) == (0, 0)
    ours = [within(imported(run.stderr), {"bwrun"}) for run in (with_password, with_key)]
    assert ours[1] - ours[0] == USER_KEYS_OWN
    assert ours[0] - ours[1] == set()


def test_session_is_imported_while_the_vault_is_sent(ready: Surroundings, account: Account) -> None:
    """With a user key too, what opens the session comes after the login is answered and before the vault is there."""
    done = ready.run("--", "true", env={**TRACE, "BWRUN_VERBOSE": "1", **with_user_key(account)})

    between = done.stderr.partition("logged in to ")[2].partition("fetched the vault from ")[0]
    assert {"bwrun.session.opening", "bwrun.session.vault_state"} <= imported(between)
    assert within(before_login(done), {"cryptography.x509", "cryptography.hazmat.primitives.serialization"}) == set()


def test_only_an_option_needs_argparse(ready: Surroundings) -> None:
    """The option makes the difference, and so the guard above can see one."""
    assert "argparse" in before_login(ready.run("--verbose", "--timeout=9", "--", "true", env=TRACE))


@pytest.mark.parametrize(("text", "needed"), [("NAME=value # plain\n", False), ("NAME='a value'\n", True)])
def test_only_a_value_with_quotes_needs_dotenv(ready: Surroundings, text: str, *, needed: bool) -> None:
    """The same for an env file with something to interpret; a plain one needs nothing."""
    (ready.work / ".env").write_text(text)

    assert ("dotenv" in before_login(ready.run("--", "true", env={**TRACE, "BWRUN_VERBOSE": "1"}))) == needed


@pytest.mark.parametrize(
    ("no_proxy", "needed"), [(None, True), ("localhost", False)], ids=["through a proxy", "excepted from it"]
)
def test_only_a_proxy_needs_httpx(ready: Surroundings, no_proxy: str | None, *, needed: bool) -> None:
    """A proxy that this server's requests go through makes the difference; one that they do not, none."""
    with connect_proxy() as proxy:
        variables = {"https_proxy": f"http://{proxy.host}", "no_proxy": no_proxy}
        done = ready.run("--", "true", env={**TRACE, "BWRUN_VERBOSE": "1", **variables})

    assert ("httpx" in before_login(done)) == needed
    assert ("bwrun.network.direct" in imported(done.stderr)) != needed


def test_only_a_large_vault_needs_orjson(ready: Surroundings, server: BitwardenServer) -> None:
    """A small vault is read and written by the standard library, which is there already; a large one is not."""
    items = tuple(ItemSpec(f"item {number}", Login("someone", "p4ss"), notes="x" * 8000) for number in range(300))
    account = server.add_account(AccountSpec("large@example.com", "correct horse", Pbkdf2(5_000), items=items))
    large = {"BW_CLIENTID": account.client_id, "BW_CLIENTSECRET": account.client_secret, "BW_PASSWORD": "correct horse"}

    small_names = imported(ready.run("--", "true", env=TRACE).stderr)
    large_names = imported(ready.run("--", "true", env={**TRACE, **large}).stderr)

    assert within(small_names, {"orjson"}) == set()
    assert "orjson" in large_names


@pytest.mark.linux("start times of processes without psutil")
def test_nested_run_imports_no_network(ready: Surroundings) -> None:
    """A run that reuses a session loads nothing of HTTP, TLS or cryptography."""
    script = 'PYTHONPROFILEIMPORTTIME=1 "$0" true'

    names = imported(ready.run("--", "sh", "-c", script, BWRUN).stderr)

    assert "bwrun.session.nested" in names
    assert within(names, SLOW | OURS_LATER) == set()
    assert within(names, {"http", "httpx", "json", "socket", "ssl", "cryptography", "dotenv", "psutil"}) == set()
    assert within(names, {"collections", "dataclasses", "enum", "re", "signal", "typing", "urllib"}) == set()
    assert (
        within(names, {"bwrun.worker", "bwrun.network.client", "bwrun.crypto", "bwrun.login.unlocking", "threading"})
        == set()
    )


def third_party(names: set[str]) -> set[str]:
    """Return the packages among them that Python does not bring; those tried and not found are no stranger either."""
    tops = {name.partition(".")[0] for name in names}
    return {top for top in tops if top not in sys.stdlib_module_names and not top.startswith("__")}
