"""
Programs that use bwrun as a library, as people write them: `python sample.py NAME` runs one.

`mypy --strict` checks this file (`make types`). Each prints what its test wants to know, as JSON.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path

from bwrun import (
    BwrunError,
    ListedItem,
    Session,
    UnresolvedReferencesError,
    Vault,
    WrongMasterPasswordError,
    open_session,
    open_vault,
)

Report = Mapping[str, object]


def values() -> Report:
    """Read values in all ways."""
    with open_vault() as vault:
        password: str = vault.get("bw://prod-db/password")
        raw: bytes = vault.get_bytes("bw://prod-db/username?newline=lf")
        texts: dict[str, str] = vault.resolve(
            {
                "DB_PASSWORD": "bw://prod-db/password",
                "DB_URL": "postgres://{{ bw://prod-db/username }}:{{ bw://prod-db/password }}@localhost/",
                "STAGE": "test",
                "MISSING": "bw://prod-db/nothing",
            },
            optional=["MISSING"],
        )
        items: list[ListedItem] = vault.items()
        code = vault.get("bw://mail/totp")
    return {
        "password": password,
        "raw": raw.decode(),
        "texts": texts,
        "items": [(one.name, one.type, one.reference) for one in items],
        "code": len(code),
    }


def closed() -> Report:
    """Use a vault after its block."""
    with open_vault() as vault:
        shown = repr(vault)
    found = []
    for use in (
        lambda: vault.get("bw://prod-db/password"),
        lambda: vault.resolve({}),
        vault.items,
    ):
        try:
            use()
        except ValueError as error:
            found.append(str(error))
    return {"open": shown, "closed": repr(vault), "errors": found}


def errors() -> Report:
    """Collect errors of the vault."""
    found: dict[str, object] = {}

    def note(name: str, use: Callable[[], object]) -> None:
        try:
            use()
        except BwrunError as error:
            found[name] = [type(error).__name__, error.code, error.message, list(error.hints)]
            found[f"{name} notes"] = error.__notes__

    with open_vault() as vault:
        note("missing", lambda: vault.get("bw://prod-bd/password"))
        note("malformed", lambda: vault.get("prod-db"))
        note("file", lambda: vault.get("@bw://prod-db/password"))
        try:
            vault.resolve({"A": "bw://prod-db/nothing", "B": "bw://", "C": "u:bw://prod-db/password", "D": "x"})
        except UnresolvedReferencesError as error:
            found["all"] = {one.name: one.code for one in error.failures}
    return found


def refused(*opens: Callable[[], object]) -> Report:
    """Return the errors with which vault and session do not open."""
    found = []
    for use in opens or (enter_vault, enter_session):
        try:
            use()
        except BwrunError as error:
            failures = error.failures if isinstance(error, UnresolvedReferencesError) else ()
            found.append(
                {
                    "type": type(error).__name__,
                    "code": error.code,
                    "message": error.message,
                    "hints": list(error.hints),
                    "failures": {one.name: one.code for one in failures},
                    "is_password": isinstance(error, WrongMasterPasswordError),
                    "frames": frames_of(error),
                }
            )
    return {"errors": found}


def frames_of(error: BaseException | None) -> list[str]:
    """Return what a tool that reports errors shows of the library: the variables of all frames."""
    found = []
    while error is not None:
        for frame, _ in traceback.walk_tb(error.__traceback__):
            if frame.f_code.co_filename != __file__:
                found.append(f"{frame.f_code.co_name} {frame.f_locals!r}")
        error = error.__cause__ or error.__context__
    return found


def enter_vault() -> None:
    """Open the vault, and do nothing with it."""
    with open_vault():
        pass


def enter_session() -> None:
    """Open a session, and do nothing with it."""
    with open_session():
        pass


def session() -> Report:
    """Open a session with values, and let a command see it."""
    with open_session(env={"DB_PASSWORD": "bw://prod-db/password"}) as opened:
        code = "import json, os; print(json.dumps(dict(os.environ)))"
        seen = subprocess.run(
            [sys.executable, "-c", code], env=opened.environment, check=True, capture_output=True, text=True
        )
        directory = directory_of(opened)
        files = sorted(one.name for one in directory.iterdir())
        shown = repr(opened)
    return {
        "environment": opened.environment,
        "seen": json.loads(seen.stdout),
        "files": files,
        "left": directory.exists(),
        "shown": shown,
    }


def nested() -> Report:
    """Open a vault and a session inside a session, without credentials."""
    with open_session() as opened:
        inside = opened.environment
        with open_vault(environment=inside) as vault:
            value = vault.get("bw://prod-db/password")
        with open_session(environment=inside, env={"A": "bw://mail/password"}) as second:
            same = second.environment["BW_SESSION"] == inside["BW_SESSION"]
            other = second.environment["A"]
        alive = Path(inside["BITWARDENCLI_APPDATA_DIR"]).exists()
    return {"value": value, "same": same, "other": other, "alive": alive}


def attachments() -> Report:
    """Read an attachment as bytes and as text, later than the time that the login may take."""
    with open_vault(timeout=float(sys.argv[2])) as vault:
        time.sleep(float(sys.argv[3]))
        content = vault.get_bytes("bw://file/attachment/a.bin")
        try:
            vault.get("bw://file/attachment/a.bin")
        except BwrunError as error:
            code = error.code
    return {"content": list(content), "code": code}


def official() -> Report:
    """Let the official CLI (argument 2) read an item."""
    with open_session() as opened:
        words = [sys.argv[2], "get", "password", "prod-db"]
        done = subprocess.run(words, env=opened.environment, check=False, capture_output=True, text=True)
    return {"stdout": done.stdout, "stderr": done.stderr}


def hold() -> Report:
    """Tell that a session is open, and wait for the end of stdin. Argument 2 is a value of no reference."""
    with open_session(env={"DB_PASSWORD": "bw://prod-db/password", "TOKEN": sys.argv[2]}) as opened:
        tell(opened)
        sys.stdin.read()
    return {}


def hold_and_fork() -> Report:
    """Leave a session to the end of this process, while a process that it has forked lives on."""
    with open_session() as opened:
        if os.fork() == 0:
            sys.stdin.read()
            os._exit(0)
        tell(opened)
        sys.stdin.read()
    return {}


def fork_ends() -> Report:
    """Leave the block in a forked process: the session is still that of this one."""
    with open_session() as opened:
        pid = os.fork()
        if pid == 0:
            return {}
        os.waitpid(pid, 0)
        directory = directory_of(opened)
        alive = directory.exists()
    return {"alive": alive, "left": directory.exists()}


def directory_of(opened: Session) -> Path:
    """Return where the session is."""
    return Path(opened.environment["BITWARDENCLI_APPDATA_DIR"])


def tell(opened: Session) -> None:
    """Print where the session is."""
    show({"directory": str(directory_of(opened))})


def show(found: Report) -> None:
    """Print one line of JSON."""
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()


def interrupted() -> Report:
    """Go on after Ctrl-C in the block, as a program does that catches it."""
    with open_session(prompt=True) as opened:
        try:
            tell(opened)
            time.sleep(600)
        except KeyboardInterrupt:
            pass
        alive = directory_of(opened).exists()
    return {"alive": alive, "left": directory_of(opened).exists()}


def prompted() -> Report:
    """Ask for what is missing, in the way that argument 2 names."""
    if sys.argv[2] == "vault":
        with open_vault(prompt=True) as vault:
            return {"value": vault.get("bw://prod-db/password")}
    if sys.argv[2] == "thread":
        found: list[Report] = []
        sys.argv[2] = "vault"
        thread = threading.Thread(target=lambda: found.append(prompted()))
        thread.start()
        thread.join()
        return found[0]
    with open_session(prompt=True, env={"VALUE": "bw://prod-db/password"}) as opened:
        return {"value": opened.environment["VALUE"]}


def state() -> dict[str, object]:
    """Return what of this process the library must leave as it is."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {
        "handlers": {number: str(signal.getsignal(number)) for number in signal.valid_signals()},
        "mask and dispositions": [status[name] for name in ("SigBlk", "SigIgn", "SigCgt")],
        "environment": dict(os.environ),
        "directory": str(Path.cwd()),
        "umask": status["Umask"],
        "garbage collection": gc.isenabled(),
        "path": list(sys.path),
        "limits": Path("/proc/self/limits").read_text(),
        "dumpable and parent's death": [ctypes.CDLL(None).prctl(3), status["PPid"]],
        "stdio": [str(Path(f"/proc/self/fd/{number}").readlink()) for number in range(3)],
    }


def resources() -> tuple[list[str], int]:
    """Return the open descriptors and the number of threads."""
    gc.collect()
    found = []
    for entry in sorted(Path("/proc/self/fd").iterdir(), key=lambda one: int(one.name)):
        try:
            found.append(f"{entry.name} {entry.readlink()}")
        except OSError:
            pass  # the descriptor with which the directory is read
    return found, len([*Path("/proc/self/task").iterdir()])


def twice() -> Report:
    """Open vault and session, once to import all, then three times; compare what they leave behind."""
    os.umask(0o27)
    signal.signal(signal.SIGTERM, lambda *_: None)

    def use() -> None:
        with open_vault() as vault:
            vault.get("bw://prod-db/password")
        with open_session(env={"A": "bw://prod-db/password"}):
            pass
        refused(lambda: fail_with(open_vault), lambda: fail_with(open_session))

    use()
    before, at_first = state(), resources()
    for _ in range(3):
        use()
    end = time.monotonic() + 60
    while (after := resources()) != at_first and time.monotonic() < end:
        time.sleep(0.05)
    changed = {name: [was, now] for name, was in before.items() if (now := state()[name]) != was}
    return {"changed": changed, "before": at_first, "after": after}


def fail_with(function: Callable[..., object]) -> None:
    """Enter a block with a server that nobody is at."""
    with function(server="https://127.0.0.1:9", timeout=1):  # type: ignore[attr-defined]
        pass


def threads() -> Report:
    """Use one vault, and sessions, from several threads at once."""
    found: list[str] = []

    def read(vault: Vault) -> None:
        found.extend(vault.get(f"bw://{name}/password") for name in ("prod-db", "mail") for _ in range(20))

    def open_own() -> None:
        with open_session(env={"A": "bw://prod-db/password"}) as opened:
            found.append(opened.environment["A"])

    with open_vault() as vault:
        running = [threading.Thread(target=read, args=(vault,)) for _ in range(4)]
        running += [threading.Thread(target=open_own) for _ in range(2)]
        for one in running:
            one.start()
        for one in running:
            one.join()
    return {"found": sorted(set(found)), "count": len(found)}


def in_asyncio() -> Report:
    """Read a value while an event loop runs."""

    def read() -> str:
        with open_vault() as vault:
            return vault.get("bw://prod-db/password")

    def run() -> str:
        with open_session(env={"A": "bw://mail/password"}) as opened:
            return opened.environment["A"]

    async def main() -> list[str]:
        return [*await asyncio.gather(asyncio.to_thread(read), asyncio.to_thread(run))]

    return {"values": asyncio.run(main(), debug=False)}  # which would log what takes 100 ms


def logged() -> Report:
    """Log all that the library tells."""
    records: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(f"{record.levelname} {record.getMessage()}")

    logger = logging.getLogger("bwrun")
    logger.addHandler(Keep())
    logger.setLevel(logging.DEBUG)
    enter_vault()
    in_vault = [*records]
    records.clear()
    enter_session()
    return {"vault": in_vault, "session": records}


def options() -> Report:
    """Pass options of all kinds."""
    found: dict[str, object] = {}
    no_variables = {name: text for name, text in os.environ.items() if not name.startswith("BW")}
    with open_vault(environment=no_variables, env_file=Path("named.env"), timeout=30, cache=False) as vault:
        found["named"] = vault.get("bw://prod-db/password")
    with open_session(environment=no_variables, env_file=["named.env"], only="prod-db", no_session=False) as opened:
        found["only"] = "BW_SESSION" in opened.environment
    with open_session(no_session=True, item="prod-db", env={"A": "bw://mail/password"}) as opened:
        found["no_session"] = ["BW_SESSION" in opened.environment, opened.environment["A"]]
    reading, writing = os.pipe()
    os.write(writing, os.environ["BW_PASSWORD"].encode())
    os.close(writing)
    with open_session(password_fd=reading, env={"A": "bw://mail/password"}) as opened:
        found["fd"] = opened.environment["A"]
    found["fd is open"] = Path(f"/proc/self/fd/{reading}").exists()
    password_only = os.environ | {"PW": os.environ["BW_PASSWORD"], "BW_PASSWORD": ""}
    with open_vault(password_command='printf %s "$PW"', environment=password_only) as vault:
        found["command"] = vault.get("bw://prod-db/password")
    return found


def env_files() -> Report:
    """Pass an empty list of env files where there is a `.env` that cannot be used."""
    with open_vault(env_file=[]) as vault, open_session(env_file=[], env={"A": "bw://mail/password"}) as opened:
        found = [vault.get("bw://prod-db/password"), opened.environment["A"]]
    return {"values": found, **refused()}


def cached() -> Report:
    """Open vaults and a session with the cache."""
    found = []
    for _ in range(3):
        with open_vault(cache="1h") as vault:
            found.append(vault.get("bw://prod-db/password"))
    with open_session(cache=True, env={"A": "bw://mail/password"}) as opened:
        found.append(opened.environment["A"])
    return {"values": found}


def wrong_keywords() -> Report:
    """Pass keywords that there are not, and values of wrong types."""
    found = []
    calls: list[tuple[Callable[..., object], Mapping[str, object]]] = [
        (open_vault, {"sever": "eu"}),
        (open_vault, {"only": "prod-db"}),
        (open_session, {"timeout": True}),
        (open_vault, {"allow_protected": "yes"}),
        (open_session, {"only": 7}),
        (open_session, {"env": ["A=canary"]}),
        (open_session, {"env": {"A": b"canary"}}),
        (open_vault, {"environment": {"A": b"canary"}}),
        (open_session, {"environment": "canary"}),
        (open_session, {"only": False}),
    ]
    for function, given in calls:
        try:
            with function(**given):  # type: ignore[attr-defined]
                found.append("opened")
        except TypeError as error:
            found.append(str(error))
    return {"errors": found}


PROGRAMS: dict[str, Callable[[], Report]] = {
    one.__name__: one
    for one in (
        values, closed, errors, refused, session, nested, attachments, official, hold, hold_and_fork, fork_ends,
        interrupted, prompted, twice, threads, in_asyncio, logged, options, env_files, cached, wrong_keywords,
    )
}  # fmt: skip

if __name__ == "__main__":
    show(PROGRAMS[sys.argv[1]]())
