"""
Reading a server's JSON: any case of names, every type checked, each missing part named.

Old servers answer in PascalCase, new ones in camelCase, and the token reply
mixes both (protocol notes 1.4), so names are compared without case.
"""

from __future__ import annotations

from typing import TypeVar

from bwrun.base.errors import ServerError

T = TypeVar("T")


class Wire:
    """A JSON object from a server."""

    def __init__(self, data: object, what: str) -> None:
        """
        Wrap `data`; `what` is the name of the reply or the part, for messages.

        Raises ServerError: it is no JSON object.
        """
        if not isinstance(data, dict):
            raise ServerError("unexpected-reply", f"{what} is not a JSON object")
        self.what = what
        self.data: dict[str, object] = {str(name).lower(): value for name, value in data.items()}

    def has(self, name: str) -> bool:
        """Return whether `name` is there and not null."""
        return self.data.get(name.lower()) is not None

    def text(self, name: str) -> str | None:
        """Return a text, None if it is missing or null. Raises ServerError: it is something else."""
        value = self._typed(name, str, "text")
        if value is not None and not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
            raise self._wrong(name, "text")  # JSON can write half a character, UTF-8 cannot
        return value

    def number(self, name: str) -> int | None:
        """Return a whole number, None if it is missing or null. Raises ServerError: it is something else."""
        value = self._typed(name, int, "a whole number")
        if isinstance(value, bool):
            raise self._wrong(name, "a whole number")
        return value

    def flag(self, name: str) -> bool | None:
        """Return true or false, None if it is missing or null. Raises ServerError: it is something else."""
        return self._typed(name, bool, "true or false")

    def child(self, name: str) -> Wire | None:
        """Return an object, None if it is missing or null. Raises ServerError: it is something else."""
        value = self.data.get(name.lower())
        return None if value is None else Wire(value, f"`{name}` of {self.what}")

    def children(self, name: str) -> list[Wire]:
        """Return a list of objects, [] if it is missing or null. Raises ServerError: it is something else."""
        value = self._typed(name, list, "a list") or []
        return [Wire(entry, f"`{name}` of {self.what}") for entry in value]

    def need_text(self, name: str) -> str:
        """Return a text that must be there. Raises ServerError: it is missing, empty or something else."""
        value = self.text(name)
        if not value:
            raise self.lacks(name)
        return value

    def need_number(self, name: str) -> int:
        """Return a whole number that must be there. Raises ServerError: it is missing or something else."""
        value = self.number(name)
        if value is None:
            raise self.lacks(name)
        return value

    def lacks(self, name: str) -> ServerError:
        """Return the error for a part that is missing."""
        return ServerError(
            "incomplete-reply",
            f"{self.what} lacks `{name}`",
            "check that `--server` is a Bitwarden server, and that it is up to date",
        )

    def _typed(self, name: str, kind: type[T], words: str) -> T | None:
        value = self.data.get(name.lower())
        if value is None:
            return None
        if not isinstance(value, kind):
            raise self._wrong(name, words)
        return value

    def _wrong(self, name: str, words: str) -> ServerError:
        return ServerError("unexpected-reply", f"`{name}` of {self.what} is not {words}")
