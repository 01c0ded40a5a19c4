"""What is measured of the API, on a session whose workers run: lists, one worker's status, many readers of events."""

import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

from bench import processes
from bench.asking import Line, ask_beeyard, ask_supervisord
from bench.readers import Readers
from bench.session import Session
from bench.stamps import Field, now_ns

TIMES = 200
WARM = 20
KILLS_A_SECOND = 50
BURST_S = 6.0
PAUSE_S = 0.002


def listing(session: Session) -> list[float]:
    """ms from asking for all workers until the answer is there."""
    if session.peer.name == "supervisord":
        return _timed(lambda: _asked_once(session), 20)
    line = _line(session)
    return _timed(lambda: ask_beeyard(line))


def _asked_once(session: Session) -> None:
    line = _line(session)  # It closes its connections.
    ask_supervisord(line)
    line.close()


def unchanged(session: Session) -> list[float]:
    """ms for the same list once more."""
    line = _line(session)
    _, tag = ask_beeyard(line)
    assert ask_beeyard(line, tag=tag)[0] == 304
    return _timed(lambda: ask_beeyard(line, tag=tag))


def status(session: Session) -> list[float]:
    """ms for one worker."""
    line = _line(session)
    return _timed(lambda: ask_beeyard(line, f"/v1/workers?workers=w{session.job.workers // 2}"))


@dataclass(frozen=True)
class Crowd:
    """What readers of events do to the master: ms of `ps` of one worker during a burst of events, and MB of RSS."""

    alone_ms: list[float]
    crowded_ms: list[float]
    connected_mb: float
    burst_mb: float
    events: int
    gaps: int


def crowd(session: Session, readers: int, dice: random.Random) -> Crowd:
    """The same burst of events twice: without readers, and with so many of which half never read."""
    master = session.peer.pids()[0]
    line = _line(session)
    alone = _burst(session, line, dice)
    time.sleep(1.0)
    before = _mb(master)
    control = session.peer.control()
    assert control is not None
    with Readers(control, readers) as reading:
        time.sleep(1.0)
        connected = _mb(master)
        crowded = _burst(session, line, dice)
        after = _mb(master)
        found = reading.end()
    return Crowd(alone, crowded, connected - before, after - connected, found["events"], found["gaps"])


def _line(session: Session) -> Line:
    control = session.peer.control()
    assert control is not None
    return Line(control)


def _timed(ask: Callable[[], object], times: int = TIMES) -> list[float]:
    for _ in range(min(WARM, times)):
        ask()
    taken = []
    for _ in range(times):
        began = now_ns()
        ask()
        taken.append((now_ns() - began) / 1e6)
        time.sleep(PAUSE_S)
    return taken


def _burst(session: Session, line: Line, dice: random.Random) -> list[float]:
    """Kills workers at a steady rate, each of which is several events, and asks meanwhile."""
    taken = []
    end, kill = time.monotonic() + BURST_S, time.monotonic()
    while (now := time.monotonic()) < end:
        if now >= kill:
            kill += 1 / KILLS_A_SECOND
            slot = dice.randrange(session.job.workers)
            if processes.alive(pid := session.stamps.get(slot, Field.PID)):
                os.kill(pid, signal.SIGKILL)
        began = now_ns()
        line.ask("POST", "/v1/operations/ps", b'{"workers":["w0"]}')
        taken.append((now_ns() - began) / 1e6)
        session.reap()
        time.sleep(PAUSE_S)
    return taken


def _mb(pid: int) -> float:
    return processes.memory([pid]).rss_kb / 1024
