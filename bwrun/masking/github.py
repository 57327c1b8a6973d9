"""
GitHub Actions: telling the runner which values to mask in the log, with `::add-mask::` (workflow commands).

The runner reads such lines from the stdout and the stderr of a step. bwrun writes them to stderr, and only if that is
what the runner reads and nobody else does: a pipe, whose reader is outside of the step. `2> file` and `2>&1 | tee log`
would keep the values. Who is inside of the step has GITHUB_ACTIONS=true in its environment; the runner itself has not.
In a container the runner is not to be seen at all.
"""

from __future__ import annotations

import os

from bwrun.masking.forms import is_masked
from bwrun.system import pipe_readers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

STDERR = 2
VARIABLE = "GITHUB_ACTIONS"


def is_runner(environment: Mapping[str, str]) -> bool:
    """Return whether this is a step of GitHub Actions (its default environment variables)."""
    return environment.get(VARIABLE) == "true"


def add_masks(values: Iterable[bytes]) -> bool:
    """Tell the runner the `values`; return False, and tell nothing, if somebody else would read them too."""
    if not pipe_readers.are_outside(STDERR, f"{VARIABLE}=true".encode()):
        return False
    texts = {text for value in values for text in (value, *value.splitlines()) if is_masked(text)}
    data = b"".join(b"::add-mask::%b\n" % escaped(text) for text in sorted(texts))
    try:
        while data:
            data = data[os.write(STDERR, data) :]
    except OSError:
        return False
    return True


def escaped(value: bytes) -> bytes:
    """Return a value as it stands in a workflow command (`escapeData` in actions/toolkit, packages/core)."""
    return value.replace(b"%", b"%25").replace(b"\r", b"%0D").replace(b"\n", b"%0A")
