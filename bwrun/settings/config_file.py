"""The settings of config.toml that count for a run."""

from __future__ import annotations

from bwrun.base.structs import Struct

TYPE_CHECKING = False  # `typing` costs 10 ms at the start of each process
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


class ConfigFile(Struct):
    """The settings of config.toml that count for a run, by the names of their variables."""

    path: str
    profile: str | None  # the one that the user chose
    values: Mapping[str, str]
    lists: Mapping[str, tuple[str, ...]]  # those of `values` that are lists
    keys: Mapping[str, str]  # what the file calls each
    profiles_own: Collection[str]  # those that are in the profile's table, and not at the top of the file
    is_default = False  # an env file has the same: config.toml is trusted with every setting

    def place(self, name: str) -> str:
        """Return where the setting of the variable `name` is, for messages."""
        return place_in(self.path, self.profile if name in self.profiles_own else None)

    def key(self, name: str) -> str:
        """Return what the file calls the setting of the variable `name`."""
        return self.keys[name]

    def parts(self, name: str) -> tuple[str, ...] | None:
        """Return the parts of a list; None if the setting is none."""
        return self.lists.get(name)

    def is_cut(self, name: str) -> bool:  # noqa: ARG002  (an env file has the same)
        """Return whether the value of `name` was cut at a comment, which cannot be in TOML."""
        return False

    @property
    def described(self) -> str:
        """Return file and profile, for messages."""
        return f"`{self.path}`" + ("" if self.profile is None else f" (profile `{self.profile}`)")


def place_in(path: str, profile: str | None) -> str:
    """Return what messages call the table of a profile, or the top of the file."""
    return f"`{path}`" if profile is None else f"[profile.{profile}] of `{path}`"
