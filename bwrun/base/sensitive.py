"""
The type of every secret that is passed between modules.

A `Sensitive` shows nothing when it is printed, formatted or logged, cannot be pickled, and is compared in constant
time. `reveal()` is the only way to the bytes, and easy to search for.

It does not wipe memory, because CPython copies bytes. The worker's memory is replaced as a whole when it becomes the
command.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


class Sensitive:
    """Secret bytes that cannot be shown by accident."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        """Wrap `value` without copying it."""
        self._value = value

    def reveal(self) -> bytes:
        """Return the secret itself."""
        return self._value

    def __repr__(self) -> str:
        """Return a text that shows nothing of the secret."""
        return "Sensitive(…)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        """Return the repr, whatever format is asked for."""
        return repr(self)

    def __len__(self) -> int:
        """Return the size of the secret in bytes."""
        return len(self._value)

    def __bool__(self) -> bool:
        """Return whether the secret has any bytes."""
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        """Compare with another Sensitive in constant time; anything else is unequal."""
        from hmac import compare_digest  # noqa: PLC0415  (5 ms, and most runs compare no secrets)

        return isinstance(other, Sensitive) and compare_digest(self._value, other._value)

    __hash__ = None  # type: ignore[assignment]  # a secret must not become the key of a dict

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled. Raises TypeError."""
        raise TypeError("a secret is not pickled")
