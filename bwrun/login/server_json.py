"""
Reading JSON objects from a server, with every type checked.

Names are compared without regard to case: old servers use PascalCase, new ones camelCase, and the reply to a login has
both (protocol notes 1.4). Errors name the part that is missing or wrong, never its value.
"""

from __future__ import annotations

from typing import TypeVar

from bwrun.base.errors import ServerError

T = TypeVar("T")


class JsonObject:
    """A JSON object from a server."""

    def __init__(self, data: object, what: str) -> None:
        """
        Wrap `data`; `what` names it in error messages.

        Raises ServerError: `data` is not a JSON object.
        """
        if not isinstance(data, dict):
            raise ServerError("unexpected-reply", f"{what} is not a JSON object")
        self.what = what
        self.data: dict[str, object] = {str(name).lower(): value for name, value in data.items()}

    def has(self, name: str) -> bool:
        """Return whether the member `name` exists and is not null."""
        return self.data.get(name.lower()) is not None

    def text(self, name: str) -> str | None:
        """Return a text; None if it is missing or null. Raises ServerError: it has another type."""
        value = self._typed(name, str, "text")
        if value is not None and not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
            raise self._wrong(name, "text")  # half a surrogate pair, which JSON can hold and UTF-8 cannot
        return value

    def number(self, name: str) -> int | None:
        """Return a whole number; None if it is missing or null. Raises ServerError: it has another type."""
        value = self._typed(name, int, "a whole number")
        if isinstance(value, bool):
            raise self._wrong(name, "a whole number")
        return value

    def flag(self, name: str) -> bool | None:
        """Return a boolean; None if it is missing or null. Raises ServerError: it has another type."""
        return self._typed(name, bool, "true or false")

    def child(self, name: str) -> JsonObject | None:
        """Return an object; None if it is missing or null. Raises ServerError: it has another type."""
        value = self.data.get(name.lower())
        return None if value is None else JsonObject(value, f"`{name}` of {self.what}")

    def children(self, name: str) -> list[JsonObject]:
        """Return a list of objects; [] if it is missing or null. Raises ServerError: it has another type."""
        value = self._typed(name, list, "a list") or []
        return [JsonObject(entry, f"`{name}` of {self.what}") for entry in value]

    def required_text(self, name: str) -> str:
        """Return a text. Raises ServerError: it is missing, null or empty, or has another type."""
        value = self.text(name)
        if not value:
            raise self.lacks(name)
        return value

    def required_number(self, name: str) -> int:
        """Return a whole number. Raises ServerError: it is missing or null, or has another type."""
        value = self.number(name)
        if value is None:
            raise self.lacks(name)
        return value

    def lacks(self, name: str) -> ServerError:
        """Return the error for a missing member."""
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
