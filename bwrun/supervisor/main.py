"""
The supervisor's main flow: it guards the session's directory while the command runs, and ends as the command ended.

The process that the caller started becomes the supervisor, so it has the pid that the caller knows. All signals are
blocked from its start to its end and handled one by one, so that none can interrupt the clearing.
"""

from __future__ import annotations

import os

from bwrun.base.errors import STATUS_FAILED
from bwrun.supervisor import ending
from bwrun.supervisor.printing import print_line
from bwrun.supervisor.supervision import Supervision

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def main(channel: int, worker: int) -> NoReturn:
    """Supervise process `worker`, which sends messages to the descriptor `channel`, and end as it ended."""
    run = Supervision(channel, worker)
    try:
        run.take_over()
        run.prepare()
        status = run.wait()
    except OSError as error:
        why = os.strerror(error.errno or 0)
        print_line(f"error: cannot start the processes that guard the session: {why} [session.unguarded]")
        run.abandon()
        status = STATUS_FAILED << 8
    except BaseException as error:  # noqa: BLE001  (the session must be cleared, and no traceback shown)
        print_line(f"error: internal error: {type(error).__name__} in the supervisor [internal]")
        run.abandon()
        status = STATUS_FAILED << 8
    if not run.clear() and status == 0:
        status = STATUS_FAILED << 8
    if run.interrupted is not None:
        status = run.interrupted  # as waitpid(2) gives it: ended by that signal
    ending.end_by_status(status, by_code=run.ends_by_code)
