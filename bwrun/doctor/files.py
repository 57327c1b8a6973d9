"""The steps of `--doctor` that need no server: settings, env files, the command, what a run would do."""

from __future__ import annotations

import os
import stat

from bwrun.base.errors import SessionError
from bwrun.command.environment import environment_without_secrets
from bwrun.command.finding import find_command
from bwrun.doctor.case import Case
from bwrun.doctor.report import Finding, NotNeededError
from bwrun.opening import steps
from bwrun.planning.plan import Plan, make_plan
from bwrun.settings.config_file import ConfigFile
from bwrun.settings.env_files import EnvFile
from bwrun.settings.sources import is_bwrun_variable


def read_settings(case: Case) -> Finding:
    """Read the options, the environment, the env files and config.toml, and check every setting."""
    config = steps.read_settings(case.options, case.environment)
    case.config = config
    case.notes.verbose = config.verbose
    case.notes.print_warnings(config.warnings)
    names = sorted(name for name in config.sources.environment if name.startswith("BWRUN_"))
    return Finding(
        f"no errors; set in the environment: {', '.join(names) or 'none'}",
        {"environment": names, "options": sorted({*case.options.values, *case.options.lists, *case.options.flags})},
    )


def list_env_files(case: Case) -> Finding:
    """List the files that settings, credentials and variables come from, with modes and owners."""
    sources = case.config.sources
    files = [_describe(file) for file in sources.files]
    own = None if sources.config_file is None else _describe_own(sources.config_file)
    lines = [
        f"`{one['path']}` ({'found' if one['found'] else 'named'}; mode {one['mode']}, owner {one['owner']}): for bwrun"
        f" {one['settings']} variable(s), for the command {one['variables']}"
        for one in files
    ] or ["none: there is no `.env` in the working directory or above it in its git repository, and none is named"]
    if own is not None:
        chosen = f"profile `{own['profile']}`" if own["profile"] else "no profile"
        lines.append(
            f"`{own['path']}` ({chosen}; mode {own['mode']}, owner {own['owner']}): {own['settings']} setting(s)"
        )
    return Finding(lines[0], {"files": files, "config_file": own}, tuple(lines[1:]))


def _describe(file: EnvFile) -> dict[str, object]:
    ours = sum(map(is_bwrun_variable, file.values))
    mode, owner = _mode_and_owner(file.path)
    return {
        "path": file.path,
        "found": file.is_default,
        "mode": mode,
        "owner": owner,
        "settings": ours,
        "variables": len(file.values) - ours,
    }


def _describe_own(file: ConfigFile) -> dict[str, object]:
    mode, owner = _mode_and_owner(file.path)
    return {"path": file.path, "profile": file.profile, "mode": mode, "owner": owner, "settings": len(file.values)}


def _mode_and_owner(path: str) -> tuple[str | None, str | None]:
    """Return them in words; None if the file is gone, or was a pipe."""
    try:
        status = os.stat(path)
    except OSError:
        return None, None
    return f"{stat.S_IMODE(status.st_mode):04o}", owner_of(status)


def owner_of(status: os.stat_result) -> str:
    """Return the name of a file's owner, or the number if there is no name for it."""
    import pwd  # noqa: PLC0415  (only here)

    try:
        return pwd.getpwuid(status.st_uid).pw_name
    except KeyError:
        return str(status.st_uid)


def look_for_command(case: Case) -> Finding:
    """Look for the command as a run does."""
    if not case.config.command:
        raise NotNeededError("no command was given")
    environment = environment_without_secrets(case.config, {}, case.bwrun)
    path = os.fsdecode(find_command(case.config.command[0], environment.get(b"PATH")))
    return Finding(path, {"path": path})


def plan_run(case: Case) -> Finding:
    """Decide what a run would do, without the server: read the references, and look for an outer session."""
    config = case.config.replaced(command=())
    # What most runs do, for the steps after this one if it fails.
    case.plan = Plan(None, None, None, None, opens_session=config.wants_session, logs_in=True, items=(), dialed=None)
    plan = make_plan(config, case.bwrun, case.notes)
    if plan.outer is not None:
        from bwrun.planning.outer_vault import read_outer  # noqa: PLC0415  (few runs are nested)

        plan, case.outer_vault = read_outer(plan, config, case.notes)
    case.plan = plan
    references = len(plan.requested.references) if plan.requested else 0
    nested = plan.outer is not None
    if nested:
        steps = ["use the session of the outer bwrun"]
    else:
        steps = [*(["log in"] if plan.logs_in else []), *(["open a session"] if plan.opens_session else [])]
    steps += [f"resolve {references} reference(s)"] if references else []
    return Finding(
        ", ".join(steps) or "start the command with no value from the vault",
        {
            "logs_in": plan.logs_in,
            "opens_session": plan.opens_session,
            "uses_outer_session": nested,
            "references": references,
        },
    )


def request_directory(case: Case) -> Finding:
    """Have the directory for the session made, as a run does, and look where it is."""
    case.supervisor.request_directory(needed=case.plan.needs_directory, dry_run=False)
    directory = case.supervisor.wait_until_guarded()
    if directory is None:
        raise SessionError("unguarded", "the supervisor is dead")
    if not directory:
        raise NotNeededError("a run would make none")
    case.directory = directory
    base = os.path.dirname(directory)
    from bwrun.supervisor.bases import find_bases  # noqa: PLC0415
    from bwrun.system.places import IN_RAM, file_system_of  # noqa: PLC0415

    _, refused = find_bases(case.environment)
    kind = file_system_of(os.stat(base).st_dev)
    in_ram = kind in IN_RAM if kind else None
    space = os.statvfs(base)
    free = space.f_bavail * space.f_frsize
    if not in_ram:
        case.notes.warn(
            f"`{base}` is not known to be in RAM",
            "set BWRUN_RUNTIME_DIR to a directory in RAM; the session is encrypted, but files of `@bw://` are not",
        )
    where = {True: "in RAM", False: "not in RAM", None: "perhaps not in RAM"}[in_ram]
    name = os.fsdecode(kind) if kind else None
    text = f"in `{base}`, {where} ({name or 'unknown file system'}), {free / 1_000_000:.0f} MB free"
    lines = tuple(f"not used: {one}" for one in refused if not one.endswith(" is not set"))
    facts = {"base": base, "file_system": name, "in_ram": in_ram, "free": free, "refused": refused}
    return Finding(text, facts, lines)


def look_at_memory(case: Case) -> Finding:
    """Look who may read the memory of processes, and whether it can reach a disk."""
    scope = _read("/proc/sys/kernel/yama/ptrace_scope")
    tracing = {
        "0": "other processes of this user can read the memory of the command",
        "1": "only ancestors can read the memory of the command",
        "2": "only root can read the memory of the command",
        "3": "no process can trace another one",
    }.get(scope or "0", "unknown")
    pattern = _read("/proc/sys/kernel/core_pattern")
    import resource  # noqa: PLC0415  (only here)

    limit = resource.getrlimit(resource.RLIMIT_CORE)[0]
    unlimited = limit == resource.RLIM_INFINITY
    if limit != 0:
        case.notes.warn(
            "if the command crashes, its memory and the secrets in it are written to a core file",
            "run `ulimit -c 0` before bwrun, or set LimitCORE=0 in the unit",
        )
    swaps = (_read("/proc/swaps") or "").splitlines()[1:]
    swap = "swap is in use, so RAM can reach a disk" if swaps else "no swap"
    core = "unlimited" if unlimited else str(limit)
    return Finding(
        f"{tracing} (ptrace scope {scope or 'none'})",
        {
            "ptrace_scope": None if scope is None else int(scope),
            "core_limit": None if unlimited else limit,
            "core_pattern": pattern,
            "swap": bool(swaps),
        },
        (f"core limit {core}; {swap}",),
    )


def _read(path: str) -> str | None:
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return None
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(4096).strip()
    except OSError:
        return None
