"""What `--list` and `--get` print: they need the vault and nothing else of a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from bwrun.settings.config import Config
from bwrun.settings.option_names import LIST

if TYPE_CHECKING:
    from bwrun.vault.vault import Vault


def look_up_answer(config: Config, vault: Vault | None) -> Callable[[], int]:
    """
    Look up what `--list` or `--get` asks for; return what prints it, and then returns bwrun's exit status.

    Raises UnresolvedReferencesError: references of --get have no value.
    """
    if config.mode == LIST:
        from bwrun.reports.listing import print_items  # noqa: PLC0415  (only for --list)

        items = [] if vault is None else vault.list_items()
        return lambda: print_items(items, config)
    from bwrun.reports.values import look_up_values, print_values  # noqa: PLC0415  (only for --get)

    values = look_up_values(config.references, vault)
    return lambda: print_values(values)
