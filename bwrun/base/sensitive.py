"""
The type of every secret.

A secret is never a plain `str` or `bytes` between modules: `Sensitive` has no
readable repr, is not formatted, not pickled, and is compared in constant time.
`reveal()` is the only way out, easy to grep for.  (It cannot be wiped from
memory: CPython copies.  The worker's address space ends with its execve.)
"""

from __future__ import annotations

TYPE_CHECKING = False  # `typing` costs 10 ms at the start of each process
if TYPE_CHECKING:
    from typing import NoReturn


class Sensitive:
    """Secret bytes that do not show themselves by accident."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        """Wrap `value`, which is not copied."""
        self._value = value

    def reveal(self) -> bytes:
        """Return the secret itself."""
        return self._value

    def __repr__(self) -> str:
        """Say that something is here, and nothing of it."""
        return "Sensitive(…)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        """Format as the repr, whatever is asked for."""
        return repr(self)

    def __len__(self) -> int:
        """Return the secret's size in bytes."""
        return len(self._value)

    def __bool__(self) -> bool:
        """Return whether there is anything in it."""
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        """Compare in constant time, with another Sensitive only."""
        from hmac import compare_digest  # noqa: PLC0415  (5 ms, and most runs compare none)

        return isinstance(other, Sensitive) and compare_digest(self._value, other._value)

    __hash__ = None  # type: ignore[assignment]  # a secret is no key of a dict

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled."""
        raise TypeError("a secret is not pickled")
