"""A newer Beeyard takes the place of the running one, and no worker notices."""

from pathlib import Path

from beeyard.entrypoints.cli import serving
from tests.end_to_end.test_embedding import sleeper
from tests.yard import eventually, yard


def test_renewal_keeps_workers_launcher_process_and_pump(tmp_path: Path) -> None:
    """Other master, same launcher process, same pump, same worker; and it is supervised as before."""
    with yard(tmp_path) as running:
        running.apply(sleeper())
        before = running.running("nap")["nap"]
        launcher, pump, master = (running.pid(role) for role in ("launcher", "pump", "master"))
        info = serving.serves(running.paths)
        assert info is not None
        serving.renew(running.paths, info)
        after = running.running("nap")["nap"]
        assert (after["pid"], after["attempt"]) == (before["pid"], before["attempt"])
        assert (running.pid("launcher"), running.pid("pump")) == (launcher, pump)
        assert running.pid("master") != master
        running.ask("restart", workers=["nap"])
        eventually(lambda: len(running.leaders("nap")) == 1)
        assert running.leaders("nap") != [before["pid"]]
