"""Limits of real workers: they eat memory, spin, fork, open files, write."""

import json
import os
import signal
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

import beeyard
from beeyard.domain.limits import Limit, LimitName, Limits, Policy
from beeyard.domain.spec import Backoff, RestartPolicy, WorkerSpec
from beeyard.domain.values import Duration
from tests.end_to_end.workers import AT_ONCE, down_and_clean, python
from tests.yard import Yard, eventually

MB = 1024 * 1024
OFTEN = Duration(0.1)
SLOWLY = RestartPolicy(policy="always", backoff=Backoff(delay=Duration(3600.0)), jitter=0.0)
"""So that what comes after an end can be seen."""

EATS = f"""
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (print("asked to end", flush=True), sys.exit(0)))
held = []
print("up", flush=True)
while True:
    if len(held) < 60:
        held.append(bytearray(b"x" * {MB}))
    time.sleep(0.01)
"""
"""60 MB within a second or two, and then no more."""
SPINS = "while True: pass"
FORKS = """
import os, time
print("up", flush=True)
refused = 0
for _ in range(30):
    try:
        if os.fork() == 0:
            time.sleep(1000)
    except BlockingIOError:
        refused += 1
print("refused", refused, flush=True)
time.sleep(1000)
"""
OPENS = """
import os, time
held = []
print("up", flush=True)
try:
    while len(held) < 300:
        held.append(os.open("/dev/null", os.O_RDONLY))
        time.sleep(0.001)
except OSError as error:
    print("refused", error.errno, flush=True)
time.sleep(1000)
"""
WRITES = f"""
import os, tempfile, time
file = tempfile.TemporaryFile()
while True:
    os.pwrite(file.fileno(), b"x" * {MB}, 0)
    os.fsync(file.fileno())
    time.sleep(0.01)
"""
HOGS = {
    "memory.max_rss": (EATS, 30.0 * MB),
    "cpu.max_percent": (SPINS, 30.0),
    "process.max_processes": (FORKS, 10.0),
    "process.max_file_descriptors": (OPENS, 100.0),
    "io.max_write_bps": (WRITES, 0.1 * MB),
}
"""Limit -> a worker that exceeds it by much, and the bound."""


def hog(name: LimitName, policy: Policy, restart: RestartPolicy = SLOWLY, **times: Any) -> WorkerSpec:
    """A worker with this one limit."""
    script, bound = HOGS[name]
    limits = Limits({name: Limit(bound, policy)}, interval=OFTEN, **times)
    return python("hog", script, restart, limits=limits)


def row(yard: Yard) -> dict[str, Any]:
    """The hog as `ps` shows it."""
    found = yard.ps()
    return found.get("hog", {"state": "", "note": "", "attempt": 0})


def detail(yard: Yard) -> dict[str, Any]:
    """The hog as `show` shows it."""
    (found,) = yard.ask("show", worker="hog")
    assert isinstance(found, dict)
    return found


def deaths(yard: Yard) -> list[dict[str, Any]]:
    """Its ends, the last one first."""
    (found,) = yard.ask("why", worker="hog")
    return list(found["deaths"])


def story(yard: Yard) -> str:
    """All that is told of it."""
    (found,) = yard.ask("why", worker="hog")
    return json.dumps(found["story"])


def last(yard: Yard) -> dict[str, Any]:
    """How it ended last, once it did."""
    return eventually(lambda: deaths(yard), "a death record")[0]


@pytest.mark.parametrize("name", HOGS)
def test_log_tells_and_ends_nothing(fresh_yard: Yard, name: LimitName) -> None:
    """In its note, its story and the master's log; the worker goes on."""
    fresh_yard.apply(hog(name, "log"))
    note = eventually(
        lambda: row(fresh_yard)["note"] if name in row(fresh_yard)["note"] else "", "an excess in the note"
    )
    assert note.startswith(f"{name}: ")
    assert name in story(fresh_yard)
    assert f"hog: {name}: " in fresh_yard.said()
    assert (row(fresh_yard)["state"], row(fresh_yard)["attempt"]) == ("running", 1)
    limit = detail(fresh_yard)["limits"][name]
    assert limit["now"] > 0
    assert limit["kept"] == "watched only"


def test_alert_is_an_event_as_well(fresh_yard: Yard) -> None:
    """Whoever follows the feed need not read logs."""
    fresh_yard.apply(hog("process.max_processes", "alert"))
    client = beeyard.Client(state_dir=fresh_yard.paths.state)
    with closing(client.stream(beeyard.Events(["hog"], after=""))) as events:
        alert = next(event for event in events if event.kind == "alert")
    assert alert.worker == "hog"
    assert (alert.data["limit"], alert.data["level"]) == ("process.max_processes", "emergency")
    assert alert.data["text"].startswith("process.max_processes: ")


def test_none_is_not_even_looked_at(fresh_yard: Yard) -> None:
    """What is known of it stays what everybody's curve tells."""
    fresh_yard.apply(hog("memory.max_rss", "none"))
    fresh_yard.running("hog")
    assert detail(fresh_yard)["limits"]["memory.max_rss"] == {
        "bound": 30.0 * MB,
        "policy": "none",
        "now": None,
        "kept": "nothing",
        "over": "",
    }


@pytest.mark.parametrize("name", HOGS)
def test_graceful_shutdown_ends_it_in_order_and_leaves_it_down(fresh_yard: Yard, name: LimitName) -> None:
    """Until somebody asks for it."""
    fresh_yard.apply(hog(name, "graceful_shutdown", AT_ONCE))
    death = last(fresh_yard)
    assert death["cause"]["kind"] == "limit"
    assert death["cause"]["detail"].startswith(f"{name}: ")
    assert (row(fresh_yard)["state"], row(fresh_yard)["attempt"]) == ("failed", 1)
    if name == "memory.max_rss":
        assert b"asked to end" in fresh_yard.log("hog")
        assert death["exit"]["code"] == 0
    fresh_yard.ask("start", workers=["hog"])
    eventually(lambda: row(fresh_yard)["attempt"] == 2, "started again as asked")


@pytest.mark.parametrize("name", HOGS)
def test_immediate_kill_kills_all_of_it(fresh_yard: Yard, name: LimitName) -> None:
    """Without a word, children included; whether the kernel is quicker or we are makes no difference."""
    fresh_yard.apply(hog(name, "immediate_kill", AT_ONCE))
    death = last(fresh_yard)
    assert death["cause"]["kind"] in ("limit", "oom")
    assert name in death["cause"]["detail"]
    assert death["exit"]["signal"] == 9
    assert b"asked to end" not in fresh_yard.log("hog")
    assert (row(fresh_yard)["state"], row(fresh_yard)["attempt"]) == ("failed", 1)
    eventually(lambda: fresh_yard.marked() == [], "nothing of it is left")


@pytest.mark.parametrize("name", HOGS)
def test_restart_goes_by_the_policy_for_resources(fresh_yard: Yard, name: LimitName) -> None:
    """Not by that for other ends, which here would wait an hour."""
    backoff = Backoff(delay=Duration(0.0), max_retries=1)
    policy = RestartPolicy(policy="on-failure", backoff=SLOWLY.backoff, jitter=0.0, overrides={"resource": backoff})
    fresh_yard.apply(hog(name, "restart", policy))
    eventually(lambda: row(fresh_yard)["state"] == "failed", "one restart, and then its budget is spent")
    assert [death["cause"]["kind"] for death in deaths(fresh_yard)] == ["limit", "limit"]
    assert row(fresh_yard)["attempt"] == 2


def test_restart_adjusted_raises_the_bound_until_it_is_enough(fresh_yard: Yard) -> None:
    """60 MB are eaten: 20, 30, 45 are too little, 67 are not."""
    limits = Limits({"memory.max_rss": Limit(20.0 * MB, "restart_adjusted", 0)}, interval=OFTEN)
    fresh_yard.apply(python("hog", EATS, AT_ONCE, limits=limits))
    eventually(lambda: row(fresh_yard)["attempt"] == 4, "three restarts")
    eventually(lambda: (detail(fresh_yard)["limits"]["memory.max_rss"]["now"] or 0) > 60 * MB, "it ate its fill")
    assert detail(fresh_yard)["limits"]["memory.max_rss"]["bound"] == 67.5 * MB
    assert row(fresh_yard)["attempt"] == 4


def test_an_excess_that_does_not_last_ends_nothing(fresh_yard: Yard) -> None:
    """It is told what would come, and when."""
    fresh_yard.apply(hog("memory.max_rss", "restart", sustained=Duration(3600.0)))
    eventually(lambda: "restart if it lasts 1h" in row(fresh_yard)["note"], "told what would come")
    assert row(fresh_yard)["attempt"] == 1


def test_within_the_grace_of_its_start_nothing_is_ended(fresh_yard: Yard) -> None:
    """A program may need more while it starts."""
    policy = RestartPolicy(policy="always", startup_grace=Duration(3600.0))
    fresh_yard.apply(hog("process.max_processes", "immediate_kill", policy))
    eventually(lambda: "process.max_processes" in row(fresh_yard)["note"], "told")
    assert row(fresh_yard)["state"] == "running"


# --- held by the kernel ---------------------------------------------------------------------------------------------


def held(yard: Yard, name: LimitName) -> str:
    """By what the kernel keeps this limit of a worker that runs; skips where it can't."""
    kept = detail(yard)["limits"][name]["kept"]
    if kept.startswith("watched only"):
        pytest.skip(f"{name} can't be held here: {kept}")
    return str(kept)


def test_a_throttled_worker_gets_no_more_than_its_share(fresh_yard: Yard) -> None:
    """It spins and is never ended; the clock of its CPU runs slower than ours."""
    fresh_yard.apply(hog("cpu.max_percent", "throttle"))
    fresh_yard.running("hog")
    held(fresh_yard, "cpu.max_percent")
    used = eventually(lambda: detail(fresh_yard)["limits"]["cpu.max_percent"]["now"], "a measure of two looks")
    assert used < 60
    assert row(fresh_yard)["attempt"] == 1


def test_a_throttled_worker_can_t_fork_beyond_its_bound(fresh_yard: Yard) -> None:
    """fork(2) says so to the program."""
    fresh_yard.apply(hog("process.max_processes", "throttle"))
    fresh_yard.running("hog")
    held(fresh_yard, "process.max_processes")
    eventually(lambda: b"refused 21\n" in fresh_yard.log("hog"), "21 of 30 refused")
    assert row(fresh_yard)["state"] == "running"


def test_a_throttled_worker_can_t_open_more_files(fresh_yard: Yard) -> None:
    """EMFILE, on every host."""
    fresh_yard.apply(hog("process.max_file_descriptors", "throttle"))
    fresh_yard.running("hog")
    assert held(fresh_yard, "process.max_file_descriptors") == "RLIMIT_NOFILE"
    eventually(lambda: b"refused 24\n" in fresh_yard.log("hog"), "EMFILE")


def test_what_the_kernel_kills_for_memory_is_told_apart_from_a_crash(fresh_yard: Yard, tmp_path: Path) -> None:
    """A worker that eats faster than anybody looks."""
    greedy = (
        "import os, time\nwhile not os.path.exists('go'): time.sleep(0.01)\n"
        "held = bytearray(b'x' * (200 * 1024 * 1024)); time.sleep(1000)"
    )
    limits = Limits({"memory.max_rss": Limit(40.0 * MB, "immediate_kill")}, interval=Duration(3600.0))
    spec = python("hog", greedy, AT_ONCE, limits=limits)
    fresh_yard.apply(replace(spec, run={**spec.run, "working_directory": str(tmp_path)}))
    fresh_yard.running("hog")
    held(fresh_yard, "memory.max_rss")
    (tmp_path / "go").touch()
    death = last(fresh_yard)
    assert death["cause"] == {
        "kind": "oom",
        "detail": "memory.max_rss: over 40 MB, killed by the kernel: out of memory",
        "final": True,
    }
    assert death["exit"]["oom"] is True
    assert row(fresh_yard)["state"] == "failed"


def test_changed_limits_reach_a_worker_that_runs(fresh_yard: Yard) -> None:
    """The same attempt, kept within less."""
    fresh_yard.apply(python("hog", SPINS, limits=Limits({"cpu.max_percent": Limit(90.0, "throttle")}, interval=OFTEN)))
    pid = fresh_yard.running("hog")["hog"]["pid"]
    held(fresh_yard, "cpu.max_percent")
    fresh_yard.apply(python("hog", SPINS, limits=Limits({"cpu.max_percent": Limit(10.0, "throttle")}, interval=OFTEN)))
    eventually(lambda: (detail(fresh_yard)["limits"]["cpu.max_percent"]["now"] or 100) < 30, "slower")
    assert row(fresh_yard)["pid"] == pid
    fresh_yard.apply(python("hog", SPINS))
    assert detail(fresh_yard)["limits"] == {}
    assert row(fresh_yard)["pid"] == pid


def test_limits_hold_over_the_master_s_death(fresh_yard: Yard) -> None:
    """The next one goes on watching, and knows what is held."""
    fresh_yard.apply(hog("process.max_processes", "throttle"))
    fresh_yard.running("hog")
    before = detail(fresh_yard)["limits"]["process.max_processes"]["kept"]
    os.kill(fresh_yard.pid("master"), signal.SIGKILL)
    fresh_yard.running("hog")
    after = eventually(lambda: detail(fresh_yard)["limits"]["process.max_processes"], "limits")
    assert after["kept"] == before
    eventually(lambda: detail(fresh_yard)["limits"]["process.max_processes"]["now"], "measured again")


def test_limited_workers_leave_nothing_behind(fresh_yard: Yard) -> None:
    """No process and no cgroup, in whatever hierarchy."""
    bounds: dict[LimitName, Limit] = {
        "memory.max_rss": Limit(500.0 * MB, "immediate_kill"),
        "cpu.max_cores": Limit(1.0, "throttle"),
        "process.max_processes": Limit(20.0, "throttle"),
    }
    fresh_yard.apply(python("hog", FORKS, limits=Limits(bounds, cpu_shares=512)))
    fresh_yard.running("hog")
    eventually(lambda: b"refused" in fresh_yard.log("hog"), "it forked")
    down_and_clean(fresh_yard)
    # os.walk does not mind what others remove meanwhile.
    name = f"beeyard-{fresh_yard.paths.identity}"
    left = [Path(at, one) for at, folders, _ in os.walk("/sys/fs/cgroup") for one in folders if one.startswith(name)]
    assert left == [], [os.listdir(folder) for folder in left]
