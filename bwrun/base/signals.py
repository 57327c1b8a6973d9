"""
The names of `signal` that bwrun uses, as plain numbers.

`signal` makes enums of them, and `enum` alone costs half as much as an interpreter's start (9 ms); what is below it has
the same functions.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from signal import *  # noqa: F403
else:
    from _signal import *  # noqa: F403
