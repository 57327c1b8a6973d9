"""The last steps of `--doctor`: the session, and whether each official CLI on PATH accepts it."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
from collections.abc import Mapping

from bwrun.base.tasks import Task
from bwrun.command.environment import environment_without_secrets
from bwrun.command.finding import DEFAULT_PATH
from bwrun.doctor.case import Case
from bwrun.doctor.report import Finding, NotNeededError
from bwrun.session.collecting import collect_limited
from bwrun.session.opening import open_session
from bwrun.system.calls import die_with_parent

PROGRAM = "bw"
PATIENCE = 30.0  # seconds for each call of a CLI
MAX_VERSION = 40  # characters
STATES = ("unlocked", "locked", "unauthenticated")  # that `bw status` can name
NO_CLI = "install it if the command calls `bw`: `npm install -g @bitwarden/cli`; references work without it"
OTHER_CLI = "another version of the CLI may accept it; references (`NAME=bw://…`) work without the CLI"


def write_session(case: Case) -> Finding:
    """Write the session into its directory, as a run does; it is removed when the doctor ends."""
    plan, config = case.plan, case.config
    if plan.outer is not None:
        if plan.outer_session is None:
            raise NotNeededError("the command would get none (`--no-session`)")
        case.session = plan.outer_session
        return Finding("that of the outer bwrun", {"kind": "outer"})
    if not plan.opens_session:
        raise NotNeededError("the command would get none (`--no-session`)")
    data = collect_limited(config, case.unlocked, case.notes, case.chosen, None)
    client_id = case.credentials.api_key.client_id
    case.session = open_session(case.directory, data, client_id, config.ca_files, only=config.only)
    size = sum(entry.stat().st_size for entry in os.scandir(case.directory))
    return Finding(f"written, {size / 1000:.1f} kB", {"kind": "own", "bytes": size})


def try_programs(case: Case) -> Finding:
    """Run each official CLI on PATH in the session."""
    paths = find_programs(environment_without_secrets(case.config, {}, case.bwrun).get(b"PATH"))
    if not paths:
        case.notes.warn("there is no `bw` on PATH", NO_CLI)
        return Finding("none", {"programs": []})
    programs = [_try(case, path) for path in paths]
    lines = [f"`{one['path']}` ({one['version'] or 'unknown version'}): {one['outcome']}" for one in programs]
    refusing = [one for one in programs if one["accepts"] is False]
    if refusing:
        first = " It is the one that a command would run." if refusing[0] is programs[0] else ""
        case.notes.warn(f"{len(refusing)} of {len(programs)} CLI(s) do not accept the session.{first}", OTHER_CLI)
    return Finding(lines[0], {"programs": programs}, tuple(lines[1:]))


def find_programs(path: bytes | None) -> list[str]:
    """Return all files called `bw` that can be run from `path`, a value of PATH, each once."""
    found: dict[str, str] = {}
    for directory in (DEFAULT_PATH if path is None else path).split(b":"):
        file = os.path.join(os.fsdecode(directory) or ".", PROGRAM)
        if os.path.isfile(file) and os.access(file, os.X_OK):
            found.setdefault(os.path.realpath(file), file)
    return list(found.values())


def _try(case: Case, path: str) -> dict[str, object]:
    """Return what a CLI says of itself and of the session; `accepts` is None if there is no session to try."""
    quiet = {b"BW_NOINTERACTION": b"true"}
    environment = environment_without_secrets(case.config, case.session or {}, case.bwrun) | quiet
    status, output = _call(case, path, ("--version",), environment)
    version = output.split("\n")[0][:MAX_VERSION] if status == 0 else None
    accepts, outcome = None, "not tried: there is no session"
    if isinstance(status, str):
        accepts, outcome = False, status
    elif case.session is not None:
        accepts, outcome = _try_session(case, path, environment)
    return {"path": path, "version": version, "accepts": accepts, "outcome": outcome}


def _try_session(case: Case, path: str, environment: Mapping[bytes, bytes]) -> tuple[bool, str]:
    """Return whether a CLI reads the vault of the session, and that in words."""
    nothing = f"bwrun-doctor-{secrets.token_hex(8)}"  # no item has this name, so no item is printed
    status, output = _call(case, path, ("list", "items", "--search", nothing), environment)
    if status == 0 and output == "[]":
        return True, "accepts the session"
    if isinstance(status, str):
        return False, f"`bw list items` {status}"
    _, output = _call(case, path, ("status",), environment)
    try:
        state = json.loads(output)["status"]
    except (ValueError, TypeError, KeyError, RecursionError):
        state = None
    says = f"`bw status` says `{state}`" if state in STATES else "`bw status` does not know it"
    return False, f"does not accept the session: `bw list items` ended with status {status}, and {says}"


def _call(case: Case, path: str, words: tuple[str, ...], environment: Mapping[bytes, bytes]) -> tuple[int | str, str]:
    """Run a CLI; return its status, or in words why it has none, and what it printed."""
    worker = os.getpid()
    try:
        process = subprocess.Popen(
            [path, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            bufsize=0,  # or `close()` would wait for a process that the CLI has left behind with its stdout
            process_group=0,
            preexec_fn=lambda: die_with_parent(worker, after_exec=True),  # noqa: PLW1509  (it calls prctl(2) at most)
        )
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        why = os.strerror(error.errno or 0) if isinstance(error, OSError) else type(error).__name__
        return f"cannot be run: {why}", ""
    with process:
        reading = Task(process.communicate)
        if not case.wait(reading.wait, PATIENCE, f"waiting for {path}"):
            try:
                os.killpg(process.pid, 9)
            except OSError:
                pass  # the CLI has ended, and what it left behind is in a group of its own
            reading.wait(1.0)  # what is left behind may hold its stdout for ever
            return f"did not end within {PATIENCE:.0f} s", ""
        output, _ = reading.result()
    return process.returncode, output.decode("utf-8", "replace").strip()
