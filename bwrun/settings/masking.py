"""`--mask`: which of the command's outputs are masked."""

from __future__ import annotations

import os

from bwrun.base.errors import ConfigError
from bwrun.settings.option_names import RUN
from bwrun.settings.sources import variable_name
from bwrun.system.common import IS_LINUX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bwrun.settings.command_line import Options
    from bwrun.settings.sources import Sources

OFF = frozenset[int]()
CHOICES = {
    **dict.fromkeys(("1", "true", "yes", "on"), frozenset((1, 2))),
    **dict.fromkeys(("0", "false", "no", "off"), OFF),
    "stdout": frozenset((1,)),
    "stderr": frozenset((2,)),
}


def masked_descriptors(options: Options, sources: Sources) -> frozenset[int]:
    """
    Return the descriptors whose output is masked: 1, 2, both or none.

    Raises ConfigError.
    """
    given, called = options.values.get("mask"), "`--mask`"
    if given is None:
        found = sources.find(variable_name("mask"))
        if found is None:
            return OFF
        given, called = found.value, found.called
    chosen = descriptors_of(given, called)
    if not IS_LINUX and options.mode == RUN and any(map(os.isatty, chosen)):
        raise ConfigError(
            "linux-only", "masking what a command prints on a terminal works on Linux only",
            "send its output through a pipe: `bwrun --mask -- COMMAND 2>&1 | cat`",
        )  # fmt: skip
    return chosen


def descriptors_of(given: str, called: str) -> frozenset[int]:
    """
    Return the descriptors that a value of --mask stands for; `called` is what messages call the setting.

    Raises ConfigError.
    """
    chosen = CHOICES.get(given.lower())
    if chosen is None:
        raise ConfigError(
            "mask",
            f"the value of {called} is not one that masking knows",
            "write `--mask`, `--mask=stdout` or `--mask=stderr`",
        )
    return chosen
