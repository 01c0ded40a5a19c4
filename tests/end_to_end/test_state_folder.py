"""Two of us in one state folder, folders that can't be written, databases not to be trusted, disks that are full."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from beeyard.domain.spec import RestartPolicy
from beeyard.launcher.locks import holder
from tests.disks import mounted
from tests.end_to_end.workers import AT_ONCE, LOOP, NEVER, down_and_clean, lines, shell
from tests.yard import Refusal, Yard, eventually, launcher_program, master_program, yard

BEEYARD = str(Path(sys.executable).with_name("beeyard"))


def _run(argv: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, check=False, capture_output=True, text=True, timeout=60)


def again(yard: Yard) -> None:
    """Start it once more."""
    yard.start(launcher_program(), master_program())


def stopped(yard: Yard) -> None:
    """End launcher and master, and leave the workers."""
    launcher, master = yard.pid("launcher"), yard.pid("master")
    os.kill(launcher, signal.SIGTERM)
    os.waitpid(launcher, 0)
    eventually(lambda: not os.path.exists(f"/proc/{master}"), "the master gone")


# --- two of us ------------------------------------------------------------------------------------------------------


def test_a_second_one_is_refused(fresh_yard: Yard) -> None:
    """Master and launcher end with code 4 and name the first; the first goes on."""
    fresh_yard.apply(shell("worker", LOOP))
    before = fresh_yard.running()["worker"]["pid"]
    pids = {role: fresh_yard.pid(role) for role in ("master", "launcher")}
    state = fresh_yard.paths.state
    second = _run([*master_program(), state])
    assert second.returncode == 4
    assert f"another master (pid {pids['master']}) serves {state}" in second.stderr
    second = _run([*launcher_program(), "--state", state, "--"])
    assert second.returncode == 4
    assert f"another launcher (pid {pids['launcher']}) serves {state}" in second.stderr
    assert {role: fresh_yard.pid(role) for role in pids} == pids
    assert fresh_yard.running()["worker"]["pid"] == before


# --- folders --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["file", "read-only"])
def test_a_state_folder_that_cannot_be_written_is_said_at_once(tmp_path: Path, how: str) -> None:
    """Exit code 5 and the name of the folder, from the command line, the launcher and the master; nothing runs."""
    file = tmp_path / "beeyard.yaml"
    file.write_text("workers:\n  - id: web\n    execution: {executable_path: /bin/sleep, args: ['1000']}\n")
    with closing_mount(tmp_path / "place", how) as state:
        programs = {
            "cli": [BEEYARD, "--state-dir", str(state), "up", str(file), "--detach"],
            "launcher": [*launcher_program(), "--state", str(state), "--"],
            "master": [*master_program(), str(state)],
        }
        for name, argv in programs.items():
            ended = _run(argv)
            said = ended.stdout + ended.stderr
            assert (name, ended.returncode) == (name, 5), said
            assert str(state.parent) in said
            assert "Traceback" not in said


@contextmanager
def closing_mount(place: Path, how: str) -> Iterator[Path]:
    """A place where no folder can be made."""
    if how == "file":
        place.write_text("")
        yield place / "state"
    else:
        with mounted(place, "ro,size=1m"):
            yield place / "state"


# --- the database ---------------------------------------------------------------------------------------------------


def truncated(file: Path) -> None:
    """Half of it is gone."""
    os.truncate(file, file.stat().st_size // 2 - 100)


def foreign(file: Path) -> None:
    """Somebody else's."""
    file.unlink()
    with closing(sqlite3.connect(file)) as database:
        database.execute("CREATE TABLE theirs (x)")
        database.commit()


def nonsense(file: Path) -> None:
    """No database at all."""
    file.write_bytes(b"all work and no play " * 1000)


@pytest.mark.parametrize("hurt", [truncated, foreign, nonsense])
def test_a_database_that_cannot_be_trusted_is_left_as_it_is(fresh_yard: Yard, hurt: Callable[[Path], None]) -> None:
    """The master says so and does not serve; the workers run on, and once it is mended all is as before."""
    fresh_yard.apply(shell("worker", LOOP, AT_ONCE))
    before = fresh_yard.running()["worker"]
    stopped(fresh_yard)
    database = Path(fresh_yard.paths.database)
    kept = database.with_name("kept")
    shutil.copy(database, kept)
    assert not Path(f"{database}-wal").exists()
    hurt(database)
    bytes_ = database.read_bytes()
    ended = _run([*master_program(), fresh_yard.paths.state])
    assert ended.returncode == 4
    said = "was not made by Beeyard" if hurt is foreign else "can't be used"
    assert f"the database {database} {said}" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert (database.read_bytes(), fresh_yard.leaders("worker")) == (bytes_, [before["pid"]])
    assert sorted(file.name for file in database.parent.glob("beeyard.db*")) == ["beeyard.db"]
    up = _run(
        [BEEYARD, "--state-dir", fresh_yard.paths.state, "ps"],
    )
    assert up.returncode in (4, 5)
    shutil.move(kept, database)
    again(fresh_yard)
    after = fresh_yard.running()["worker"]
    assert (after["pid"], after["attempt"]) == (before["pid"], before["attempt"])
    down_and_clean(fresh_yard)


# --- the disk -------------------------------------------------------------------------------------------------------


def test_a_full_disk_stops_no_restart_and_loses_no_record(tmp_path: Path) -> None:
    """Requests are refused meanwhile, for a while; when there is room again everything is saved."""
    with mounted(tmp_path / "disk", "size=4m"), yard(tmp_path / "disk" / "s") as made:
        made.apply(shell("worker", "exec sleep 1000", AT_ONCE), shell("other", LOOP))
        made.running()
        filler = tmp_path / "disk" / "filler"
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while file.write(bytes(4096)):
                pass

        def restarted(attempt: int) -> bool:
            return bool(made.ps()["worker"]["attempt"] == attempt)

        for attempt in range(2, 6):
            os.kill(made.running("worker")["worker"]["pid"], signal.SIGKILL)
            eventually(partial(restarted, attempt), "restarted")

        def refused() -> Refusal | None:
            try:
                made.ask("restart", workers=["other"])
            except Refusal as refusal:
                return refusal
            return None

        refusal = eventually(refused, "a request refused")
        assert refusal is not None
        document = refusal.document
        assert (document["status"], document["code"]) == (503, "store_unwritable")
        eventually(lambda: made.ask("info")["store"] != "ok", "it says so")
        assert made.running("other")["other"]["state"] == "running"
        filler.unlink()
        eventually(lambda: made.ask("info")["store"] == "ok", "it can be written again")
        made.ask("restart", workers=["other"])
        seen = made.running()["worker"]
        master = made.pid("master")
        os.kill(master, signal.SIGKILL)
        eventually(made.answers, "another master")
        assert made.pid("master") != master
        after = made.running("worker")["worker"]
        assert (after["pid"], after["attempt"], after["restarts"]) == (seen["pid"], 5, 4)
        (told,) = made.ask("why", worker="worker", deaths=10)
        assert [(death["attempt"], death["exit"]["signal"]) for death in told["deaths"]] == [
            (attempt, signal.SIGKILL) for attempt in (4, 3, 2, 1)
        ]
        down_and_clean(made)


# --- another boot ---------------------------------------------------------------------------------------------------


def test_after_a_reboot_what_was_wanted_starts_outside_the_budget(fresh_yard: Yard, tmp_path: Path) -> None:
    """Nothing ran over it: what is wanted is started anew, and who bears an old number now is not touched.

    A reboot is another boot id in the database than the kernel's, and no worker left.
    """
    starts = tmp_path / "starts"
    script = f"echo $BEEYARD_WORKER >> {starts}; {LOOP}"
    fresh_yard.apply(
        shell("wanted", script, NEVER),
        shell("always", script, RestartPolicy(policy="always")),
        shell("unless", script, RestartPolicy(policy="unless-stopped")),
    )
    fresh_yard.running()
    fresh_yard.ask("stop", workers=["always", "unless"])
    stopped(fresh_yard)
    for pid in fresh_yard.marked():
        os.kill(pid, signal.SIGKILL)
    os.kill(fresh_yard.pid("pump"), signal.SIGKILL)
    eventually(lambda: not fresh_yard.marked() and not holder(fresh_yard.paths.pump_lock), "nothing runs")
    with closing(sqlite3.connect(fresh_yard.paths.database)) as database:
        assert database.execute("UPDATE facts SET value = 'another' WHERE name = 'boot'").rowcount == 1
        database.commit()
    with subprocess.Popen(["/bin/sleep", "1000"], start_new_session=True) as bystander:
        again(fresh_yard)
        fresh_yard.running("wanted", "always")
        assert bystander.poll() is None
        bystander.kill()
    rows = fresh_yard.ps()
    assert {name: (row["state"], row["attempt"], row["restarts"]) for name, row in rows.items()} == {
        "wanted": ("running", 2, 0),
        "always": ("running", 2, 0),
        "unless": ("stopped", 1, 0),
    }
    (told,) = fresh_yard.ask("why", worker="wanted", story=50)
    assert told["deaths"][0]["cause"] == {"kind": "host", "detail": "the host restarted"}
    assert "the host restarted" in [entry["what"] for entry in told["story"]]
    assert sorted(lines(starts)) == ["always", "always", "unless", "wanted", "wanted"]
    down_and_clean(fresh_yard)


def test_what_survived_a_boot_id_that_changed_is_not_doubled(fresh_yard: Yard) -> None:
    """Where the kernel's word is wrong (a restored snapshot, a container moved), the process that runs is believed."""
    fresh_yard.apply(shell("worker", LOOP, AT_ONCE))
    before = fresh_yard.running()["worker"]
    stopped(fresh_yard)
    with closing(sqlite3.connect(fresh_yard.paths.database)) as database:
        database.execute("UPDATE facts SET value = 'another' WHERE name = 'boot'")
        database.commit()
    again(fresh_yard)
    eventually(fresh_yard.ps, "it answers")
    assert fresh_yard.leaders("worker") == [before["pid"]]
    down_and_clean(fresh_yard)
