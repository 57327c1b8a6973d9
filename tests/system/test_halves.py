"""What both halves promise: signals one by one and none lost, waking for data, the end of another process."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.support.program import TIMEOUT
from tests.support.terminal import wait_until

HALVES = {"linux": ("-I", "-S"), "portable": ("-I", "-X", "bwrun-portable")}
ROOT = str(Path(__file__).parents[2])
START = f"""
import os, sys
sys.path.append({ROOT!r})
from bwrun.base import signals
from bwrun.system import calls, common, processes
def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())
"""
SIGNALS = """
signals.pthread_sigmask(signals.SIG_BLOCK, signals.valid_signals())
calls.prepare_signals()
os.set_blocking(0, False)
calls.wake_on(0)
say("ready")
while True:
    received = calls.wait_signal(signals.valid_signals(), 1000.0)
    if received is not None:
        say(received.number)
        continue
    try:
        data = os.read(0, 100)
    except BlockingIOError:
        continue
    say("data", len(data))
    if data == b"w":
        say(calls.wait_signal({signals.SIGCHLD}, 0.05), calls.wait_signal(signals.valid_signals(), 0))
"""
WATCH = """
watch = calls.watch_process(int(sys.argv[1]))
watch.add(0)
say(*watch.wait(0.01), watch.has_ended(0))
say("ready")
while ready := watch.wait(None):
    if 0 in ready:
        data = os.read(0, 100)
        if data[:1] == b"s":
            watch.send(signals.SIGTERM)
        if not data:
            break
    say(*sorted(ready), watch.has_ended(10.0 if common.ENDED in ready else 0))
say(*watch.wait(0), watch.has_ended(0))
watch.send(signals.SIGTERM)
"""
CATCHABLE = sorted(map(int, signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}))


@contextmanager
def program(half: str, code: str, *words: str) -> Iterator[subprocess.Popen[str]]:
    """Run code with one half; it is over when the block is."""
    with subprocess.Popen(
        [sys.executable, *HALVES[half], "-c", START + code, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True, bufsize=1,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()
            process.wait(TIMEOUT)


def line(process: subprocess.Popen[str]) -> str:
    """Return the next line that it says."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def tell(process: subprocess.Popen[str], text: str) -> None:
    """Write to its stdin."""
    assert process.stdin is not None
    process.stdin.write(text)
    process.stdin.flush()


@pytest.mark.parametrize("half", HALVES)
def test_no_signal_is_lost(half: str) -> None:
    """Each signal is received, one after the other; many at once are received once each."""
    at_once = sorted(set(CATCHABLE) - {signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU})  # SIGCONT discards these
    with program(half, SIGNALS) as process:
        assert line(process) == "ready"
        for number in CATCHABLE:
            process.send_signal(number)

            assert line(process) == str(number)
        for _ in range(5):
            process.send_signal(signal.SIGSTOP)
            wait_until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED)
            for number in reversed(at_once):
                if number != signal.SIGCONT:
                    process.send_signal(number)
            process.send_signal(signal.SIGCONT)

            assert sorted(int(line(process)) for _ in at_once) == at_once


@pytest.mark.parametrize("half", HALVES)
def test_waiting_ends_when_data_arrives(half: str) -> None:
    """Data wakes the process that waits for signals; the end of the data wakes it once."""
    with program(half, SIGNALS) as process:
        assert line(process) == "ready"
        tell(process, "w")
        assert line(process) == "data 1"
        assert line(process) == "None None"
        assert process.stdin is not None
        process.stdin.close()
        assert line(process) == "data 0"
        for number in (signal.SIGUSR1, signal.SIGUSR2):
            process.send_signal(number)

            assert line(process) == str(int(number))


@pytest.mark.parametrize("half", HALVES)
def test_end_of_another_process(half: str) -> None:
    """The end of a process that is no child is told once, beside data; a signal reaches it before that."""
    with subprocess.Popen(["sleep", "1000"]) as other, program(half, WATCH, str(other.pid)) as process:
        assert line(process) == "False"
        assert line(process) == "ready"
        tell(process, "data")
        assert line(process) == "0 False"
        tell(process, "s")
        first = line(process)
        assert first in ("0 False", "0 True", "-1 0 True")
        if "-1" not in first:
            assert line(process) == "-1 True"
        assert other.wait(TIMEOUT) == -signal.SIGTERM
        assert process.stdin is not None
        process.stdin.close()
        assert line(process).split()[-1] == "True"


@pytest.mark.parametrize("half", HALVES)
def test_process_that_has_ended(half: str) -> None:
    """A process that has ended before it was watched has ended."""
    with subprocess.Popen(["true"]) as other:
        other.wait(TIMEOUT)
    with program(half, WATCH, str(other.pid)) as process:
        assert line(process).split()[-1] == "True"
