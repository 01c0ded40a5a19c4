"""What is left when the database is lost: told, asked about, taken away, by the command line; all of it is real."""

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

from beeyard.launcher.locks import holder
from tests.end_to_end.workers import program
from tests.yard import Yard, eventually, launcher_program, master_program, yard

BEEYARD = str(Path(sys.executable).parent / "beeyard")


def said(on: Yard, *words: str) -> tuple[int, str, str]:
    """Exit code, standard output and errors of a command."""
    command = [BEEYARD, "--state-dir", on.paths.state, "orphan", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout, done.stderr


def lose_the_database(on: Yard) -> None:
    """All that is Beeyard dies, what it knew is gone, and it is started again."""
    locks = (on.paths.launcher_lock, on.paths.master_lock, on.paths.pump_lock)

    def dead() -> bool:
        living = [pid for lock in locks if (pid := holder(lock))]
        for pid in living:
            os.kill(pid, signal.SIGKILL)
        return not living

    eventually(dead, "all three dead")
    for file in Path(on.paths.state).glob("beeyard.db*"):
        file.unlink()
    on.start(launcher_program(), master_program())


def test_what_is_in_no_record_is_found_and_taken_away(tmp_path: Path) -> None:
    """While it is young, or nobody agrees, it stays; its end is not mourned, and workers are not touched."""
    with yard(tmp_path / "s") as on:
        on.apply(program("lost", "/bin/sleep", "infinity"), program("found", "/bin/sleep", "infinity"))
        on.running("lost", "found")
        lose_the_database(on)
        on.apply(program("found", "/bin/sleep", "infinity"))
        [pid] = on.leaders("lost")

        code, out, _ = said(on, "list", "--json")
        [orphan] = json.loads(out)["orphans"]
        assert (code, orphan["worker"], orphan["where"], orphan["alive"]) == (0, "lost", f"pid {pid}", True)
        assert on.ask("info")["orphans"] == [f"lost (pid {pid})"]

        assert said(on, "remove", "found", "--yes")[0] == 3
        assert said(on, "remove")[0] == 2
        assert said(on, "remove", "lost")[0] == 2
        code, out, _ = said(on, "remove", "lost", "--yes", "--older-than", "1d")
        assert (code, out.startswith(f"left: lost (process, pid {pid}): it is there for")) == (0, True)
        assert said(on, "remove", "--all", "--older-than", "0", "--dry-run")[1] == (
            f"would go: lost (process, pid {pid})\n"
        )
        assert on.leaders("lost") == [pid]

        code, out, _ = said(on, "remove", "lost", "--older-than", "0", "--yes", "--reason", "nobody knows it")
        assert (code, out) == (0, f"removed: lost (process, pid {pid})\n")
        assert on.leaders("lost") == []
        assert said(on, "list", "--json")[1] == json.dumps({"orphans": [], "unreachable": {}}, indent=2) + "\n"
        assert on.running("found")["found"]["attempt"] == 1
        records = [entry["record"] for entry in on.ask("audit_log")]
        [first, *_] = [record for record in records if record["what"] == "orphan_remove" and not record.get("ref")]
        assert first["reason"] == "nobody knows it"


def test_who_sits_there_is_asked_first(tmp_path: Path) -> None:
    """What would go is shown; no is the answer that changes nothing."""
    with yard(tmp_path / "s") as on:
        on.apply(program("lost", "/bin/sleep", "infinity"))
        on.running("lost")
        lose_the_database(on)
        for answer, left in ((b"n\n", 1), (b"y\n", 0)):
            above, below = pty.openpty()
            os.write(above, answer)
            command = [BEEYARD, "--state-dir", on.paths.state, "orphan", "remove", "--all", "--older-than", "0"]
            done = subprocess.run(command, stdin=below, capture_output=True, text=True, check=True)
            os.close(above)
            os.close(below)
            assert done.stdout.startswith("would go: lost (process, pid ")
            assert "End and remove it?" in done.stderr
            assert len(on.leaders("lost")) == left
