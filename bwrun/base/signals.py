"""
The signal functions and numbers of the standard library's `signal`, as plain numbers.

`signal` turns its numbers into enums and imports `enum` for that. This module takes them from `_signal`, the C module
below it. That saves 9 of the 35 ms of a nested run; in a first run another import brings `enum` anyway. Measure it
again with `make bench`, after replacing this module's imports by `from signal import *`.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from signal import *  # noqa: F403
else:
    from _signal import *  # noqa: F403
