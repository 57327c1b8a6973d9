"""The output of `--get`, the values of references as they are, and of `--export`, the variables of a run."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from bwrun.base.errors import FailedReferenceError, OutputError, UnresolvedReferencesError
from bwrun.base.output import STDOUT, would_control_terminal, write_bytes
from bwrun.injection.getting import parse_references
from bwrun.injection.lookup import Lookup

if TYPE_CHECKING:
    from bwrun.injection.resolving import ResolvedSecrets
    from bwrun.settings.config import Config
    from bwrun.vault.vault import Vault

RUNNER_HINT = "do not send stderr elsewhere, or leave out `--mask`"
PIPE_HINT = "send it to a file or a program: `>FILE`, `| cat -v`"
Values = list[tuple[str, bytes]]  # each reference and its value, in the order of the command line


def look_up_values(texts: Iterable[str], vault: Vault | None) -> Values:
    """
    Return the values of the arguments of `--get`, each looked up once. `vault` is None if there are none.

    Raises UnresolvedReferencesError: at least one has no value; it contains all failures.
    """
    references = {str(reference): reference for reference in parse_references(texts)}
    if vault is None:
        return []
    lookup = Lookup(vault, ())
    found = {text: lookup.value(text, reference) for text, reference in references.items()}
    if lookup.failures:
        raise UnresolvedReferencesError(lookup.failures)
    values = {text: value for text, value in found.items() if value is not None}
    return [(str(reference), values[str(reference)]) for reference in parse_references(texts)]


def print_values(values: Values) -> int:
    """
    Print the values; return bwrun's exit status.

    One value is printed as the official CLI prints it: as it is, and on a terminal with a newline after it
    (bitwarden/clients:apps/cli/src/utils.ts, `writeLn`). Of several values each is on a line of its own.

    Raises UnresolvedReferencesError: a value would control the terminal, or would be more than a line; OutputError.
    """
    failures = [
        FailedReferenceError(text, problem)
        for text, value in dict(values).items()
        if (problem := _problem(value, several=len(values) > 1)) is not None
    ]
    if failures:
        raise UnresolvedReferencesError(failures)
    ends_line = len(values) > 1 or os.isatty(STDOUT)
    return write_bytes(b"".join(value + (b"\n" if ends_line else b"") for _, value in values))


def print_export(config: Config, resolved: ResolvedSecrets | None) -> int:
    """
    Print what a run would set in the format of `--export`; return bwrun's exit status.

    With `--mask` on GitHub Actions, tell the runner the values from the vault before that.

    Raises UnresolvedReferencesError: the format cannot hold some values; OutputError: stdout cannot be written to, or
    is a terminal that the text would control, or the runner cannot be told.
    """
    from bwrun.injection.exporting import exported_variables  # noqa: PLC0415  (only for --export)
    from bwrun.reports.export_formats import render  # noqa: PLC0415

    content = render(config.export_format, exported_variables(config, resolved))
    if would_control_terminal(content):
        raise OutputError(
            "control-characters", "a value contains characters that would control the terminal", PIPE_HINT
        )
    if config.masked and resolved is not None:
        _tell_runner(config, resolved)
    return write_bytes(content)


def _tell_runner(config: Config, resolved: ResolvedSecrets) -> None:
    """On GitHub Actions, tell the runner what to mask in the log of this step and of all later ones."""
    from bwrun.masking import github  # noqa: PLC0415  (only with --mask)
    from bwrun.planning.concealing import values_to_conceal  # noqa: PLC0415

    if not github.is_runner(config.sources.environment):
        return
    if not github.add_masks(values_to_conceal(None, resolved, None, None)):
        raise OutputError(
            "runner", "the runner cannot be told the values: bwrun's stderr is not what it alone reads", RUNNER_HINT
        )


def _problem(value: bytes, *, several: bool) -> OutputError | None:
    """Return why a value cannot be printed; None if it can."""
    if would_control_terminal(value):
        return OutputError(
            "control-characters", "the value contains characters that would control the terminal", PIPE_HINT
        )
    if several and b"\n" in value:
        hint = "get this value by itself: `bwrun --get` with one reference prints any value"
        return OutputError("several-lines", "the value has more than one line, and each value must be one line", hint)
    return None
