"""The main flow of `--doctor`: all steps, in the order in which a run takes them."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from bwrun import __version__
from bwrun.base.supervisor_link import SupervisorLink
from bwrun.doctor import files, login, network, session
from bwrun.doctor.case import Case
from bwrun.doctor.report import FAILED, SKIPPED, Notes, Report
from bwrun.login.cached_unlocking import NO_ANSWER
from bwrun.settings.caching import ALWAYS, AUTO
from bwrun.settings.command_line import Options

OF_SERVER = ("dns", "tcp", "tls", "server", "clock", "waits", "login", "sync")  # the steps that a cache may replace


def examine(
    options: Options, environment: Mapping[str, str], started: float, supervisor: SupervisorLink, bwrun: int
) -> int:
    """
    Take all steps and print the report on stdout; return bwrun's exit status.

    `environment` is the caller's; `started` is when bwrun began, in seconds of `time.monotonic()`; `bwrun` is the pid
    that the caller knows.

    Raises OutputError: stdout cannot be written to.
    """
    notes = Notes(verbose="verbose" in options.flags, started=started)
    report = Report(notes, as_json=options.json)
    case = Case(options, environment, notes, supervisor, bwrun)
    _look_at_machine(case, report)
    _look_at_network(case, report)
    _look_at_account(case, report)
    _excuse_failures(case, report)
    if "timings" in options.flags:
        notes.print_lines(case.timings.lines())
    system = os.uname()
    return report.finish(
        {
            "bwrun": __version__,
            "python": ".".join(map(str, sys.version_info[:3])),
            "system": f"{system.sysname} {system.release}",
        }
    )


def _look_at_machine(case: Case, report: Report) -> None:
    """Take the steps that need no server."""
    report.take("settings", lambda: files.read_settings(case))
    report.take("env-files", lambda: files.list_env_files(case), "settings")
    report.take("command", lambda: files.look_for_command(case), "settings")
    report.take("plan", lambda: files.plan_run(case), "settings")
    # If `plan` has failed, the next steps have a likely plan.
    report.take("directory", lambda: files.request_directory(case), "settings")
    report.take("memory", lambda: files.look_at_memory(case))
    report.take("kept", lambda: login.look_at_kept(case), "settings")
    report.take("servers", lambda: network.name_servers(case), "kept")
    report.take("credentials", lambda: login.find_credentials(case), "servers")


def _look_at_network(case: Case, report: Report) -> None:
    """Take the steps to the server."""
    report.take("proxy", lambda: network.decide_proxy(case), "servers")
    ready = "proxy"
    through_proxy: list[tuple[str, network.Way]] = []
    for prefix, url in _services(case, report).items():
        way = network.Way(case, url)
        report.take(f"{prefix}dns", way.look_up, "proxy")
        report.take(f"{prefix}tcp", way.reach, f"{prefix}dns")
        if way.proxy is not None:
            through_proxy.append((prefix, way))
            continue
        report.take(f"{prefix}tls", way.secure, f"{prefix}tcp")
        ready = f"{prefix}tls" if url.startswith("https:") else f"{prefix}tcp"
    report.take("server", lambda: network.ask_server(case), ready)
    for prefix, way in through_proxy:
        report.take(f"{prefix}tls", way.secure, "server")
    report.take("clock", lambda: network.compare_clocks(case), "server")


def _services(case: Case, report: Report) -> dict[str, str]:
    """Return the URLs of the services to connect to, by the prefix of their steps' names."""
    if report.steps["servers"].status in (FAILED, SKIPPED):
        return {"": ""}
    return network.services_of(case.config.server)


def _look_at_account(case: Case, report: Report) -> None:
    """Take the steps from the login to the command's session."""
    unlocking = login.Unlocking(case)
    report.take("waits", lambda: login.look_at_waits(case), "credentials")
    report.take("login", unlocking.log_in, "credentials", "server")
    report.take("sync", unlocking.fetch, "login")
    report.take("unlock", unlocking.unlock, "sync")
    source = "plan" if case.outer_vault is not None else "unlock"
    report.take("references", lambda: login.resolve(case), "plan", source)
    report.take("cache", lambda: login.look_at_cache(case), "credentials")
    own = ("directory", "unlock") if _opens_session(case, report) else ()
    report.take("session", lambda: session.write_session(case), "plan", *own)
    report.take("bw", lambda: session.try_programs(case), "settings")


def _opens_session(case: Case, report: Report) -> bool:
    return report.steps["plan"].status not in (FAILED, SKIPPED) and case.plan.opens_session


def _excuse_failures(case: Case, report: Report) -> None:
    """With `--offline` and a vault in the cache, a run works although the server cannot be reached."""
    if not case.is_cached or case.config.cache is None:
        return
    offline = case.config.cache.offline
    for step in [step for name, step in report.steps.items() if name.removeprefix("api-") in OF_SERVER]:
        no_answer = bool(step.errors) and all(code in NO_ANSWER for code in step.errors)
        if step.status == FAILED and (offline == ALWAYS or (offline == AUTO and no_answer)):
            report.excuse(step.name, f"a run would use the vault in the cache (`--offline={offline}`)")
