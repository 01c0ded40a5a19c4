"""kill -9 of master, launcher, pump, and of several at once, before and after every effect and every message.

After each: the same processes run, none twice, what ended meanwhile is known, what was due happened, no line is lost.
"""

import contextlib
import itertools
import json
import os
import signal
import socket
import sys
import time
import typing
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace

from beeyard.domain import messages
from beeyard.domain.lifetime import Lifetime
from beeyard.domain.limits import Limit, Limits
from beeyard.domain.module import ModuleSpec
from beeyard.domain.spec import Backoff, Endpoint, Listen, ProbeSpec, RestartPolicy, StopStep, WorkerSpec
from beeyard.domain.values import Duration, SignalNumber, WorkerId
from beeyard.launcher import kernel
from beeyard.launcher.locks import holder
from beeyard.launcher.main import HANDLERS
from tests.yard import Refusal, Yard, eventually

FAULTY = str(Path(__file__).with_name("faulty.py"))
VICTIMS = [("master",), ("launcher",), ("pump",), ("master", "launcher"), ("master", "launcher", "pump")]

EFFECTS = [effect.__name__ for effect in typing.get_args(messages.Effect) if effect is not messages.Prepare]
POINTS = [
    *(f"master {name}" for name in (*EFFECTS, "commit")),
    *(f"launcher {name}" for name in HANDLERS),
    *(f"pump {name}" for name in ("hello", "watch", "unwatch", "drain", "keep", "lose", "kept")),
]
NOT_HERE = {
    "launcher table": "only asked when a master wakes up: covered by every case that kills the master",
    "launcher quit": "ends everything: test_down.py",
    "launcher replace": "becomes another program: test_upgrade.py",
}

AT_ONCE = RestartPolicy(
    policy="always", backoff=Backoff(delay=Duration(0.0), max_retries=None), jitter=0.0, window=Duration(60.0)
)
LATER = RestartPolicy(policy="always", backoff=Backoff(delay=Duration(0.1), factor=1.0, max_retries=None), jitter=0.0)
NEVER = RestartPolicy("never")
CHATTY = "import itertools, time\nfor n in itertools.count(1):\n    print(n, flush=True); time.sleep(0.002)"
TARGET = "trap 'exit 7' USR1; echo up; while :; do sleep 0.05; done"
STUBBORN = "trap '' TERM; trap 'exit 7' USR1; echo up; while :; do sleep 0.05; done"


def shell(name: str, script: str, restart: RestartPolicy, **more: typing.Any) -> WorkerSpec:
    """A worker that runs a shell script."""
    return WorkerSpec(
        id=WorkerId(name),
        provider="process",
        run={"executable_path": "/bin/sh", "args": ["-c", script]},
        restart=restart,
        **more,
    )


WITHIN = ModuleSpec("within:Speaking", str(Path(__file__).parent))
LISTENING = {"any": Endpoint(listen=Listen())}
ALIVE = ProbeSpec("exec", command=("/bin/true",), period=Duration(0.2), timeout=Duration(5.0))
WORKERS = [
    WorkerSpec(id=WorkerId("silent"), provider="process", run={"executable_path": "/bin/sleep", "args": ["100000"]}),
    WorkerSpec(
        id=WorkerId("chatty"),
        provider="process",
        run={"executable_path": sys.executable, "args": ["-S", "-c", CHATTY]},
    ),
    shell("target", TARGET, LATER, probes={"readiness": ALIVE}),
    shell("stubborn", STUBBORN, AT_ONCE, stop=(StopStep(SignalNumber(15), Duration(0.1)),)),
]


@pytest.fixture(scope="module")
def faulty_yard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    """One Beeyard that is hurt again and again."""
    made = Yard(tmp_path_factory.mktemp("yard"))
    try:
        made.start([sys.executable, "-I", "-S", FAULTY, "launcher"], [sys.executable, FAULTY, "master"])
        made.apply(*WORKERS)
        made.running()
        eventually(lambda: b"\n" in made.log("chatty"), "a first line")
        yield made
    finally:
        made.end()


def order(yard: Yard, point: str, when: str, victims: tuple[str, ...]) -> Path:
    """Leave the order; returns the file that appears once it was carried out."""
    file = Path(yard.paths.state, "fault.json")
    done = file.with_name("fault.json.done")
    done.unlink(missing_ok=True)
    file.with_suffix(".new").write_text(json.dumps({"point": point, "when": when, "victims": victims}))
    file.with_suffix(".new").rename(file)
    return done


def provoke(yard: Yard, point: str) -> None:
    """Do what makes this point be passed."""
    with contextlib.suppress(OSError, Refusal):
        match point.split():
            case [_, "Terminate" | "CancelTimer" | "Unwatch" | "signal"]:
                yard.ask("restart", workers=["target"], wait=False)
            case [_, "Lead" | "lead"]:
                name = f"passing-{time.monotonic_ns()}.1"
                with socket.create_server(("127.0.0.1", 0)) as free:
                    shared = Endpoint(port=free.getsockname()[1], listen=Listen())
                yard.ask("add", specs=[shell(name, "sleep 100", LATER, endpoints={"any": shared})])
                yard.ask("remove", workers=[name], stop=True)
            case [_, "Restrict" | "hold"]:
                limits = Limits({"process.max_processes": Limit(50 + time.monotonic_ns() % 1000, "throttle")})
                yard.apply(*(replace(spec, limits=limits) if spec.id == "target" else spec for spec in WORKERS))
            case [_, "Kill" | "kill"]:
                yard.ask("restart", workers=["stubborn"], wait=False)
            case [_, "unwatch" | "release"]:
                yard.ask("add", specs=[shell("passing", "sleep 100", LATER)])
                yard.ask("remove", workers=["passing"], stop=True)
            case [_, "listen" | "keep" | "lose"]:
                name = f"passing-{time.monotonic_ns()}"
                yard.ask("add", specs=[shell(name, "sleep 100", LATER, endpoints=LISTENING)])
                yard.ask("remove", workers=[name], stop=True)
            case ["pump", "kept"]:
                os.kill(yard.pid("launcher"), signal.SIGKILL)
            case [_, "Forget"]:
                brief = Lifetime(after=Duration(0.1))
                yard.ask("add", specs=[shell(f"brief-{time.monotonic_ns()}", "exit 0", NEVER, lifetime=brief)])
            case [_, "pipes"]:
                name = f"within-{time.monotonic_ns()}"
                yard.ask("add", specs=[WorkerSpec(WorkerId(name), "module", {}, module=WITHIN)])
                yard.ask("remove", workers=[name], stop=True)
            case ["launcher", "hello" | "adopt"] | ["pump", "hello"]:
                os.kill(yard.pid("master" if point.startswith("launcher") else "pump"), signal.SIGKILL)
            case ["pump", "watch"]:
                os.kill(yard.pid("pump"), signal.SIGKILL)
            case ["launcher", "drain"] | ["pump", "drain"]:
                yard.ask("logs", workers=["target"])
            case _:
                for name in ("target", "stubborn"):
                    for pid in yard.leaders(name):
                        os.kill(pid, signal.SIGUSR1)


def bring_back(yard: Yard) -> None:
    """What an operator, or the host's init, does once launcher, master and pump are all gone."""
    # A child that the launcher was just forking holds its lock for a moment longer.
    if eventually(lambda: yard.answers() or not any(map(holder, yard._locks()))) and not yard.answers():
        yard.start([sys.executable, "-I", "-S", FAULTY, "launcher"], [sys.executable, FAULTY, "master"])


def only_one(yard: Yard, name: str) -> bool:
    """Whether just one process was started as this worker, and it is the one that `ps` shows.

    A target may take a moment to die of what it was told: until then all looks well, and its old process is gone next.
    """
    return yard.leaders(name) == [yard.running(name)[name]["pid"]]


def alive(pid: int) -> bool:
    """Whether this process is there and no zombie."""
    seen = kernel.stat(pid)
    return seen is not None and seen.state not in "ZX"


def numbers(yard: Yard) -> list[int]:
    """What the chatty worker wrote, as far as whole lines are on file."""
    text = yard.log("chatty")
    return [int(line) for line in text[: text.rindex(b"\n") + 1].split()]


CASES = [
    (point, when, victims)
    for point, when, victims in itertools.product(POINTS, ("before", "after"), VICTIMS)
    if point not in NOT_HERE
]


@pytest.mark.xdist_group("kill_points")
@pytest.mark.parametrize(
    ("point", "when", "victims"), CASES, ids=lambda value: "+".join(value) if isinstance(value, tuple) else value
)
def test_killed_there_nothing_is_lost(faulty_yard: Yard, point: str, when: str, victims: tuple[str, ...]) -> None:
    """The bystanders' processes are the same, each worker has one, and what was asked or due has happened."""
    yard = faulty_yard
    before = yard.running("silent", "chatty", "target", "stubborn")
    said = numbers(yard)[-1]
    pids = [yard.pid(victim) for victim in victims]
    done = order(yard, point, when, victims)
    provoke(yard, point)
    eventually(done.exists, f"{point} passed; {yard.said()[-2000:]}")
    eventually(lambda: not any(map(alive, pids)), f"{victims} gone")
    bring_back(yard)
    after = yard.running("silent", "chatty", "target", "stubborn")

    for name in ("silent", "chatty"):
        assert (after[name]["pid"], after[name]["attempt"]) == (before[name]["pid"], before[name]["attempt"])
    for name in ("silent", "chatty", "target", "stubborn"):
        eventually(partial(only_one, yard, name), f"one {name}, the one that is known: {yard.leaders(name)}")
    if after["target"]["attempt"] > before["target"]["attempt"] and "launcher" not in victims:
        assert after["target"]["exit"] in ("exit code 7", "SIGTERM")
    eventually(lambda: numbers(yard)[-1] > said, "lines go on")
    written = numbers(yard)
    assert written == list(range(1, len(written) + 1)), "a line was lost, doubled or torn"
    if "passing" in yard.ps():
        with contextlib.suppress(Refusal):
            yard.ask("remove", workers=["passing"], stop=True)
    assert yard.leaders("passing") == []
    eventually(lambda: not any(name.startswith("brief") for name in yard.ps()), "what was done is forgotten")


def test_every_point_is_covered_or_has_its_reason() -> None:
    """New effects and messages are killed at by themselves; those left out are named."""
    assert set(NOT_HERE) <= {*POINTS}
    assert len(CASES) == (len(POINTS) - len(NOT_HERE)) * 2 * len(VICTIMS)
