"""
`Struct`, a base class for immutable values with named fields: a frozen dataclass that costs nothing at start-up.

The standard library's `dataclasses` imports `inspect` and `ast`, and compiles methods for each class. A Struct instead
of a dataclass saves 22 ms per run; measure it again with `make bench`, after making Struct a frozen dataclass.
Type checkers treat a Struct as a dataclass (PEP 681), so they check the names and types of fields.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import ClassVar, Self, dataclass_transform
else:

    def dataclass_transform(**_options):  # noqa: ANN003, ANN201, D103
        return lambda kind: kind


@dataclass_transform(frozen_default=True)
class Struct:
    """
    The base class. A subclass lists its fields as annotations; a value that is assigned there is the field's default.

    Two Structs are equal if they are of the same class and all fields are equal. The repr shows no field, because one
    may be a secret.
    """

    FIELDS: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        """Collect the names of the fields, inherited ones first. Names in capitals are constants, not fields."""
        own = [name for name in cls.__annotations__ if not name.isupper()]
        cls.FIELDS = (*cls.FIELDS, *(name for name in own if name not in cls.FIELDS))

    def __init__(self, *values: object, **named: object) -> None:
        """
        Take the values of the fields, by position or by name.

        Raises TypeError: a field is missing, unknown or given twice.
        """
        cls = type(self)
        given = dict(zip(cls.FIELDS, values, strict=False))
        if len(values) > len(cls.FIELDS) or given.keys() & named.keys() or not named.keys() <= set(cls.FIELDS):
            raise TypeError(f"{cls.__name__} has other fields")
        given |= named
        missing = [name for name in cls.FIELDS if name not in given and not hasattr(cls, name)]
        if missing:
            raise TypeError(f"{cls.__name__} lacks {', '.join(missing)}")
        self.__dict__.update(given)

    def __setattr__(self, name: str, value: object) -> None:
        """Refuse, because a Struct is immutable. Raises AttributeError."""
        raise AttributeError(f"{type(self).__name__} is immutable")

    def __eq__(self, other: object) -> bool:
        """Return whether `other` is of the same class and has equal fields."""
        return type(other) is type(self) and self.as_tuple() == other.as_tuple()

    def __hash__(self) -> int:
        """Return a hash of the fields."""
        return hash(self.as_tuple())

    def __repr__(self) -> str:
        """Return the name of the class, and nothing of the fields."""
        return f"{type(self).__name__}(…)"

    def replaced(self, **changes: object) -> Self:
        """
        Return a copy in which some fields have other values.

        Raises TypeError: there is no such field.
        """
        return type(self)(**{**self.as_dict(), **changes})

    def as_tuple(self) -> tuple[object, ...]:
        """Return the values of the fields, in order."""
        return tuple(getattr(self, name) for name in self.FIELDS)

    def as_dict(self) -> dict[str, object]:
        """Return the values of the fields, by name."""
        return {name: getattr(self, name) for name in self.FIELDS}
