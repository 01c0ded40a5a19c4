"""Workers that do what no worker should: nothing else suffers, and nothing of them is left behind."""

import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from beeyard.domain.spec import LogSpec
from beeyard.domain.values import Memory
from tests.end_to_end.workers import AT_ONCE, LOOP, down_and_clean, python, shell, steps
from tests.yard import Yard, eventually

MB = 1024 * 1024
SMALL = LogSpec(max_size=Memory(MB), max_files=2)
BYSTANDER = "import itertools, time\nfor n in itertools.count(1):\n    print(n, flush=True); time.sleep(0.005)"
DAEMON = """
import os, time
if os.fork():
    os._exit({code})
os.setsid()
if os.fork():
    os._exit(0)
for fd in range(3):
    os.close(fd)
os.execve("/bin/sleep", ["sleep", "100000"], {{}})
"""
"""As daemons do, and without a trace of us in the environment."""


def sleepers(yard: Yard) -> list[int]:
    """Processes in our cgroups, marked or not."""
    means = yard.ask("info")["capabilities"]["process"]["whole_tree_kill"]
    if not means.startswith("cgroup ("):
        pytest.skip(f"what clears its environment escapes here: {means}")
    root = Path(means.removeprefix("cgroup (").removesuffix(")"))
    return [int(pid) for file in root.glob("*/cgroup.procs") for pid in file.read_text().split()]


def numbers(yard: Yard, worker: str) -> list[int]:
    """What a counting worker wrote, whole lines only."""
    text = yard.log(worker)
    return [int(line) for line in text[: text.rfind(b"\n") + 1].split()]


def kept(yard: Yard, worker: str) -> int:
    """Bytes of output on file; files come and go meanwhile."""
    size = 0
    for file in Path(yard.paths.worker_logs(worker)).glob("stdout.log*"):
        with suppress(FileNotFoundError):
            size += file.stat().st_size
    return size


def unharmed(yard: Yard) -> None:
    """The bystander goes on, and nothing of what it said is missing."""
    before = len(numbers(yard, "bystander"))
    eventually(lambda: len(numbers(yard, "bystander")) > before, "the bystander goes on")
    said = numbers(yard, "bystander")
    assert said == list(range(1, len(said) + 1))
    row = yard.ps()["bystander"]
    assert (row["state"], row["attempt"]) == ("running", 1)


@pytest.fixture
def with_bystander(fresh_yard: Yard) -> Yard:
    """A yard with one decent worker."""
    fresh_yard.ask("add", specs=[python("bystander", BYSTANDER)])
    return fresh_yard


def test_one_that_leaves_a_child_behind(with_bystander: Yard) -> None:
    """The child ends with the attempt."""
    yard = with_bystander
    yard.ask("add", specs=[shell("parent", "sleep 100000 & exit 3")], wait=False)
    eventually(lambda: yard.ps()["parent"]["exit"] == "exit code 3", "its end")
    eventually(lambda: len(yard.marked()) == 1, "only the bystander left")
    (told,) = yard.ask("why", worker="parent")
    assert told["deaths"][0]["exit"]["leftovers"] == 1
    unharmed(yard)
    down_and_clean(yard)


def test_one_that_daemonises(with_bystander: Yard) -> None:
    """No session, no parent, no output, no environment: still it ends with the attempt."""
    yard = with_bystander
    sleepers(yard)
    yard.ask("add", specs=[python("daemon", DAEMON.format(code=0))], wait=False)
    eventually(lambda: yard.ps()["daemon"]["exit"] == "exit code 0", "its end")
    bystander = yard.ps()["bystander"]["pid"]
    eventually(lambda: set(sleepers(yard)) - {bystander} <= spare(yard), "only the bystander left")
    unharmed(yard)
    down_and_clean(yard)


def spare(yard: Yard) -> set[int]:
    """Processes in our cgroups that run no worker: what the launcher keeps ready."""
    launcher = yard.pid("launcher")
    kept = set()
    for pid in sleepers(yard):
        try:
            if Path(f"/proc/{pid}/cmdline").read_bytes() == Path(f"/proc/{launcher}/cmdline").read_bytes():
                kept.add(pid)
        except OSError:
            continue
    return kept


def test_one_whose_children_have_sessions_of_their_own(with_bystander: Yard) -> None:
    """A stop ends them too."""
    yard = with_bystander
    script = f"for i in 1 2 3; do setsid sh -c 'trap \"\" TERM; {LOOP}' & done; {LOOP}"
    yard.ask("add", specs=[shell("escaping", script, stop=steps((signal.SIGTERM, 0.3)))])
    eventually(lambda: len(yard.marked()) >= 5, "its children")
    yard.ask("stop", workers=["escaping"])
    eventually(lambda: len(yard.marked()) == 1, "only the bystander left")
    unharmed(yard)
    down_and_clean(yard)


def test_one_that_ignores_every_signal_it_can(with_bystander: Yard) -> None:
    """It is killed when its stop sequence is over."""
    yard = with_bystander
    script = f"trap '' TERM INT HUP QUIT; echo deaf; {LOOP}"
    yard.ask("add", specs=[shell("deaf", script, stop=steps((signal.SIGTERM, 0.1)))])
    eventually(lambda: yard.log("deaf") == b"deaf\n", "it hears nothing any more")
    (row,) = yard.ask("stop", workers=["deaf"])
    assert (row["state"], row["exit"]) == ("stopped", "SIGKILL")
    unharmed(yard)
    down_and_clean(yard)


def test_one_that_closes_its_output(with_bystander: Yard) -> None:
    """It runs on, and its next attempt has an output again."""
    yard = with_bystander
    yard.ask("add", specs=[shell("mute", f"echo up; exec >&- 2>&-; {LOOP}", AT_ONCE)])
    eventually(lambda: yard.log("mute") == b"up\n", "its only word")
    yard.ask("restart", workers=["mute"])
    eventually(lambda: yard.log("mute") == b"up\nup\n", "both attempts spoke")
    assert yard.ps()["mute"]["attempt"] == 2
    unharmed(yard)
    down_and_clean(yard)


def test_one_that_makes_its_output_non_blocking(with_bystander: Yard) -> None:
    """That is its own affair: its next attempt finds a blocking output."""
    yard = with_bystander
    script = "import os, time\nprint(os.get_blocking(1), flush=True)\nos.set_blocking(1, False)\ntime.sleep(1000)"
    yard.ask("add", specs=[python("hasty", script)])
    eventually(lambda: yard.log("hasty") == b"True\n", "the first")
    yard.ask("restart", workers=["hasty"])
    eventually(lambda: yard.log("hasty") == b"True\nTrue\n", "the second")
    unharmed(yard)
    down_and_clean(yard)


def test_one_line_of_300_megabytes(with_bystander: Yard) -> None:
    """It is written by a worker that never waits for long, and no more of it is kept than was asked for."""
    yard = with_bystander
    yard.ask("add", specs=[shell("endless", "head -c 300000000 /dev/zero | tr '\\0' x", logs=SMALL)], wait=False)
    eventually(lambda: yard.ps()["endless"]["exit"] == "exit code 0", "its end", patience=60)
    yard.ask("logs", workers=["endless"], lines=1)
    text = yard.log("endless")
    assert 0 < len(text) <= 3 * MB + 65536
    assert set(text) <= set(b"x\n")
    unharmed(yard)
    down_and_clean(yard)


def test_one_that_writes_as_fast_as_it_can(with_bystander: Yard) -> None:
    """The bystander's lines come as before, and the log stays within its bounds."""
    yard = with_bystander
    yard.ask("add", specs=[shell("flood", "exec yes 'a line that nobody will ever read'", logs=SMALL)])
    eventually(lambda: kept(yard, "flood") > 2 * MB, "two full files")
    for _ in range(20):
        unharmed(yard)
        assert kept(yard, "flood") <= 4 * MB
    assert yard.answers()
    down_and_clean(yard)


def test_one_that_forks_as_long_as_it_may(with_bystander: Yard) -> None:
    """Two hundred processes, some in sessions of their own, end with one kill."""
    yard = with_bystander
    script = (
        "import os, time\n"
        "for n in range(200):\n"
        "    if os.fork() == 0:\n"
        "        n % 2 or os.setsid()\n"
        "        time.sleep(100000)\n"
        "time.sleep(100000)"
    )
    yard.ask("add", specs=[python("bomb", script, stop=steps((signal.SIGUSR2, 0.1)))])
    eventually(lambda: len(yard.marked()) >= 202, "200 children")
    yard.ask("stop", workers=["bomb"])
    eventually(lambda: len(yard.marked()) == 1, "only the bystander left")
    unharmed(yard)
    down_and_clean(yard)


def test_one_that_ends_as_soon_as_it_starts_again_and_again(with_bystander: Yard) -> None:
    """A loop of short lives is counted right, and can be stopped."""
    yard = with_bystander
    yard.ask("add", specs=[shell("mayfly", "echo up; exit 9", AT_ONCE)], wait=False)
    eventually(lambda: yard.ps()["mayfly"]["attempt"] >= 50, "fifty lives")
    unharmed(yard)
    (row,) = yard.ask("stop", workers=["mayfly"])
    assert (row["state"], row["restarts"]) == ("stopped", row["attempt"] - 1)
    yard.ask("logs", workers=["mayfly"], lines=1)
    spoken = row["attempt"] - (row["exit"] != "exit code 9")  # The last one may have been stopped before it spoke.
    assert yard.log("mayfly") in (b"up\n" * spoken, b"up\n" * row["attempt"])
    assert yard.leaders("mayfly") == []
    down_and_clean(yard)


def test_ones_that_end_before_anybody_can_look(with_bystander: Yard) -> None:
    """Thirty programs that end at once: thirty exits, each with its own code."""
    yard = with_bystander
    yard.ask("add", specs=[shell(f"brief{code}", f"exit {code}") for code in range(1, 31)], wait=False)
    eventually(lambda: all(row["exit"] for name, row in yard.ps().items() if name != "bystander"), "all ended")
    rows = yard.ps()
    assert {name: rows[name]["exit"] for name in rows if name != "bystander"} == {
        f"brief{code}": f"exit code {code}" for code in range(1, 31)
    }
    unharmed(yard)
    down_and_clean(yard)


def test_one_that_kills_its_own_group_and_parent_is_only_itself(with_bystander: Yard) -> None:
    """Its group is its own: neither launcher nor master is in it."""
    yard = with_bystander
    pids = {role: yard.pid(role) for role in ("launcher", "master", "pump")}
    yard.ask("add", specs=[shell("furious", "kill -9 0")], wait=False)
    eventually(lambda: yard.ps()["furious"]["exit"] == "SIGKILL", "its end")
    assert {role: yard.pid(role) for role in pids} == pids
    assert os.getpid() not in yard.marked()
    unharmed(yard)
    down_and_clean(yard)
