"""The report of `--doctor`: how each step ended, as text that grows step by step, or as JSON at the end."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping

from bwrun.base.console import Console, WarningMessage, place_of, printable
from bwrun.base.errors import STATUS_FAILED, BwrunError, UnresolvedReferencesError
from bwrun.base.output import STDOUT, write_out
from bwrun.base.structs import Struct
from bwrun.reports.tables import as_json

FORM = 1  # the version of the JSON form, which counts up if something is taken away or gets another meaning
OK, WARNING, FAILED, SKIPPED = "ok", "warning", "failed", "skipped"
COLOURS = {OK: "32", WARNING: "33", FAILED: "31", SKIPPED: "2"}  # SGR of ECMA-48: green, yellow, red, dim
SEE_CHECK = "run `bwrun --check` with the same options: it shows the reference and says what is wrong with it"


class NotNeededError(Exception):
    """A run would not take this step; the text says why."""


class Finding(Struct):
    """What a step found."""

    text: str
    facts: Mapping[str, object] = {}  # the same for programs
    lines: tuple[str, ...] = ()  # more text, a line each


class Message(Struct):
    """An error or a warning, and what to do about it."""

    kind: str  # error, warning
    code: str | None  # of an error
    text: str
    hints: tuple[str, ...]


class Step(Struct):
    """How a step ended."""

    name: str
    status: str  # OK, WARNING, FAILED or SKIPPED
    text: str
    seconds: float
    messages: tuple[Message, ...] = ()
    facts: Mapping[str, object] = {}
    lines: tuple[str, ...] = ()
    exit_status: int = 0  # that of a run in which this step fails
    errors: tuple[str, ...] = ()  # the codes of its errors

    def as_record(self) -> dict[str, object]:
        """Return the step as the JSON report has it."""
        return {
            "name": self.name,
            "status": self.status,
            "text": self.text,
            "seconds": round(self.seconds, 3),
            "messages": [one.as_dict() for one in self.messages],
            "facts": dict(self.facts),
        }


class Notes(Console):
    """A console that keeps the warnings for the report. The steps of `-v` go to stderr as ever."""

    def __init__(self, *, verbose: bool, started: float) -> None:
        """Take what a Console takes."""
        super().__init__(verbose=verbose, started=started)
        self.warnings: list[WarningMessage] = []

    def warn(self, text: str, *hints: str) -> None:
        """Keep a warning."""
        self.warnings.append(WarningMessage(text, hints))

    def replace_hints(self, hint: str) -> None:
        """Give all warnings of this step another hint, because theirs may have the names of items."""
        self.warnings = [one.replaced(hints=(hint,)) for one in self.warnings]


class Report:
    """Takes the steps, and prints how they ended."""

    def __init__(self, notes: Notes, *, as_json: bool) -> None:
        """`notes` gets the warnings of each step. Without `as_json`, each step is printed as soon as it ended."""
        self.steps: dict[str, Step] = {}
        self._notes = notes
        self._as_json = as_json
        self._is_colourful = not as_json and takes_colours()
        self._is_readable = True  # whether somebody still reads the report

    def take(self, name: str, look: Callable[[], Finding], *needs: str) -> None:
        """Take a step, if all steps that it `needs` went well; otherwise it is skipped, for the same reason."""
        stopped = next((self.steps[one] for one in needs if self.steps[one].status in (FAILED, SKIPPED)), None)
        if stopped is not None:
            why = f"needs `{stopped.name}`" if stopped.status == FAILED else stopped.text
            self._add(Step(name, SKIPPED, why, 0.0))
            return
        began = time.monotonic()
        step = self._look(name, look)
        warnings = tuple(Message(WARNING, None, one.text, one.hints) for one in self._notes.warnings)
        self._notes.warnings = []
        status = WARNING if warnings and step.status == OK else step.status
        took = time.monotonic() - began
        self._add(step.replaced(status=status, messages=step.messages + warnings, seconds=took))

    def excuse(self, name: str, why: str) -> None:
        """Count a failure as a warning, because a run would work all the same."""
        self.steps[name] = self.steps[name].replaced(status=WARNING, exit_status=0)
        if not self._as_json:
            self._write(f"{self._coloured(WARNING)} {name:14} {printable(why)}\n")

    def finish(self, head: Mapping[str, object]) -> int:
        """
        Print the rest of the report; return the exit status that a run would have before its command.

        Raises OutputError: stdout cannot be written to.
        """
        failed = [step for step in self.steps.values() if step.status == FAILED]
        warnings = sum(step.status == WARNING for step in self.steps.values())
        status = failed[0].exit_status if failed else 0
        if self._as_json:
            steps = [step.as_record() for step in self.steps.values()]
            record = {"version": FORM, **head, "works": not failed, "status": status, "steps": steps}
            return write_out(as_json(record)) or status
        counted = f", with {warnings} warning(s)" if warnings else ""
        if failed:
            said = f"a run would fail with status {status}: {', '.join(step.name for step in failed)}"
        else:
            said = f"a run would work{counted}"
        self._write(f"\n{said}\n")
        return status if self._is_readable else status or STATUS_FAILED

    def _look(self, name: str, look: Callable[[], Finding]) -> Step:
        try:
            found = look()
        except NotNeededError as reason:
            return Step(name, SKIPPED, str(reason), 0.0)
        except BwrunError as error:
            messages = tuple(_messages(error))
            text = messages[0].text if len(messages) == 1 else f"{len(messages)} errors"
            codes = tuple(one.code or "" for one in messages)
            return Step(name, FAILED, text, 0.0, messages, exit_status=error.status, errors=codes)
        except Exception as error:  # noqa: BLE001  (the doctor goes on; the text of the exception may quote a secret)
            text = f"internal error: {type(error).__name__} in {place_of(error)}"
            hint = "this is a bug in bwrun; please report it and quote this line"
            message = Message("error", "internal", text, (hint,))
            return Step(name, FAILED, text, 0.0, (message,), exit_status=STATUS_FAILED, errors=("internal",))
        return Step(name, OK, found.text, 0.0, facts=found.facts, lines=found.lines)

    def _add(self, step: Step) -> None:
        self.steps[step.name] = step
        if not self._as_json:
            self._write("".join(f"{line}\n" for line in self._lines(step)))

    def _lines(self, step: Step) -> list[str]:
        shown = [] if step.status == FAILED else [step.text, *step.lines]
        for message in step.messages:
            code = f" [{message.code}]" if message.code else ""
            kind = "" if message.kind == "error" else f"{message.kind}: "
            shown += [f"{kind}{message.text}{code}", *(f"hint: {hint}" for hint in message.hints)]
        first, *more = map(printable, shown)
        return [f"{self._coloured(step.status)} {step.name:14} {first}", *(f"{'':23} {line}" for line in more)]

    def _coloured(self, status: str) -> str:
        padding = " " * (8 - len(status))
        return (f"\x1b[{COLOURS[status]}m{status}\x1b[0m" if self._is_colourful else status) + padding

    def _write(self, text: str) -> None:
        if self._is_readable:
            self._is_readable = write_out(text) == 0


def takes_colours() -> bool:
    """Return whether stdout is a terminal that shows colours, and NO_COLOR (no-color.org) does not forbid them."""
    is_plain = os.environ.get("TERM", "dumb") in ("", "dumb", "unknown") or bool(os.environ.get("NO_COLOR"))
    return not is_plain and os.isatty(STDOUT)


def _messages(error: BwrunError) -> list[Message]:
    """Return what the report says of an error. What a reference says stays out of it: it may be the name of an item."""
    if not isinstance(error, UnresolvedReferencesError):
        return [Message("error", error.code, error.message, error.hints)]
    found = []
    for one in error.failures:
        name = one.name.partition(" ")[0] if one.name.startswith("--") else one.name
        found.append(Message("error", one.code, f"{name}: the reference cannot be resolved", (SEE_CHECK,)))
    return found
