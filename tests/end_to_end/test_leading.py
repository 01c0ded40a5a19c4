"""At a port that a group shares, new connections go to instances that are ready and to no others.

The servers accept at once and answer 503 while they are not ready, so each connection that goes astray is seen.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from beeyard.adapters.host.launcher import replace_launcher
from beeyard.domain.spec import Backoff, Endpoint, Listen, ProbeSpec, RestartPolicy, WorkerSpec
from beeyard.domain.values import Duration
from beeyard.launcher.locks import holder
from tests.end_to_end.test_sockets import Load, answered, ask, free, kill, listens, passed_of, serving, waiting
from tests.end_to_end.workers import AT_ONCE, asked, program, steps
from tests.yard import Yard, eventually, launcher_program, master_program

MOODY = str(Path(__file__).with_name("moody.py"))
ROUNDS = 6
LATER = RestartPolicy(policy="always", backoff=Backoff(delay=Duration(600.0), max_retries=None), jitter=0.0)


def moody(number: int, at: Endpoint, word: str, sulks: Path, slow: float = 0.0, **more: Any) -> WorkerSpec:
    """An instance that is `slow` to be able to answer, and can't while the file is there."""
    args = (sys.executable, "-S", MOODY, word, str(slow), str(sulks))
    return program(f"web.{number}", *args, endpoints={"http": at}, **{"restart": AT_ONCE, **more})


def three(yard: Yard, folder: Path) -> tuple[int, list[Path]]:
    """Three instances w1, w2 and w3, ready; the port, and for each the file that makes it unable to answer."""
    at, files = Endpoint("http", free(), listen=Listen()), [folder / f"w{number}" for number in (1, 2, 3)]
    probes = [{"readiness": asked("/usr/bin/test", "!", "-e", str(file))} for file in files]
    group = zip((1, 2, 3), files, probes, strict=True)
    yard.apply(*(moody(number, at, f"w{number}", file, probes=probe) for number, file, probe in group))
    yard.running("web.1", "web.2", "web.3")
    eventually(lambda: who(at.port) == {"w1", "w2", "w3"}, "all three answer")
    return at.port, files


def who(port: int, times: int = 30) -> set[str]:
    """Who answers; 503 where one does that can't."""
    words = (ask(port)[0] for _ in range(times))
    return {word if word.startswith("w") else "503" for word in words}


def unready(yard: Yard, name: str) -> None:
    """Until the master says so."""
    eventually(lambda: not yard.ps()[name]["ready"], f"{name} is not ready")


async def test_one_that_is_not_ready_is_never_asked(fresh_yard: Yard, tmp_path: Path) -> None:
    """Changed one by one to another version and back under load, each slow to be ready: every request is answered."""
    at = Endpoint("http", free(), listen=Listen())
    says = {"readiness": ProbeSpec("notify", period=Duration(0.05))}

    def instance(number: int, word: str) -> WorkerSpec:
        return moody(number, at, word, tmp_path / "never", 1.0, probes=says)

    fresh_yard.apply(instance(1, "one"), instance(2, "one"))
    fresh_yard.running("web.1", "web.2")
    await asyncio.to_thread(eventually, lambda: all(row["ready"] for row in fresh_yard.ps().values()))
    load = Load(at.port)
    async with load.going():
        for turn in range(ROUNDS):
            word, other = ("two", "one") if turn % 2 == 0 else ("one", "two")
            for number in (1, 2):
                specs = [instance(1, word), instance(2, word if number == 2 else other)]
                before = fresh_yard.ps()[f"web.{number}"]["attempt"]
                await asyncio.to_thread(fresh_yard.apply, *specs)

                def again(name: str = f"web.{number}", before: int = before) -> bool:
                    row = fresh_yard.ps()[name]
                    return bool(row["ready"] and row["attempt"] > before)

                await asyncio.to_thread(eventually, again, "it is ready again")
                await load.more(word)
    assert load.failed == []
    assert min(load.words["one"], load.words["two"]) > 0


def test_the_death_of_one_leads_to_the_others_at_once(fresh_yard: Yard, tmp_path: Path) -> None:
    """Although its next attempt is ten minutes away."""
    at = Endpoint("http", free(), listen=Listen())
    fresh_yard.apply(*(moody(number, at, f"w{number}", tmp_path / "never", restart=LATER) for number in (1, 2)))
    fresh_yard.running("web.1", "web.2")
    eventually(lambda: who(at.port) == {"w1", "w2"}, "both answer")
    (pid,) = fresh_yard.leaders("web.1")
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: fresh_yard.ps()["web.1"]["state"] == "backoff")
    assert who(at.port) == {"w2"}


def test_who_becomes_unready_is_asked_no_more_until_it_is_ready(fresh_yard: Yard, tmp_path: Path) -> None:
    """If another is ready; while none is, things stay as they were."""
    port, files = three(fresh_yard, tmp_path)
    files[0].touch()
    unready(fresh_yard, "web.1")
    eventually(lambda: who(port) == {"w2", "w3"}, "the others")
    files[1].touch()
    files[2].touch()
    unready(fresh_yard, "web.2")
    unready(fresh_yard, "web.3")
    eventually(lambda: who(port) == {"503"}, "nobody can")
    files[1].unlink()
    eventually(lambda: who(port) == {"w2"}, "the one that is ready")
    for file in (files[0], files[2]):
        file.unlink()
    eventually(lambda: who(port) == {"w1", "w2", "w3"}, "all")


@pytest.mark.parametrize("victims", [("master",), ("launcher",), ("pump",), ("master", "launcher")], ids="+".join)
def test_who_leads_may_be_killed(fresh_yard: Yard, tmp_path: Path, victims: tuple[str, ...]) -> None:
    """What was known of each is known to those who follow, who lead as well as they did."""
    port, files = three(fresh_yard, tmp_path)
    files[1].touch()
    unready(fresh_yard, "web.2")
    eventually(lambda: who(port) == {"w1", "w3"}, "the others")
    kill(fresh_yard, *victims)
    eventually(lambda: passed_of(fresh_yard) == passed_of(fresh_yard, "pump") == 3, "both have the sockets")
    assert who(port) == {"w1", "w3"}
    eventually(fresh_yard.answers, "a master")
    turned(fresh_yard, port, files)


def turned(yard: Yard, port: int, files: list[Path]) -> None:
    """Another one becomes unready, and one is restarted: the right ones are asked."""
    files[0].touch()
    files[1].unlink()
    unready(yard, "web.1")
    eventually(lambda: who(port) == {"w2", "w3"}, "the others")
    yard.ask("stop", workers=["web.3"])
    assert who(port) == {"w2"}
    yard.ask("remove", workers=["web.1"], stop=True)
    assert who(port) == {"w2"}
    yard.ask("start", workers=["web.3"])
    eventually(lambda: who(port) == {"w2", "w3"}, "both that are left")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may take a socket out of another process everywhere")
def test_all_who_lead_may_be_killed_at_once(fresh_yard: Yard, tmp_path: Path) -> None:
    """The sockets come back out of the processes; the kernel shows which is which."""
    port, files = three(fresh_yard, tmp_path)
    files[1].touch()
    unready(fresh_yard, "web.2")
    for role in ("pump", "launcher", "master"):
        os.kill(fresh_yard.pid(role), signal.SIGKILL)
    eventually(lambda: not any(map(holder, fresh_yard._locks())), "nobody left")
    fresh_yard.start([*launcher_program()], [*master_program()])
    eventually(lambda: passed_of(fresh_yard) == passed_of(fresh_yard, "pump") == 3, "both have the sockets")
    eventually(lambda: who(port) == {"w1", "w3"}, "the others")
    turned(fresh_yard, port, files)


def test_what_happens_before_the_next_launcher_has_the_sockets_counts(fresh_yard: Yard, tmp_path: Path) -> None:
    """One became unready while it still waited for them."""
    port, files = three(fresh_yard, tmp_path)
    pump = fresh_yard.pid("pump")
    os.kill(pump, signal.SIGSTOP)
    try:
        kill(fresh_yard, "launcher")
        files[1].touch()
        unready(fresh_yard, "web.2")
    finally:
        os.kill(pump, signal.SIGCONT)
    eventually(lambda: passed_of(fresh_yard) == passed_of(fresh_yard, "pump") == 3, "both have the sockets")
    eventually(lambda: who(port) == {"w1", "w3"}, "the others")


def test_a_short_step_of_a_stop_is_taken(fresh_yard: Yard) -> None:
    """SIGTERM is sent although the next step comes before its line was seen to be empty."""
    at = Endpoint("http", free(), listen=Listen())
    stop = steps((signal.SIGTERM, 0.1), (signal.SIGCONT, 600.0))
    fresh_yard.apply(*(serving(f"web.{number}", f"w{number}", at, probes={}, stop=stop) for number in (1, 2)))
    fresh_yard.running("web.1", "web.2")
    eventually(lambda: who(at.port) == {"w1", "w2"}, "both answer")
    fresh_yard.ask("stop", workers=["web.1"])
    assert who(at.port) == {"w2"}


def test_an_upgrade_of_the_launcher_leads_on(fresh_yard: Yard, tmp_path: Path) -> None:
    """The same process with other code."""
    port, files = three(fresh_yard, tmp_path)
    files[1].touch()
    unready(fresh_yard, "web.2")
    eventually(lambda: who(port) == {"w1", "w3"}, "the others")
    assert asyncio.run(replace_launcher(fresh_yard.paths, [*master_program(), fresh_yard.paths.state]))
    eventually(fresh_yard.answers, "a master")
    assert who(port) == {"w1", "w3"}
    turned(fresh_yard, port, files)


def test_who_waits_at_one_that_stays_away_is_answered_by_the_next_that_comes(fresh_yard: Yard) -> None:
    """While none is there all wait in one line, and whoever starts is given that."""
    at = Endpoint("http", free(), listen=Listen())
    group = [serving(f"web.{number}", f"w{number}", at, probes={}) for number in (1, 2, 3)]
    fresh_yard.apply(*group)
    fresh_yard.running("web.1", "web.2", "web.3")
    fresh_yard.ask("stop", workers=["web.1", "web.2", "web.3"])
    clients = [waiting(at.port) for _ in range(30)]
    fresh_yard.ask("start", workers=["web.3"])
    assert {answered(client) for client in clients} == {"w3"}
    fresh_yard.ask("start", workers=["web.1"])
    eventually(lambda: who(at.port) == {"w1", "w3"}, "both answer")


def test_groups_come_and_go(fresh_yard: Yard, tmp_path: Path) -> None:
    """To another port and away: nothing stays open."""
    port, files = three(fresh_yard, tmp_path)
    fresh_yard.ask("remove", workers=["web.3"], stop=True)
    other = Endpoint("http", free(), listen=Listen())
    fresh_yard.apply(*(moody(number, other, f"w{number}", files[0]) for number in (1, 2)))
    eventually(lambda: listens(other.port) and who(other.port) == {"w1", "w2"}, "both answer there")
    eventually(lambda: not listens(port), "nobody listens at the old one")
    fresh_yard.ask("remove", workers=["web.1", "web.2"], stop=True)
    eventually(lambda: passed_of(fresh_yard) == passed_of(fresh_yard, "pump") == 0, "no socket is left")
