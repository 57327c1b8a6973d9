"""
The command's environment, from what was inherited, the env files and the session.

Pure: it never reads os.environ.  Everything is bytes, so that what is not UTF-8 arrives as it came.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from bwrun.sources import Sources, is_own


def command_environment(
    sources: Sources, passed: AbstractSet[str], session: Mapping[str, str], *, drop: AbstractSet[str] = frozenset()
) -> dict[bytes, bytes]:
    """
    Return the environment the command gets.

    What is bwrun's own is taken away unless `passed` names it; the env files'
    other entries come in where the environment has none of that name; the
    session's variables win over all.  `drop` names what Python itself added.
    """
    result = {name: value for name, value in sources.variables().items() if name}
    own = {name: value for name, value in sources.own().items() if name in passed}
    result |= own
    for name, value in sources.environment.items():
        if name not in drop and (not is_own(name) or name in passed):
            result[name] = value
    result |= session
    return {os.fsencode(name): os.fsencode(value) for name, value in result.items()}


def added_by_python(environment: Mapping[str, str], initial: bytes | None) -> frozenset[str]:
    """
    Return the variables that the interpreter set at its start (PEP 538 coerces LC_CTYPE in the C locale).

    `initial` is the environment block this process was started with, None if it is not known.
    """
    if initial is not None and "LC_CTYPE" in environment and not (b"\0" + initial).count(b"\0LC_CTYPE="):
        return frozenset({"LC_CTYPE"})
    return frozenset()
