"""What is measured, one function a phase; each takes a session in the state that the phase before left it in.

Starts, stops and replacements are timed by the workers' own stamps. Nothing here knows which peer it looks at.
"""

import os
import random
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bench import processes
from bench.processes import Memory
from bench.session import PhaseTimeout, Session
from bench.stamps import Field, now_ns

START_LIMIT_S = 60.0
REPLACE_LIMIT_S = 15.0
MASS_LIMIT_S = 60.0
STOP_LIMIT_S = 60.0
FLOOD_LIMIT_S = 120.0
FLOOD_STALL_S = 5.0
AGE_S = 1.2


@dataclass(frozen=True)
class Started:
    """From the start command until the last worker ran."""

    wall_s: float
    cpu_s: float
    others_cores: float


def start(session: Session) -> Started:
    """A: gives the start command and waits until every worker has stamped itself."""
    others = session.others()
    with session.group.entered():
        began = now_ns()
        session.peer.start()
    session.until(lambda: 0 not in session.stamps.all(Field.COUNT), "start", START_LIMIT_S)
    wall = (max(session.stamps.all(Field.STARTED)) - began) / 1e9
    cores = others.cores()
    session.peer.settle()
    return Started(wall, session.cpu_ns() / 1e9, cores)


def memory(session: Session) -> Memory:
    """RSS and PSS of the supervisor's processes."""
    return processes.memory(session.peer.pids())


def idle(session: Session, seconds: float) -> float:
    """C: CPU seconds spent while nothing happens, in all processes of the peer.

    The workers sleep, so what the group spends is the supervisor's. Its threads' own counters are read as well, in
    case it left the group.
    """
    supervisors = session.peer.pids()
    group, threads = session.cpu_ns(), processes.cpu_ns(supervisors)
    time.sleep(seconds)
    return max(session.cpu_ns() - group, processes.cpu_ns(supervisors) - threads) / 1e9


def replace(session: Session, kills: int, budget_s: float, dice: random.Random) -> list[float]:
    """B: kills one worker after the other; ms from each `kill -9` until its successor runs.

    Between two kills lies a pause of random length, up to what the last replacement took, so that a peer that looks
    around once a second is not always met just after it looked. Slow peers get fewer kills: the budget ends them.
    """
    taken: list[float] = []
    slots = list(range(session.job.workers))
    dice.shuffle(slots)
    deadline = time.monotonic() + budget_s
    for kill in range(kills):
        if taken and time.monotonic() > deadline:
            break
        slot = slots[kill % len(slots)]
        session.let_live(slot, AGE_S)
        time.sleep(dice.uniform(0.02, max(0.12, min(taken[-1] / 1e3, 5.0) if taken else 0.0)))
        taken.append(_replacement_ms(session, slot))
    return taken


def _replacement_ms(session: Session, slot: int) -> float:
    count, pid = session.stamps.get(slot, Field.COUNT), session.stamps.get(slot, Field.PID)
    killed = now_ns()
    os.kill(pid, signal.SIGKILL)
    replaced = lambda: session.stamps.get(slot, Field.COUNT) != count  # noqa: E731
    session.until(replaced, "replacement of one worker", REPLACE_LIMIT_S, look_s=0.001)
    return (session.stamps.get(slot, Field.STARTED) - killed) / 1e6


def mass(session: Session) -> float:
    """B: kills all workers at once; seconds until the last successor runs."""
    for slot in range(session.job.workers):
        session.let_live(slot, AGE_S)
    counts, pids = session.stamps.all(Field.COUNT), session.worker_pids()
    killed = now_ns()
    for pid in pids:
        os.kill(pid, signal.SIGKILL)

    def all_back() -> bool:
        return all(map(int.__gt__, session.stamps.all(Field.COUNT), counts))

    session.until(all_back, "replacement of all workers", MASS_LIMIT_S)
    return (max(session.stamps.all(Field.STARTED)) - killed) / 1e9


@dataclass(frozen=True)
class Stopped:
    """From the stop command until the last worker, and then the last supervisor process, had gone."""

    wall_s: float
    first_worker_s: float
    supervisor_s: float
    clean: int


def stop(session: Session) -> Stopped:
    """F: gives the stop command and waits until everything has gone."""
    pids, supervisors = session.worker_pids(), session.peer.pids()
    began = now_ns()
    with session.group.entered():
        session.peer.stop()
    looked = 0.0

    def workers_gone() -> bool:
        nonlocal looked
        if 0 not in session.stamps.all(Field.STOPPED):
            return True
        # A worker ended otherwise leaves no stamp; looking for it costs more, so it is done seldom.
        if time.monotonic() - looked < 0.25:
            return False
        looked = time.monotonic()
        return not any(map(processes.alive, pids))

    session.until(workers_gone, "stop", STOP_LIMIT_S)
    stamps = [stamp for stamp in session.stamps.all(Field.STOPPED) if stamp]
    clean = len(stamps) == len(pids)
    wall = ((max(stamps) if clean else now_ns()) - began) / 1e9
    first = (min(stamps) - began) / 1e9 if stamps else wall
    session.until(lambda: not any(map(processes.alive, [*supervisors, *pids])), "end of the supervisor", STOP_LIMIT_S)
    return Stopped(wall, first, (now_ns() - began) / 1e9, len(stamps))


@dataclass(frozen=True)
class Flooded:
    """How fast a flood went to files, and what it lost on the way."""

    mb_per_s: float
    cpu_s_per_gb: float
    lines_missing: int
    lines_split: int
    lines_out_of_order: int
    files: int


def flood(session: Session, blocks: int, check: Path) -> Flooded:
    """D: lets one worker print `blocks` blocks; times it from its first write until all of it is in files."""
    total = blocks * 25 * 65536
    cpu = session.cpu_ns()
    session.stamps.go(0)
    session.until(lambda: session.stamps.get(0, Field.ENDED) > 0, "flood", FLOOD_LIMIT_S)
    done = _all_on_file(session, total)
    spent = (session.cpu_ns() - cpu) / 1e9
    wall = (done - session.stamps.get(0, Field.BEGUN)) / 1e9
    files = session.peer.log_files(0)
    verdict = subprocess.run([check, str(total // 100), *files], capture_output=True, check=True, timeout=60)
    _, missing, split, disorder = map(int, verdict.stdout.split())
    return Flooded(total / 1e6 / wall, spent / (total / 1e9), missing, split, disorder, len(files))


def _all_on_file(session: Session, total: int) -> int:
    """When the files held it all; or, for a peer that lost some, when they last grew."""
    size, grew, deadline = -1, now_ns(), time.monotonic() + FLOOD_LIMIT_S
    while size < total:
        sizes: dict[int, int] = {}  # by inode: a file may be renamed while the folder is read
        for path in session.peer.log_files(0):
            with suppress(FileNotFoundError):
                found = path.stat()
                sizes[found.st_ino] = found.st_size
        if (size_now := sum(sizes.values())) != size:
            size, grew = size_now, now_ns()
        elif now_ns() - grew > FLOOD_STALL_S * 1e9:
            break
        if time.monotonic() > deadline:
            raise PhaseTimeout(f"flood: {size} of {total} bytes on file after {FLOOD_LIMIT_S:.0f} s")
        time.sleep(0.002)
    return grew
