"""
Values with named fields, as dataclasses are, at no cost when a process starts.

`dataclasses` brings `inspect` and `ast` along (20 ms) and compiles each class anew; bwrun starts often, and lives for
a moment.  Type checkers take a Struct for a dataclass (PEP 681), so names, types and immutability are theirs to check.
"""

from __future__ import annotations

TYPE_CHECKING = False  # `typing` costs 10 ms at the start of each process
if TYPE_CHECKING:
    from typing import ClassVar, dataclass_transform
else:

    def dataclass_transform(**_options):  # noqa: ANN003, ANN201, D103
        return lambda kind: kind


@dataclass_transform(frozen_default=True)
class Struct:
    """
    Base of a class whose annotations are its fields, in that order; a class attribute is a field's default.

    Equal to another of its class with equal fields. Its repr shows no field: one may be a secret.
    """

    FIELDS: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        """Learn the names of the fields, inherited ones first; names in capitals are constants of the class."""
        own = [name for name in cls.__annotations__ if not name.isupper()]
        cls.FIELDS = (*cls.FIELDS, *(name for name in own if name not in cls.FIELDS))

    def __init__(self, *values: object, **named: object) -> None:
        """
        Take the fields' values.

        Raises TypeError: one is missing, unknown or given twice.
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
        """Refuse: a Struct does not change."""
        raise AttributeError(f"{type(self).__name__} does not change")

    def __eq__(self, other: object) -> bool:
        """Compare field by field."""
        return type(other) is type(self) and self.as_tuple() == other.as_tuple()

    def __hash__(self) -> int:
        """Hash as equal ones do."""
        return hash(self.as_tuple())

    def __repr__(self) -> str:
        """Say what this is, and nothing of what is in it."""
        return f"{type(self).__name__}(…)"

    def as_tuple(self) -> tuple[object, ...]:
        """Return the fields' values in order."""
        return tuple(getattr(self, name) for name in self.FIELDS)

    def as_dict(self) -> dict[str, object]:
        """Return the fields' values by name."""
        return {name: getattr(self, name) for name in self.FIELDS}
