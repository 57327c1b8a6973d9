"""`--mask`: which of the command's outputs are masked."""

from __future__ import annotations

from bwrun.base.errors import ConfigError
from bwrun.settings.sources import variable_name

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
    given = options.values.get("mask")
    if given is not None:
        return descriptors_of(given, "`--mask`")
    found = sources.find(variable_name("mask"))
    return OFF if found is None else descriptors_of(found.value, found.called)


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
