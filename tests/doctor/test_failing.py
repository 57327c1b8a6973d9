"""What does not work: the step that fails says why and what to do, those that need it are skipped, the others go on."""

from __future__ import annotations

import json
import os
import signal
import time
from email.utils import formatdate
from pathlib import Path

import psutil
import pytest

from tests.conftest import CANARY
from tests.doctor import REFUSES, VAULT, Examined, examine, put_program
from tests.server.control import Account, BitwardenServer
from tests.server.faults import Fault, Hold, Status
from tests.support.files import write_private
from tests.support.kept import without_credentials, write_kept
from tests.support.needs import unavailable
from tests.support.program import BWRUN, Surroundings
from tests.support.proxies import connect_proxy
from tests.support.terminal import Terminal

TOKEN, CONFIG = "/connect/token", "/api/config"
OFFLINE = ["login", "sync", "unlock", "references", "session"]  # what is skipped where there is no login
NO_BW = {"PATH": "/nowhere"}


@pytest.fixture(scope="module")
def vault(server: BitwardenServer) -> Account:
    """Make an account with CANARY in every name and value."""
    return server.add_account(VAULT)


@pytest.fixture
def sick(run_in: Surroundings) -> Surroundings:
    """Give surroundings in which all works until a test breaks something; there is no `bw`."""
    run_in.environment |= NO_BW
    return run_in


def hints(found: Examined, name: str) -> str:
    """Return the hints of a step."""
    return "\n".join(hint for message in found[name]["messages"] for hint in message["hints"])


def test_wrong_password(sick: Surroundings) -> None:
    """The login works and the vault comes; the key does not open it. There is no `bw` either, which is a warning."""
    found = examine(sick, env={"BW_PASSWORD": "wrong"})

    assert found.ended.status == 125
    assert found.codes("unlock") == ["crypto.wrong-master-password"]
    assert hints(found, "unlock") == "check the master password from the environment"
    assert found.named("failed") == ["unlock"]
    assert found.named("skipped") == ["command", "references", "session"]
    assert found["references"]["text"] == found["session"]["text"] == "needs `unlock`"
    assert found["bw"]["messages"][0]["text"] == "there is no `bw` on PATH"


@pytest.mark.parametrize(
    ("kind", "word"),
    [("expired", "expired"), pytest.param("self-signed", "self-signed", marks=pytest.mark.slow)],
)
def test_bad_certificate(sick: Surroundings, kind: str, word: str) -> None:
    """A certificate that is not trusted fails the step `tls`, with the reason and the hint of a run."""
    with BitwardenServer.start(certificate=kind) as bad:  # type: ignore[arg-type]  # the parameter is one of the kinds
        found = examine(sick, env={"BWRUN_SERVER": bad.url, "SSL_CERT_FILE": str(bad.ca_file)})

    assert found.codes("tls") == ["network.tls-untrusted"]
    assert word in found["tls"]["text"]
    assert hints(found, "tls") != ""
    assert found["tcp"]["status"] == "ok"
    assert found.named("skipped") == ["command", "server", "clock", *OFFLINE]


def test_unreachable(sick: Surroundings) -> None:
    """Where nobody listens, the step `tcp` fails; what needs no server is looked at all the same."""
    found = examine(sick, env={"BWRUN_SERVER": "https://127.0.0.1:1"})

    assert found.codes("tcp") == ["network.unreachable"]
    assert found.named("failed") == ["tcp"]
    assert found.named("skipped") == ["command", "tls", "server", "clock", *OFFLINE]
    assert {found[name]["status"] for name in ("settings", "directory", "credentials", "dns", "cache")} <= {
        "ok",
        "warning",
    }


def test_unknown_name(sick: Surroundings) -> None:
    """A name without an address fails the step `dns`."""
    found = examine(sick, env={"BWRUN_SERVER": "https://vault.invalid"})

    assert found.codes("dns") in (["network.dns"], ["network.timeout"])
    assert found["tcp"]["text"] == "needs `dns`"


def test_rate_limit(sick: Surroundings, server: BitwardenServer) -> None:
    """A login that the server limits fails as in a run; the next doctor says that the wait goes on."""
    if not str(sick.runtime).startswith("/dev/shm/"):  # noqa: S108
        unavailable("there is no /dev/shm")
    server.set_fault(Fault(TOKEN, Status(429, "{}", headers={"Retry-After": "60"})))
    first = examine(sick, "--timeout", "20")
    second = examine(sick, "--timeout", "20")

    assert first.codes("login") == second.codes("login") == ["server.rate-limit"]
    assert first["waits"]["facts"] == {"logins": 0.0, "requests": 0.0}
    assert second["waits"]["status"] == "warning"
    assert 0 < second["waits"]["facts"]["logins"] <= 60
    assert "bwrun --clean" in hints(second, "waits")
    assert len([one for one in server.requests() if one.path.endswith(TOKEN)]) == 1


def test_clock(sick: Surroundings, server: BitwardenServer) -> None:
    """A clock that is ten minutes off is a warning that says which way, and a run works."""
    date = formatdate(time.time() + 600, usegmt=True)
    server.set_fault(Fault(CONFIG, Status(200, '{"version": "1.2.3"}', headers={"Date": date})))

    found = examine(sick, works=True)

    assert found["clock"]["status"] == "warning"
    assert -605 < found["clock"]["facts"]["skew"] < -590
    assert "behind the server's" in found["clock"]["text"]
    assert "slow" in found["clock"]["messages"][0]["text"]


def test_server_that_says_nothing(sick: Surroundings, server: BitwardenServer) -> None:
    """A run needs no answer to the question for the version, so none is a warning. Control characters are escaped."""
    server.set_fault(Fault(CONFIG, Status(500), count=4))
    silent = examine(sick, works=True)
    about = json.dumps({"version": "1.2.3", "server": {"name": "Vault\x1b]0;x\x07warden"}})
    server.set_fault(Fault(CONFIG, Status(200, about)))
    spoken = sick.run("--doctor", "--no-session", env={"X": f"bw://item {CANARY}/password"})

    assert silent["server"]["status"] == "warning"
    assert "[server.unavailable]" in silent["server"]["messages"][0]["text"]
    assert "Vault\\x1b]0;x\\x07warden, as Bitwarden 1.2.3" in spoken.stdout
    assert "skipped  session        the command would get none (`--no-session`)" in spoken.stdout


def test_no_directory(sick: Surroundings) -> None:
    """Without a place for the session, login and references are looked at; the session is not."""
    found = examine(sick, env={"BWRUN_RUNTIME_DIR": "/nowhere"})

    assert found.codes("directory") == ["session.runtime-dir"]
    assert found.named("failed") == ["directory"]
    assert found.named("skipped") == ["command", "session"]


def test_status_is_that_of_a_run(sick: Surroundings) -> None:
    """Of several failures, the one that a run would meet first decides the exit status."""
    found = examine(sick, "--", "no-such-command", env={"BW_PASSWORD": "wrong"})

    assert found.ended.status == 127
    assert found.codes("command") == ["command.not-found"]
    assert found.named("failed") == ["command", "unlock"]


def test_wrong_setting(sick: Surroundings) -> None:
    """With a wrong setting, nothing is sent, and only what needs no setting is looked at."""
    found = examine(sick, env={"BWRUN_TIMEOUT": "soon"})

    assert found.codes("settings") == ["config.timeout"]
    assert {name for name, status in found.statuses.items() if status != "skipped"} == {"settings", "memory"}


def test_references(sick: Surroundings) -> None:
    """A reference that cannot be resolved is named by its variable alone: what it says may be the name of an item."""
    environment = {"A": f"bw://missing {CANARY}/x", "B": f"bw://item {CANARY}/nothing", "C": f"bw://item {CANARY}"}
    found = examine(sick, "--item", f"none {CANARY}", env=environment)
    malformed = examine(sick, env={"A": f"bw://{CANARY}?x=y"})
    doubtful = examine(sick, env={"A": f"@bw://other {CANARY}/notes"}, works=True)

    assert sorted(found.codes("references")) == ["reference.no-field", *["reference.not-found"] * 2]
    assert [one["text"].partition(":")[0] for one in found["references"]["messages"]] == ["--item", "A", "B"]
    assert malformed.codes("plan") == ["reference.invalid"]
    assert malformed["unlock"]["status"] == "ok"
    assert "no newline at its end" in doubtful["references"]["messages"][0]["text"]


def test_missing_credentials(sick: Surroundings, vault: Account) -> None:
    """Without a terminal, what is missing is named and the way to the server is looked at; on one, it is asked for."""
    del sick.environment["BW_PASSWORD"]
    found = examine(sick)
    with Terminal.start([BWRUN, "--doctor"], sick.environment, sick.work) as terminal:
        terminal.wait_for("Bitwarden master password: ")
        terminal.type(f"{vault.master_password}\n")

        assert terminal.ended() == 0
    assert found.codes("credentials") == ["credentials.missing"]
    assert found["server"]["status"] == "ok"
    assert found.named("skipped") == ["command", "waits", "login", "sync", "unlock", "references", "cache", "session"]
    assert "master password from the prompt" in terminal.screen
    assert CANARY not in terminal.screen


def test_proxy(sick: Surroundings) -> None:
    """Through a proxy, name and connection are the proxy's to find; TLS is with the server as ever."""
    with connect_proxy() as proxy:
        url = f"http://{proxy.host}"
        found = examine(sick, env={"https_proxy": url}, works=True)

    assert found["proxy"]["facts"]["identity"] == {"proxy": url, "variable": "https_proxy"}
    assert found["dns"]["text"] == found["tcp"]["text"] == f"requests go through the proxy {url}"
    assert found["tls"]["facts"]["version"] == "TLSv1.3"
    assert list(found.statuses).index("tls") > list(found.statuses).index("server")


def test_kept_credentials(sick: Surroundings, server: BitwardenServer, vault: Account) -> None:
    """What `bwrun --login` keeps is named, and used as in a run; where it is not, the report says why."""
    path = write_kept(without_credentials(sick).home, vault, server=server.url)
    found = examine(sick, works=True)
    other = examine(sick, "--server", "https://vault.invalid")
    path.chmod(0o666)
    open_to_others = examine(sick)

    facts = found["kept"]["facts"]
    assert (facts["used"], facts["path"], facts["server"]) == (True, str(path), server.url)
    assert facts["missing"] == ["BW_CLIENTID", "BW_CLIENTSECRET", "BW_PASSWORD"]
    assert found["servers"]["facts"]["set_by"] == "`bwrun --login`"
    assert {str(place).strip("`") for place in found["credentials"]["facts"].values() if place} == {str(path)}
    assert other["kept"]["facts"]["used"] is False
    assert other["kept"]["status"] == "warning"
    assert other.codes("credentials") == ["credentials.missing"]
    assert open_to_others["kept"]["status"] == "failed"
    assert open_to_others["servers"]["text"] == "needs `kept`"


def test_two_hosts(sick: Surroundings, server: BitwardenServer) -> None:
    """An API at another host than the login has steps of its own."""
    port = server.url.rpartition(":")[2]
    words = ("--identity-url", server.identity_url, "--api-url", f"https://127.0.0.1:{port}/api")
    found = examine(sick, *words, works=True)

    assert (found["dns"]["facts"]["host"], found["api-dns"]["facts"]["host"]) == ("localhost", "127.0.0.1")
    assert found["tls"]["facts"]["issuer"] == found["api-tls"]["facts"]["issuer"]
    assert len(found["api-tcp"]["facts"]["attempts"]) == 1


def test_inside_another_run(sick: Surroundings, tmp_path: Path) -> None:
    """Inside a bwrun, a run would use that one's session: no login, and it is there afterwards."""
    program = put_program(tmp_path / "cli", "bw", REFUSES)
    script = '"$0" --doctor --json; echo; test -s "$BITWARDENCLI_APPDATA_DIR/data.json" && echo still there'
    done = sick.run("--", "/bin/sh", "-c", script, BWRUN, env={"PATH": str(program) + ":/usr/bin:/bin"})

    text, _, after = done.stdout.rpartition("\n\n")
    found = Examined(done, json.loads(text))
    assert (found.report["status"], after) == (0, "still there\n")
    assert found["plan"]["facts"]["uses_outer_session"]
    assert found["session"]["text"] == "that of the outer bwrun"
    assert found["login"]["text"] == "a run would use the session of the outer bwrun"
    assert found["bw"]["facts"]["programs"][0]["accepts"] is False


def test_without_the_server(sick: Surroundings) -> None:
    """With a vault in the cache and --offline, a run works although the server cannot be reached; without one, not."""
    empty = examine(sick, "--cache", "--offline=always")
    assert sick.run("--cache", "--", "/bin/true").status == 0
    away = {"https_proxy": "http://127.0.0.1:1"}

    found = examine(sick, "--cache", "--offline=always", env=away, works=True)
    strict = examine(sick, "--cache", env=away)

    assert empty.codes("cache") == ["config.nothing-cached"]
    assert found["cache"]["facts"]["usable"]
    assert found["server"]["status"] == "warning"
    assert strict.codes("server") == ["network.proxy"]


def test_warnings_of_files(sick: Surroundings, vault: Account) -> None:
    """What a run warns of is in the report: here an env file that others can read. config.toml is named too."""
    write_private(sick.work / "env", f"BW_PASSWORD='{vault.master_password}'")
    (sick.work / "env").chmod(0o644)
    own = sick.home / ".config" / "bwrun" / "config.toml"
    own.parent.mkdir(parents=True, mode=0o700)
    write_private(own, "[profile.test]", "timeout = 50")
    found = examine(sick, "--env-file", "env", "--profile", "test", env={"BW_PASSWORD": None}, works=True)

    assert found["env-files"]["facts"]["files"][0] | {"owner": ""} == {
        "path": "env", "found": False, "mode": "0644", "owner": "", "settings": 1, "variables": 0,
    }  # fmt: skip
    assert found["env-files"]["facts"]["config_file"] | {"owner": ""} == {
        "path": str(own), "profile": "test", "mode": "0600", "owner": "", "settings": 1,
    }  # fmt: skip
    assert found["settings"]["messages"][0]["text"] == "`env` can be read by other users (mode 0644)"


def test_interrupted(sick: Surroundings, server: BitwardenServer) -> None:
    """Ctrl-C during the login removes the line that says what is waited for, ends bwrun, and leaves nothing."""
    server.set_fault(Fault(TOKEN, Hold()))
    environment = {**sick.environment, "TERM": "xterm"}
    with Terminal.start([BWRUN, "--doctor"], environment, sick.work) as terminal:
        terminal.wait_for("bwrun: logging in to ")
        terminal.type("\x03")

        assert terminal.ended() == -signal.SIGINT
    server.clear_faults()


@pytest.mark.slow
def test_program_that_hangs(sick: Surroundings, tmp_path: Path) -> None:
    """A `bw` that does not end is killed, with all that it has started."""
    started = tmp_path / "started"
    program = put_program(tmp_path / "cli", "bw", f"sleep 1000 & echo $! >{started}; wait")
    found = examine(sick, env={"PATH": f"{program}:/usr/bin:/bin"}, works=True)

    assert found["bw"]["facts"]["programs"][0]["outcome"] == "did not end within 30 s"
    left = int(started.read_text())
    assert not psutil.pid_exists(left) or psutil.Process(left).status() == psutil.STATUS_ZOMBIE


@pytest.mark.slow
def test_program_that_leaves_something_behind(sick: Surroundings, tmp_path: Path) -> None:
    """A `bw` that has ended, but left a process with its stdout, does not hold the doctor up while that runs."""
    started = tmp_path / "started"
    program = put_program(tmp_path / "cli", "bw", f"setsid sleep 1000 & echo $! >{started}; echo 1.2.3")
    try:
        found = examine(sick, env={"PATH": f"{program}:/usr/bin:/bin"}, works=True)
    finally:
        os.kill(int(started.read_text()), signal.SIGKILL)

    assert found["bw"]["facts"]["programs"][0]["outcome"] == "did not end within 30 s"
