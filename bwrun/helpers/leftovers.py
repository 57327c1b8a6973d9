"""
The helper of `--kill-leftovers`: it ends all processes that the command left running.

For this option the supervisor adopts orphans, so that every process that comes from the command is a descendant of the
supervisor, even a daemon with a session and a process group of its own.
"""

from __future__ import annotations

import sys

from bwrun.system.process_library import end_descendants


def main(words: list[str]) -> None:
    """End the descendants of the process words[0], except the processes words[1:], and print how many there were."""
    supervisor, *spared = map(int, words)
    sys.stdout.write(f"{end_descendants(supervisor, set(spared))}\n")
