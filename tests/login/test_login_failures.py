"""Logins that fail: one error line, hints, status 125, no command started, nothing and nobody left, no secret told."""

from __future__ import annotations

import base64
import json
import re
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote_plus

import psutil
import pytest

from tests.server.accounts import make_account
from tests.server.control import Account, BitwardenServer
from tests.server.faults import (
    CLOUDFLARE_BLOCK,
    PROBLEM_DOCUMENT,
    Action,
    Drip,
    DropFields,
    Fault,
    Hang,
    NotJson,
    Status,
    TruncatedJson,
)
from tests.server.replies import token_reply
from tests.server.specs import AccountSpec, Argon2id, OrganizationSpec, Pbkdf2, ReplyStyle
from tests.support.program import BWRUN, TIMEOUT, Ended, Surroundings
from tests.support.terminal import wait_until

CHEAP = Pbkdf2(iterations=5_000)
CHEAP_ARGON2 = Argon2id(iterations=1, memory_mib=15, parallelism=1)
PASSWORD = "correct horse canary-7f3a"
TOKEN = "/connect/token"
SYNC = "/api/sync"
KEY_HINT = (
    "hint: copy the key again if it was rotated;"
    " find the personal API key in the web vault: Settings → Security → Keys → View API key"
)
AT_ONCE = 50.0  # seconds: for a busy machine; what hangs would take the 60 of the default timeout

LINE = re.compile(r"bwrun: (error: .+ \[[a-z]+(\.[a-z-]+)?\]|hint: .+|warning: .+| *[0-9]+\.[0-9]{3} s  .+)")
STEP = re.compile(r"bwrun: +[0-9]+\.[0-9]{3} s  ")


def messages(done: Ended) -> list[str]:
    """Return the lines on stderr without `bwrun: ` and without the steps that -v adds."""
    lines = done.stderr.removesuffix("\n").split("\n")
    return [line.removeprefix("bwrun: ") for line in lines if line and not STEP.match(line)]


def processes_of(surroundings: Surroundings) -> list[str]:
    """Return the processes that were started in these surroundings: all of bwrun's keep the runtime directory."""
    runtime = str(surroundings.runtime)
    found = []
    for process in psutil.process_iter(["pid", "cmdline", "environ"]):
        environment = process.info["environ"] or {}
        if environment.get("XDG_RUNTIME_DIR") == runtime:
            found.append(f"{process.info['pid']}: {process.info['cmdline']}")
    return found


def assert_nothing_left(surroundings: Surroundings) -> None:
    """The session's directory is gone when bwrun ends, its last helper process at most a moment later."""
    assert surroundings.left() == []

    try:
        wait_until(lambda: processes_of(surroundings) == [])
    except AssertionError:
        assert processes_of(surroundings) == []


def assert_tells_no_secret(done: Ended, environment: Mapping[str, str]) -> None:
    """Neither the secrets themselves nor their usual encodings stand in what was printed; no token does."""
    printed = done.stdout + done.stderr
    for name in ("BW_CLIENTSECRET", "BW_PASSWORD", "BWRUN_USER_KEY"):
        secret = environment.get(name, "")
        for form in (secret, quote_plus(secret), base64.b64encode(secret.encode()).decode()):
            assert not secret or form not in printed, name

    assert "eyJ" not in printed  # how every JWT begins


def assert_failed(surroundings: Surroundings, done: Ended, environment: Mapping[str, str]) -> None:
    """All that is true of every failure, whatever it is of."""
    lines = done.stderr.removesuffix("\n").split("\n")

    assert [line for line in lines if not LINE.fullmatch(line)] == []
    assert (done.status, done.stdout, len(done.codes)) == (125, "", 1), done.stderr
    assert not (surroundings.work / "started").exists()
    assert_tells_no_secret(done, environment)
    assert_nothing_left(surroundings)


def fail(
    surroundings: Surroundings, *options: str | Path, env: Mapping[str, str | None] | None = None, verbose: bool = True
) -> Ended:
    """Run with a command that would leave a file; check all that is true of every failure."""
    words = ["-v", *options] if verbose else list(options)
    done = surroundings.run(*words, "--", "touch", surroundings.work / "started", env=env)
    assert_failed(surroundings, done, surroundings.full_environment(env or {}))
    return done


def address_of(server: BitwardenServer) -> str:
    """Return host and port of a server."""
    return "/".join(server.url.split("/")[:3])


@pytest.mark.parametrize(
    ("style", "said", "verbose"),
    [
        ("official", "400 invalid_client", False),
        ("official", "400 invalid_client", True),
        ("vaultwarden", "400: Incorrect client_secret", False),
    ],
)
def test_rotated_key(
    bare: Surroundings, server: BitwardenServer, style: ReplyStyle, said: str, *, verbose: bool
) -> None:
    """A key that was rotated is not accepted; the hint says that and where the new one is."""
    server.clear_faults()
    account = server.add_account(AccountSpec("rotated@example.com", PASSWORD, kdf=CHEAP, reply_style=style))
    server.rotate_api_key(account)
    bare.use(server, account)

    done = fail(bare, verbose=verbose)

    assert messages(done) == [
        f"error: {server.url} does not accept this API key ({said}) [auth.invalid-api-key]",
        "hint: both halves of the key are from the environment",
        KEY_HINT,
    ]


def test_unknown_client_id(ready: Surroundings, server: BitwardenServer) -> None:
    """A client id of nobody at this server (another region, another server) is a key that is not accepted."""
    done = fail(ready, env={"BW_CLIENTID": "user.00000000-0000-4000-8000-000000000000"})

    assert messages(done)[0].startswith(f"error: {server.url} does not accept this API key (400 invalid_client")
    assert done.codes == ["auth.invalid-api-key"]


@pytest.mark.parametrize("kdf", [CHEAP, CHEAP_ARGON2], ids=["PBKDF2", "Argon2id"])
def test_wrong_master_password(bare: Surroundings, server: BitwardenServer, kdf: Pbkdf2 | Argon2id) -> None:
    """A wrong master password is said to be that, with the place it came from, for both KDFs."""
    server.clear_faults()
    bare.use(server, server.add_account(AccountSpec("wrong@example.com", PASSWORD, kdf=kdf)))

    done = fail(bare, env={"BW_PASSWORD": f"{PASSWORD}!"}, verbose=False)

    assert messages(done) == [
        "error: wrong master password [crypto.wrong-master-password]",
        "hint: check the master password from the environment",
    ]


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        (f"'{PASSWORD}'", "hint: it is in quotes: remove them if they do not belong to it"),
        (f"{PASSWORD} ", "hint: it begins or ends with white space: remove that if it does not belong to it"),
    ],
    ids=["quotes", "white space"],
)
def test_wrong_master_password_by_a_slip(ready: Surroundings, account: Account, given: str, hint: str) -> None:
    """Quotes and white space round a wrong master password are hinted at, without showing it."""
    done = fail(ready, env={"BW_PASSWORD": given.replace(PASSWORD, account.master_password)})

    assert messages(done) == [
        "error: wrong master password [crypto.wrong-master-password]",
        "hint: check the master password from the environment",
        hint,
    ]


SPEC = AccountSpec("odd@example.com", PASSWORD, kdf=CHEAP)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (
            replace(SPEC, master_password_set=False),
            (
                "error: this account has no master password, and an API key alone cannot unlock its vault"
                " [auth.no-master-password]"
            ),
        ),
        (
            replace(SPEC, master_password_set=False, reply_style="announced"),
            (
                "error: this account has no master password, and an API key alone cannot unlock its vault"
                " [auth.no-master-password]"
            ),
        ),
        (
            replace(SPEC, key_connector=True),
            (
                "error: a Key Connector unlocks this account, but the server does not say at which address"
                " [auth.key-connector]"
            ),
        ),
        (
            replace(SPEC, key_connector=True, drop_fields=("Key",), organizations=(OrganizationSpec("Acme"),)),
            "error: `profile` of the server's reply to the sync lacks `Key` [server.incomplete-reply]",
        ),
        (
            replace(SPEC, reply_style="vaultwarden", disabled=True),
            (
                "error: the server has disabled this account (400: This user has been disabled (API key login))"
                " [auth.disabled]"
            ),
        ),
        (
            replace(SPEC, drop_fields=("Key", "MasterPasswordUnlock")),
            "error: the server's reply to the login lacks `Key` [server.incomplete-reply]",
        ),
    ],
    ids=[
        "no master password",
        "no master password, announced",
        "Key Connector nowhere",
        "Key Connector half set up",
        "disabled",
        "half set up",
    ],
)
def test_unsupported_accounts(bare: Surroundings, server: BitwardenServer, spec: AccountSpec, expected: str) -> None:
    """An account that a master password does not open is refused by what it is, never as a wrong password."""
    server.clear_faults()
    bare.use(server, server.add_account(spec))

    done = fail(bare)

    assert messages(done)[0] == expected
    assert len(messages(done)) == 2  # and what to do


def test_reset_master_password_is_a_warning(bare: Surroundings, server: BitwardenServer) -> None:
    """A master password that an administrator has reset opens the vault, and is warned of."""
    server.clear_faults()
    spec = AccountSpec("reset@example.com", PASSWORD, kdf=CHEAP, force_password_reset=True)
    bare.use(server, server.add_account(spec))

    done = bare.run("--", "echo", "ran")

    assert (done.status, done.stdout) == (0, "ran\n")
    assert messages(done) == [
        "warning: an administrator has reset this account's master password",
        "hint: set a new master password in the web vault",
    ]


def test_unreachable(ready: Surroundings) -> None:
    """A port where nobody listens is said at once, with the address and the reason."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    done = fail(ready, "--server", f"https://127.0.0.1:{port}", verbose=False)

    assert messages(done) == [
        f"error: cannot connect to https://127.0.0.1:{port}: Connection refused [network.unreachable]",
        "hint: check `--server` and the network",
    ]


def test_unknown_name(ready: Surroundings) -> None:
    """A host name that does not exist is said to be that, not a connection that failed."""
    done = fail(ready, "--server", "https://vault.invalid", "--timeout", "20")

    assert messages(done) == [
        "error: cannot resolve the name of https://vault.invalid [network.dns]",
        "hint: check `--server` and the DNS settings",
    ]


def test_name_service_that_hangs(ready: Surroundings, tmp_path: Path) -> None:
    """A name service that never answers ends with the timeout: getaddrinfo itself knows none."""
    resolver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        resolver.bind(("127.0.0.77", 53))
    except OSError:
        resolver.close()
        pytest.skip("port 53 of the loopback cannot be had: needs root")
    resolv_conf = tmp_path / "resolv.conf"
    resolv_conf.write_text("nameserver 127.0.0.77\noptions timeout:30 attempts:5\n")
    mount = f"mount --bind {resolv_conf} /etc/resolv.conf"
    if subprocess.run(["unshare", "--mount", "sh", "-c", mount], check=False, capture_output=True).returncode != 0:
        pytest.skip("no mount namespace of one's own: needs root")
    started = time.monotonic()

    with resolver:
        run = ["--server", "https://vault.example.com", "--timeout", "1.5", "--", "touch", str(ready.work / "started")]
        ended = subprocess.run(
            ["unshare", "--mount", "sh", "-c", f'{mount}; exec "$@"', "sh", str(BWRUN), *run],
            check=False,
            env=ready.environment,
            cwd=ready.work,
            capture_output=True,
            encoding="utf-8",
            timeout=TIMEOUT,
        )
    done = Ended(ended.returncode, ended.stdout, ended.stderr)

    assert_failed(ready, done, ready.environment)
    assert done.codes == ["network.timeout"]
    assert "timed out after 1.5 s" in messages(done)[0]
    assert time.monotonic() - started < AT_ONCE


@pytest.mark.parametrize("action", [Hang(), Drip(chunk_bytes=1, interval_ms=200)], ids=["hangs", "drips"])
@pytest.mark.parametrize("path", [TOKEN, SYNC])
def test_timeout(ready: Surroundings, server: BitwardenServer, path: str, action: Action) -> None:
    """A server that does not answer, or so slowly that it never ends, is left after --timeout in all."""
    server.set_fault(Fault(path, action))
    started = time.monotonic()

    done = fail(ready, "--timeout", "1.5")

    assert messages(done) == [
        f"error: timed out after 1.5 s while waiting for {address_of(server)} [network.timeout]",
        "hint: check the network and the server's address, or allow more time with `--timeout`",
    ]
    assert 1.5 <= time.monotonic() - started < AT_ONCE


def test_timeout_of_a_handshake(ready: Surroundings) -> None:
    """A server that takes the connection and never speaks TLS is left after the timeout."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = f"https://127.0.0.1:{listener.getsockname()[1]}"
        done = fail(ready, "--server", server, env={"BWRUN_TIMEOUT": "1"})

    assert done.codes == ["network.timeout"]


def test_optional_request_that_hangs(ready: Surroundings, server: BitwardenServer) -> None:
    """The server's config is not needed: when its request hangs, the run goes on without it."""
    server.set_fault(Fault("/api/config", Hang()))
    started = time.monotonic()

    done = ready.run("--timeout", "40", "--", "echo", "ran")

    assert (done.status, done.stdout, done.stderr) == (0, "ran\n", "")
    assert time.monotonic() - started < AT_ONCE


NOT_JSON_HINT = (
    "hint: check `--server`, including the path of its URL; bwrun cannot pass a login page in front of the server"
)


@pytest.mark.parametrize(
    ("path", "action", "expected"),
    [
        (TOKEN, NotJson(), "error: {url} answered with an HTML page (200) [server.not-json]"),
        (SYNC, NotJson(), "error: {url} answered with an HTML page (200) [server.not-json]"),
        (SYNC, TruncatedJson(), ("error: {url} answered with something other than JSON (200)"
         " [server.not-json]")),
        (TOKEN, CLOUDFLARE_BLOCK, "error: {host} refused the request with an HTML page (403) [server.blocked]"),
    ],
    ids=["HTML", "sync HTML", "sync half", "blocked"],
)  # fmt: skip
def test_not_json(ready: Surroundings, server: BitwardenServer, action: Action, expected: str, path: str) -> None:
    """A page instead of JSON names the address; a 403 says who is likely in the way."""
    server.set_fault(Fault(path, action))
    url = f"{server.api_url}/sync?excludeDomains=true" if path == SYNC else f"{server.identity_url}/connect/token"

    done = fail(ready)

    assert messages(done)[0] == expected.format(url=url, host=address_of(server))
    assert len(messages(done)) == 2


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        (TOKEN, "", "server.not-json"),
        (TOKEN, "[]", "server.unexpected-reply"),
        (TOKEN, "{}", "server.incomplete-reply"),
        (TOKEN, "[" * 200_000 + "]" * 200_000, "server.not-json"),
        (SYNC, "", "server.not-json"),
        (SYNC, '{"profile": {}, "ciphers": 7}', "server.unexpected-reply"),
    ],
    ids=["empty", "list", "nothing in it", "nested", "sync empty", "sync no list"],
)
def test_json_of_the_wrong_shape(ready: Surroundings, server: BitwardenServer, path: str, body: str, code: str) -> None:
    """JSON that is no reply to what was asked is refused, and the session that was begun is gone."""
    server.set_fault(Fault(path, Status(200, body)))

    assert fail(ready).codes == [code]


def test_sync_without_a_profile(ready: Surroundings, server: BitwardenServer) -> None:
    """A part that is missing from the sync is named."""
    server.set_fault(Fault(SYNC, DropFields(("profile",))))

    assert messages(fail(ready))[0] == (
        "error: the server's reply to the sync lacks `profile` [server.incomplete-reply]"
    )


@pytest.mark.parametrize("status", [401, 403])
def test_token_refused_by_the_api(ready: Surroundings, server: BitwardenServer, status: int) -> None:
    """An API that does not take the token of the identity service hints at two servers mixed up."""
    server.set_fault(Fault(SYNC, Status(status)))

    done = fail(ready)

    assert done.codes == ["auth.token-refused"]
    assert messages(done)[1] == "hint: check that `--identity-url` and `--api-url` belong to the same server"


def escaped(text: str) -> str:
    """Write every character as JSON escapes one: .NET's encoder does that to some."""
    return "".join(f"\\u{ord(char):04x}" for char in text)


def echoes(secret: str) -> dict[str, Status]:
    """Make the ways in which a server may say back what it was sent."""
    page = "text/html; charset=utf-8"
    return {
        "in words": Status(400, json.dumps({"error": "invalid_client", "error_description": f"no key {secret}"})),
        "escaped": Status(400, f'{{"error": "invalid_client", "error_description": "no key {escaped(secret)}"}}'),
        "limit": Status(429, json.dumps({"message": f"no key {secret}"}), headers={"Retry-After": "900"}),
        "as the error": Status(400, json.dumps({"error": secret})),
        "page": Status(500, f"<html><title>{secret}</title></html>", page),
        "redirect": Status(302, "", headers={"Location": f"https://elsewhere.example/{secret}/?{secret}"}),
        "redirect as a user": Status(302, "", headers={"Location": f"https://{secret}@elsewhere.example/"}),
    }


@pytest.mark.parametrize("how", list(echoes("")))
def test_echoed_client_secret(ready: Surroundings, server: BitwardenServer, account: Account, how: str) -> None:
    """A server that says the client secret back, in whatever form, does not get it printed."""
    server.set_fault(Fault(TOKEN, echoes(account.client_secret)[how]))
    verbose = how != "in words"

    done = fail(ready, "--timeout", "20", verbose=verbose)

    assert account.client_secret[:12] not in done.stderr


def test_echoed_access_token(ready: Surroundings, server: BitwardenServer) -> None:
    """An API that says the access token back does not get it printed."""
    token = "head.bearer-canary.tail"
    stored = make_account(AccountSpec("echo@example.com", PASSWORD, kdf=CHEAP))
    server.set_fault(Fault(TOKEN, Status(200, json.dumps(token_reply(stored, token, 3600)))))
    server.set_fault(Fault(SYNC, Status(400, json.dumps({"message": f"bad token {token}"}))))

    done = fail(ready, env={"BW_PASSWORD": PASSWORD})

    assert done.codes == ["server.sync"]
    assert "bearer-canary" not in done.stderr


def test_server_text_cannot_move_the_cursor(ready: Surroundings, server: BitwardenServer) -> None:
    """Control characters and line ends in a server's words are shown escaped: no colours, no forged lines."""
    words = "no\x1b[2J\r\nbwrun: error: forged [auth.forged]\u202e\u0085\x07"
    server.set_fault(Fault(TOKEN, Status(400, json.dumps({"error": "x", "error_description": words}))))

    done = fail(ready)

    assert done.codes == ["auth.refused"]
    assert messages(done) == [
        (
            rf"error: {server.url} refused the login (400 x: no\x1b[2J\r\nbwrun: error: forged [auth.forged]"
            r"\u202e\x85\x07) [auth.refused]"
        )
    ]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            PROBLEM_DOCUMENT.body,
            "400: One or more validation errors occurred.; The device has no name.; No such scope.",
        ),
        ('{"title": "Bad Request", "detail": "The clock is wrong.", "errors": {}}', "400: The clock is wrong."),
        ('{"errors": [{"message": "Not now."}]}', "400: Not now."),
        (
            '{"message": "The model state is invalid.", "validationErrors": {"Scope": ["No such scope."]}}',
            "400: The model state is invalid.; No such scope.",
        ),
        ('{"title": 5, "errors": {"a": [[["deep"]], 5, null]}, "detail": null}', "400"),
    ],
    ids=["problem document", "detail", "list", "official", "of other types"],
)
def test_what_is_wrong_with_a_request_is_quoted(
    ready: Surroundings, server: BitwardenServer, body: str, said: str
) -> None:
    """What a server says of the fields of a request is quoted, in problem documents (RFC 9457) too, each text once."""
    server.set_fault(Fault(TOKEN, replace(PROBLEM_DOCUMENT, body=body)))

    done = fail(ready)

    assert messages(done) == [f"error: {server.url} refused the login ({said}) [auth.refused]"]


def test_server_text_is_utf8_and_short(ready: Surroundings, server: BitwardenServer) -> None:
    """Half characters in a server's words do not become raw bytes on the terminal, and a long text is cut."""
    body = f'{{"error": "{"e" * 100_000}", "error_description": "\\udc9b31m\\ud800 {"w" * 100_000}"}}'
    server.set_fault(Fault(TOKEN, Status(400, body)))

    done = fail(ready)

    assert done.codes == ["auth.refused"]
    assert re.search("[\udc80-\udcff]", done.stderr) is None
    assert max(len(line) for line in done.stderr.splitlines()) < 1000


def test_password_is_in_no_request(ready: Surroundings, server: BitwardenServer, account: Account) -> None:
    """The master password leaves this machine in no form: neither itself, nor encoded, nor hashed."""
    done = ready.run("-v", "--", "true")
    sent = json.dumps([vars(request) for request in server.requests()])

    assert done.status == 0
    assert account.client_secret in sent  # it is all there
    for part in (*account.master_password.split(), base64.b64encode(account.master_password.encode()).decode()):
        assert part not in sent
    login = next(request for request in server.requests() if request.path.endswith(TOKEN))
    assert set(login.form) == {
        "grant_type", "client_id", "client_secret", "scope", "deviceType", "deviceIdentifier", "deviceName",
    }  # fmt: skip
    assert [one.path for one in server.requests() if "authorization" in one.headers] == [SYNC]
    assert_tells_no_secret(done, ready.environment)
