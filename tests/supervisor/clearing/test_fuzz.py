"""SIGKILL and SIGTERM at random moments (`--fuzz N` of them): none lost, none twice, nothing left."""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tests.supervisor.clearing import GONE, PYTHON, Run, sweep, wait_cleared
from tests.support.program import Surroundings
from tests.support.terminal import wait_until

AT_ONCE = 4
LOST = 90  # the command's status when no TERM came

# Says that it runs, waits for a TERM (and for a second one), and ends with 7; or by itself after argv[1] seconds.
COMMAND = f"""\
import os, signal, sys, time
heard = {{signal.SIGTERM, signal.SIGCONT}}
signal.pthread_sigmask(signal.SIG_BLOCK, heard)
os.write(1, b"ready\\n")
def wait(seconds):
    end = time.monotonic() + seconds
    while (info := signal.sigtimedwait(heard, max(0.0, end - time.monotonic()))) is not None:
        if info.si_signo == signal.SIGTERM:
            os.write(1, b"TERM\\n")
            return True
    return False
life = float(sys.argv[1])
if not wait(life or 60):
    os.write(1, f"ended {{time.monotonic()}}\\n".encode())
    os._exit(0 if life else {LOST})
wait(0.15)
os._exit(7)
"""


@dataclass
class Shot:
    """One run, and when it is shot at."""

    run: Run
    started: float
    after: float  # seconds
    life: float  # seconds the command lives of itself; 0: until a TERM comes
    shot: float = 0.0  # when that was done
    seen_ready: bool = False  # by then the command had said that it runs


@pytest.fixture
def whole_life(ready: Surroundings) -> float:
    """Return how long a run takes here and now, several at once, from its start to its command's first word."""
    with ExitStack() as stack:
        started = time.monotonic()
        words = ("--", *PYTHON, COMMAND, "0")
        runs = [stack.enter_context(Run.start(ready, *words)) for _ in range(AT_ONCE)]
        for run in runs:
            run.wait_ready()
        took = time.monotonic() - started
        for run in runs:
            run.kill(signal.SIGTERM)
            run.wait()
    return took


def shoot(surroundings: Surroundings, chance: random.Random, whole_life: float, number: int, whom: str) -> list[Shot]:
    """Start some runs, send each a signal at a random moment, and wait for their ends."""
    shots = []
    with ExitStack() as stack:
        for _ in range(AT_ONCE):
            # Two of three while it starts or waits, one of three round about its end.
            life = chance.choice((0.0, 0.0, 0.1))
            after = chance.uniform(0, whole_life * (1.3 if life == 0.0 else 1.2) + 2 * life)
            started = time.monotonic()
            run = stack.enter_context(Run.start(surroundings, "--", *PYTHON, COMMAND, str(life)))
            shots.append(Shot(run, started, after, life))
        for shot in sorted(shots, key=lambda one: one.started + one.after):
            time.sleep(max(0.0, shot.started + shot.after - time.monotonic()))
            shot.seen_ready = "ready" in shot.run.stdout
            if whom == "group":
                shot.run.kill_group(number)
            else:
                shot.run.kill(number)
            shot.shot = time.monotonic()
        for shot in shots:
            shot.run.wait()
            # What a killed bwrun leaves, its janitor ends.
            if number == signal.SIGKILL:
                wait_until(lambda: not surroundings.left(), GONE)
            shot.run = Ended(shot.run)
    return shots


class Ended(Run):
    """A run's last words, for after its files are closed."""

    def __init__(self, run: Run) -> None:
        """Keep them."""
        self.process = run.process
        self.pid = run.pid
        self._words = (run.stdout, run.stderr)

    @property
    def stdout(self) -> str:
        """Return what the command had printed."""
        return self._words[0]

    @property
    def stderr(self) -> str:
        """Return what was said on stderr."""
        return self._words[1]


@pytest.fixture
def chance(seed: int) -> random.Random:
    """Return a source of random moments whose seed is shown when the test fails."""
    print(f"--fuzz-seed={seed}")  # noqa: T201
    return random.Random(seed)  # noqa: S311


def batches(fuzz: int) -> range:
    """Return as many rounds as make at least `fuzz` kills."""
    return range(-(-fuzz // AT_ONCE))


pytestmark = pytest.mark.timeout(0)  # as long as --fuzz takes; each wait has its own limit


@pytest.mark.parametrize("whom", ["pid", "group"])
def test_kill(ready: Surroundings, chance: random.Random, whole_life: float, fuzz: int, whom: str) -> None:
    """SIGKILL at a random moment: no session is left, no process, and the status is that of a kill or the command's."""
    outcomes: dict[int, int] = {}
    for _ in batches(fuzz):
        for shot in shoot(ready, chance, whole_life, signal.SIGKILL, whom):
            status = shot.run.process.returncode
            outcomes[status] = outcomes.get(status, 0) + 1
            assert status == -signal.SIGKILL or (status == 0 and "ended" in shot.run.stdout), (shot, shot.run.stderr)
            assert shot.run.stdout.count("TERM") <= 1, shot
            assert shot.run.stderr == "", shot
        wait_cleared(ready)
    print(f"{whom}: {outcomes}")  # noqa: T201


@pytest.mark.parametrize("whom", ["pid", "group"])
def test_term(ready: Surroundings, chance: random.Random, whole_life: float, fuzz: int, whom: str) -> None:
    """SIGTERM at a random moment ends the login, or reaches the command once; it is never lost, and nothing is left."""
    outcomes: dict[int, int] = {}
    for _ in batches(fuzz):
        for shot in shoot(ready, chance, whole_life, signal.SIGTERM, whom):
            run = shot.run
            status, words = run.process.returncode, run.stdout.split()
            outcomes[status] = outcomes.get(status, 0) + 1
            told = (shot, status, run.stdout, run.stderr)
            assert run.stderr == "", told
            if status == 7:
                assert words == ["ready", "TERM"], told
            elif status == -signal.SIGTERM:
                # In the login, or before the command's first line had taken hold.
                assert words == [], told
                assert not shot.seen_ready, told
            else:
                # The command had ended by itself before, or that very moment.
                assert status == 0, told
                assert words[:2] == ["ready", "ended"], told
                assert float(words[2]) < shot.shot + 0.5 + whole_life, told  # (it may take its time on its way)
        assert ready.left() == []
    print(f"{whom}: {outcomes}")  # noqa: T201


def test_both(ready: Surroundings, chance: random.Random, whole_life: float, fuzz: int) -> None:
    """SIGTERM, and SIGKILL a random moment later, both to bwrun or to its group: nothing is left."""
    for _ in batches(fuzz):
        with ExitStack() as stack:
            for _ in range(AT_ONCE):
                run = stack.enter_context(Run.start(ready, "--", *PYTHON, COMMAND, "0"))
                time.sleep(chance.uniform(0, whole_life / 2))
                for number in (signal.SIGTERM, signal.SIGKILL):
                    chance.choice((run.kill, run.kill_group))(number)
                    time.sleep(chance.choice((0.0, chance.uniform(0, 0.02))))
                assert run.wait().status in (-signal.SIGTERM, -signal.SIGKILL, 7)
        wait_cleared(ready)


def test_janitor_and_bwrun(ready: Surroundings, chance: random.Random, whole_life: float, fuzz: int) -> None:
    """SIGKILL of all processes of a run at a random moment: what is left and marked a sweep removes at once."""
    for _ in batches(fuzz):
        with ExitStack() as stack:
            runs = [stack.enter_context(Run.start(ready, "--", *PYTHON, COMMAND, "0")) for _ in range(AT_ONCE)]
            for run in runs:
                time.sleep(chance.uniform(0, whole_life / 2))
                for process in reversed(run.members()):  # the helpers first, bwrun last
                    try:
                        os.kill(process.pid, signal.SIGKILL)
                    except ProcessLookupError:
                        pass
                run.wait()
        sweep(ready)
