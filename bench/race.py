"""The run: rounds of sessions in which the peers take turns, in an order that rotates from round to round.

A round has three legs. The large one starts all workers, weighs the supervisor, leaves it idle (first round only),
kills, and stops. The small one kills among few. The single one weighs with one worker, then floods. Peers take turns
within a leg, so that each meets the same weather. A phase that fails ends its session, not the run.
"""

import random
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench import api, phases
from bench.cpu import wait_for_quiet
from bench.measures import Results
from bench.peers import PEERS, SUBJECT
from bench.peers.port import CommandFailed, Job, Tools
from bench.processes import Memory
from bench.programs import Programs
from bench.session import PhaseTimeout, Scratch, Session

LETTERS = "ABCDFLMR"


@dataclass(frozen=True)
class Settings:
    """How much of everything."""

    rounds: int = 3
    large: int = 1000
    small: int = 10
    kills: int = 51
    budget_s: float = 7.0
    idle_s: float = 30.0
    settle_s: float = 2.0
    flood_blocks: int = 611
    """611 blocks of 1,638,400 bytes are 1.001 GB."""
    rotate_mb: int = 50
    quiet_s: float = 1.5
    readers: int = 1000
    only: str = LETTERS


QUICK = Settings(1, 20, 3, 3, 2.0, 2.0, 1.0, 13, 1, 0.0, 100)


class Race:
    """One run over the given peers."""

    def __init__(self, settings: Settings, tools: Tools, programs: Programs, scratch: Scratch) -> None:
        self.results = Results()
        self._settings = settings
        self._tools = tools
        self._programs = programs
        self._scratch = scratch
        self._dice = random.Random(1)

    def run(self, peers: list[str]) -> None:
        """All rounds."""
        wanted = set(self._settings.only)
        legs: list[tuple[str, Callable[[str, int], None]]] = [
            ("all", self._large if wanted & set("ABCFLMR") else _nothing),
            ("few", self._small if wanted & set("BL") else _nothing),
            ("one", self._single if wanted & set("DM") else _nothing),
        ]
        for number in range(self._settings.rounds):
            turn = number % len(peers)
            for leg, race in legs:
                if leg == "one" and "D" in wanted:
                    self._warm_page_cache()
                for name in peers[turn:] + peers[:turn]:
                    self._one(number, leg, name, race)

    def _one(self, number: int, leg: str, name: str, race: Callable[[str, int], None]) -> None:
        if race is _nothing:
            return
        wait_for_quiet(self._settings.quiet_s)
        began = time.monotonic()
        outcome = ""
        try:
            race(name, number)
        except (PhaseTimeout, CommandFailed, OSError, ValueError, subprocess.SubprocessError) as error:
            outcome = f": {type(error).__name__}: {error}"
            self.results.failures.append(f"round {number + 1}, {leg}, {name}{outcome}")
        print(f"round {number + 1}, {leg:3}, {name:11} {time.monotonic() - began:6.1f} s{outcome}", file=sys.stderr)

    def _session(self, name: str, workers: int, program: Path, *arguments: str) -> Session:
        tool = self._tools.find(PEERS[name].tool)
        assert tool is not None

        def job(folder: Path, stamps: Path) -> Job:
            return Job(folder, program, stamps, workers, arguments, self._settings.rotate_mb)

        return Session(PEERS[name], tool, self._scratch, job)

    def _large(self, name: str, number: int) -> None:
        keep, only, settings = self.results.add, self._settings.only, self._settings
        with self._session(name, settings.large, self._programs.worker) as session:
            started = phases.start(session)
            if "A" in only:
                keep("start", name, started.wall_s)
                keep("start_cpu", name, started.cpu_s)
                self.results.others_cores.append(started.others_cores)
            time.sleep(settings.settle_s)
            if "M" in only:
                self._weigh(name, "", settings.large, phases.memory(session))
            if "C" in only and number == 0:
                time.sleep(settings.settle_s)
                keep("idle", name, phases.idle(session, settings.idle_s))
            if "L" in only and session.peer.control() is not None:
                keep("list", name, *api.listing(session))
                if name == SUBJECT:
                    keep("list_same", name, *api.unchanged(session))
                    keep("status", name, *api.status(session))
            if "R" in only and name == SUBJECT:
                self._crowd(name, session)
            if "B" in only:
                keep("replace", name, *phases.replace(session, settings.kills, settings.budget_s, self._dice))
                keep("mass", name, phases.mass(session))
            if "F" in only:
                time.sleep(settings.settle_s)
                stopped = phases.stop(session)
                keep("stop", name, stopped.wall_s)
                keep("stop_first", name, stopped.first_worker_s)
                keep("stop_supervisor", name, stopped.supervisor_s)
                keep("stop_unclean", name, settings.large - stopped.clean)

    def _small(self, name: str, _number: int) -> None:
        settings = self._settings
        with self._session(name, settings.small, self._programs.worker) as session:
            phases.start(session)
            if "B" in settings.only:
                taken = phases.replace(session, settings.kills, settings.budget_s, self._dice)
                self.results.add("replace_small", name, *taken)
            if "L" in settings.only and name == SUBJECT:
                self.results.add("status_small", name, *(few := api.status(session)))
                if all := self.results.samples["status"].get(name):
                    self.results.add("status_growth", name, median(all[-1]) / median(few))

    def _single(self, name: str, _number: int) -> None:
        keep, blocks = self.results.add, self._settings.flood_blocks
        with self._session(name, 1, self._programs.flood, str(blocks)) as session:
            phases.start(session)
            time.sleep(self._settings.settle_s)
            if "M" in self._settings.only:
                self._weigh(name, "_one", 1, phases.memory(session))
            if "D" in self._settings.only:
                flooded = phases.flood(session, blocks, self._programs.check)
                keep("flood", name, flooded.mb_per_s)
                keep("flood_cpu", name, flooded.cpu_s_per_gb)
                keep("flood_missing", name, flooded.lines_missing)
                keep("flood_split", name, flooded.lines_split)
                keep("flood_disorder", name, flooded.lines_out_of_order)

    def _crowd(self, name: str, session: Session) -> None:
        keep, found = self.results.add, api.crowd(session, self._settings.readers, self._dice)
        keep("ps_alone", name, *found.alone_ms)
        keep("ps_crowded", name, *found.crowded_ms)
        keep("crowd_rss", name, found.connected_mb)
        keep("crowd_burst", name, found.burst_mb)
        print(f"readers got {found.events} events, {found.gaps} gaps", file=sys.stderr)

    def _weigh(self, name: str, suffix: str, workers: int, weight: Memory) -> None:
        keep, samples = self.results.add, self.results.samples
        keep(f"rss{suffix}", name, weight.rss_kb / 1024)
        keep(f"pss{suffix}", name, weight.pss_kb / 1024)
        if workers > 1:
            keep("processes", name, weight.processes)
            return
        for kind, now in (("rss", weight.rss_kb), ("pss", weight.pss_kb)):
            if heavy := samples[kind].get(name):
                keep(f"{kind}_each", name, (heavy[-1][0] * 1024 - now) / max(self._settings.large - 1, 1))

    def _warm_page_cache(self) -> None:
        """Writes as much as a flood and throws it away: the first flood then reuses pages, as all later ones do."""
        warm = self._scratch.disk / "warm"
        with warm.open("wb", buffering=0) as file:
            for _ in range(self._settings.flood_blocks):
                file.write(bytes(25 * 65536))
        warm.unlink()


def _nothing(_name: str, _number: int) -> None:
    """A leg that nobody asked for."""
