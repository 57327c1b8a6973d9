"""Work in threads whose results are waited for: `concurrent.futures` without the 15 ms of its import (it logs)."""

from __future__ import annotations

import threading

from bwrun.base.errors import SessionError

TYPE_CHECKING = False  # `typing` costs 5 ms, and the first thread is to start before
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Generic, TypeVar

    T = TypeVar("T")
else:
    T = None

    class Generic:
        """As far as it is needed to write the class."""

        def __class_getitem__(cls, _item: object) -> type:
            """Return the class."""
            return cls


class Task(Generic[T]):
    """One call in a thread of its own, which never keeps the process from ending."""

    def __init__(self, function: Callable[[], T]) -> None:
        """
        Start it.

        Raises SessionError: there can be no more threads.
        """
        self._function = function
        self._value: T
        self._error: BaseException | None = None
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

    def result(self, patience: float | None = None) -> T:
        """
        Return what the call returned, waiting for it at most `patience` seconds.

        Raises TimeoutError: it goes on still; whatever the call raised.
        """
        self._thread.join(patience)
        if self._thread.is_alive():
            raise TimeoutError
        if self._error is not None:
            raise self._error
        return self._value

    def _run(self) -> None:
        try:
            self._value = self._function()
        except BaseException as error:  # noqa: BLE001  (it is raised where it is waited for)
            self._error = error
