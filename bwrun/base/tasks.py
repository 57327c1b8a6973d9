"""
One function call in a thread, whose result can be waited for.

The standard library's `concurrent.futures` does the same. It imports `logging` and takes 15 ms, in front of the first
connection; measure that with `python -X importtime -c "import concurrent.futures.thread"`.
"""

from __future__ import annotations

import threading

from bwrun.base.errors import SessionError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Generic, TypeVar

    T = TypeVar("T")
else:
    T = None

    class Generic:
        """Stands for `typing.Generic` at run time: all that `class Task(Generic[T])` needs of it."""

        def __class_getitem__(cls, _item: object) -> type:
            """Return the class itself."""
            return cls


class Task(Generic[T]):
    """One call in a daemon thread, which cannot keep the process from ending."""

    def __init__(self, function: Callable[[], T]) -> None:
        """
        Start the thread, which calls `function`.

        Raises SessionError: the system allows no more threads.
        """
        self._function = function
        self._value: T
        self._error: BaseException | None = None
        self._lock = threading.Lock()
        self._has_value = False
        self._dispose: Callable[[T], object] | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            raise SessionError(
                "no-process", "cannot start a thread", "raise the limit on processes: `ulimit -u`"
            ) from None

    def is_done(self) -> bool:
        """Return whether the call has ended."""
        return not self._thread.is_alive()

    def wait(self, seconds: float) -> bool:
        """Wait at most `seconds` for the call to end; return whether it has."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def result(self, timeout: float | None = None) -> T:
        """
        Wait at most `timeout` seconds for the call to end, and return what it returned.

        Raises TimeoutError: the call has not ended; also everything that the call itself raised.
        """
        self._thread.join(timeout)
        if self._thread.is_alive():
            raise TimeoutError
        if self._error is not None:
            raise self._error
        return self._value

    def discard(self, dispose: Callable[[T], object]) -> None:
        """Call `dispose` with the result, now or as soon as there is one. Nobody waits for the result any more."""
        with self._lock:
            self._dispose = dispose
            has_value = self._has_value
        if has_value:
            dispose(self._value)

    def _run(self) -> None:
        try:
            self._value = self._function()
        except BaseException as error:  # noqa: BLE001  (`result()` raises it)
            self._error = error
            return
        with self._lock:
            self._has_value = True
            dispose = self._dispose
        if dispose is not None:
            dispose(self._value)
