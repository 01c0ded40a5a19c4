"""What `why` tells of a real worker that grew until it died."""

import http.client
import json
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.workers import LOOP, NEVER, python, shell
from tests.yard import Yard, eventually, launcher_program

MASTER = """
import sys
import beeyard.application.sampling as sampling
sampling.PERIOD = 0.1
from beeyard.entrypoints.daemon import main
sys.exit(main(sys.argv[1]))
"""
GROWS = """
import os, time
held = []
while len(held) < 12 or not os.path.exists(GO):
    if len(held) < 60:
        held.append(b'x' * (8 << 20))
    time.sleep(0.1)
print('no more', flush=True)
os._exit(3)
"""
MB = 1024**2


@pytest.fixture
def watchful(tmp_path: Path) -> Iterator[Yard]:
    """A Beeyard whose master looks ten times a second."""
    made = Yard(tmp_path / "s")
    try:
        made.start(launcher_program(), [sys.executable, "-c", MASTER])
        yield made
    finally:
        made.end()


def test_the_last_minute_of_one_that_grew_until_it_died_is_a_rising_curve(watchful: Yard, tmp_path: Path) -> None:
    """In its death record and in its history, where its end is marked; over HTTP as on the socket."""
    go = tmp_path / "go"
    watchful.apply(python("leak", f"GO = {str(go)!r}\n{GROWS}", NEVER), shell("calm", LOOP))
    watchful.running("leak", "calm")

    def told(worker: str) -> dict[str, Any]:
        (found,) = watchful.ask("why", worker=worker)
        return dict(found)

    eventually(lambda: len(told("leak")["usage"]) >= 8, "eight samples")
    go.touch()
    [death] = eventually(lambda: [death for death in told("leak")["deaths"] if "lines" in death], "its death")
    memory = [sample["memory"] for sample in death["usage"]]
    assert len(memory) >= 8
    assert memory[-1] - memory[0] > 32 * MB
    assert memory == sorted(memory)
    assert len(set(memory)) > 3  # Not as many as samples: memory is read again when enough CPU was used.
    assert max(memory) <= death["exit"]["usage"]["max_rss"] * 1.1
    assert all(death["at"] - 60 <= sample["at"] <= death["at"] + 0.1 for sample in death["usage"])
    leak = told("leak")
    assert [round(at - death["at"]) for at in leak["ends"]] == [0]
    assert leak["usage"][-1]["at"] <= death["at"] + 0.1
    assert leak == get(watchful, "/v1/workers/leak/why")[0]
    assert told("calm")["ends"] == []
    [shown] = watchful.ask("show", worker="calm")
    assert shown["usage"]["memory"] > 0
    assert shown["runs"] == {"executable_path": "/bin/sh", "executable_exists": True}


def get(yard: Yard, path: str) -> Any:
    """What a plain route answers."""
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(yard.paths.master_socket)
    try:
        connection.request("GET", path)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()
