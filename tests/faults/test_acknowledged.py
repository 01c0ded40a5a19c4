"""What was answered is not forgotten, whenever the master is killed: jobs, journal, tokens."""

import contextlib
import http.client
import json
import os
import signal
import socket
import sqlite3
import threading
from pathlib import Path
from typing import Any

from tests.end_to_end.workers import shell
from tests.yard import PATIENCE, Yard, eventually, yard

KILLS = 5


def accepted(yard: Yard, operation: str, **fields: Any) -> str:
    """The id of a job. Raises OSError when there was no answer."""
    connection = http.client.HTTPConnection("localhost", timeout=PATIENCE)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(PATIENCE)
    try:
        connection.sock.connect(yard.paths.master_socket)
        connection.request("POST", "/v1/jobs", json.dumps({"operation": operation, **fields}))
        response = connection.getresponse()
        body = response.read()
    except http.client.HTTPException as error:
        raise ConnectionError(str(error)) from error
    finally:
        connection.close()
    assert response.status == 202, body
    return str(json.loads(body)["job_id"])


def test_what_was_accepted_is_there_after_any_death_of_the_master(tmp_path: Path) -> None:
    """Each job that was answered with 202 ended somehow and says how; the journal is whole and knows of each."""
    with yard(tmp_path / "s") as made:
        made.apply(shell("web", "exec sleep 1000"))
        made.running("web")
        ids: list[str] = []
        stop = threading.Event()

        def ask() -> None:
            while not stop.wait(0.02):
                with contextlib.suppress(OSError):
                    ids.append(accepted(made, "restart", workers=["web"]))

        asking = threading.Thread(target=ask)
        asking.start()
        try:
            for _ in range(KILLS):
                before, known = made.pid("master"), len(ids)
                eventually(lambda: len(ids) > known + 3, "some jobs accepted")  # noqa: B023
                os.kill(before, signal.SIGKILL)
                eventually(lambda: made.pid("master") != before and made.answers(), "another master")  # noqa: B023
        finally:
            stop.set()
            asking.join()
        assert len(ids) > KILLS
        for id in ids:
            job = eventually(lambda: (j := made.ask("job_get", id=id))["state"] != "running" and j, f"the end of {id}")  # noqa: B023
            assert job["state"] == "done" or job["error"]["code"] == "master_ended", job
        verdict = made.ask("audit_verify")
        assert verdict["problem"] == ""
        entries = [line["what"] for line in made.ask("audit_export") if "outcome" not in line]
        assert entries.count("restart") >= len(ids)
        assert made.running("web")["web"]["pid"] == made.leaders("web")[0]


def kept_of_journal(made: Yard) -> int:
    """The number of the newest entry that the store knows of."""
    with contextlib.closing(sqlite3.connect(made.paths.database)) as database:
        [[head]] = database.execute("SELECT value FROM facts WHERE name = 'journal'")
    return int(head.partition(":")[0])


def test_a_journal_that_was_cut_is_found_out(tmp_path: Path) -> None:
    """The chain of what is left is whole; the store knows how long it was."""
    with yard(tmp_path / "s") as made:
        made.apply(shell("web", "exec sleep 1000"))
        made.ask("stop", workers=["web"])
        made.ask("start", workers=["web"])
        assert made.ask("audit_verify")["problem"] == ""
        [segment] = Path(made.paths.journal).glob("*.jsonl")
        lines = segment.read_bytes().splitlines(keepends=True)
        # The last entry but one says that the start began. The end of a request is answered before it is all saved.
        eventually(lambda: kept_of_journal(made) >= len(lines) - 1, "the store knows how long the journal is")
        before = made.pid("master")
        os.kill(before, signal.SIGSTOP)
        segment.write_bytes(b"".join(lines[:-2]))
        os.kill(before, signal.SIGKILL)
        eventually(lambda: made.pid("master") != before and made.answers(), "another master")
        assert "entry" in made.ask("audit_verify")["problem"]
        assert "someone has cut it" in made.said()
