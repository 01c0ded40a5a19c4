"""Streams of a real master: logs over rotations and restarts of it, what its end looks like to those who follow."""

import json
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import closing, suppress
from itertools import islice
from typing import Any

from beeyard.domain.spec import LogSpec
from beeyard.domain.values import Memory
from tests.end_to_end.workers import shell
from tests.yard import PATIENCE, Yard, eventually

Sent = tuple[str, str, Any]

SMALL = LogSpec(max_size=Memory(5000), max_files=9)
LOGS = "/v1/logs?workers=web&follow=true&lines=100000"


class Stream:
    """Server-sent events as a browser takes them: `last` is the id to come back with."""

    def __init__(self, yard: Yard, path: str, last: str = "") -> None:
        self.last = last
        self._sock = socket.socket(socket.AF_UNIX)
        self._sock.settimeout(PATIENCE)
        self._sock.connect(yard.paths.master_socket)
        came_back = f"Last-Event-ID: {last}\r\n" if last else ""
        # HTTP/1.0: nothing but the events follows the head.
        head = f"GET {path} HTTP/1.0\r\nHost: localhost\r\nAccept: text/event-stream\r\n{came_back}\r\n"
        self._sock.sendall(head.encode())
        self._file = self._sock.makefile("rb")
        self.headers: dict[str, str] = {}
        while (line := self._file.readline().decode().strip()) != "":
            name, _, value = line.partition(": ")
            self.headers[name.lower()] = value

    def __iter__(self) -> Iterator[Sent]:
        """Id, kind and data of each, until the proper end."""
        fields: dict[str, str] = {}
        for raw in self._file:
            line = raw.decode().removesuffix("\n")
            if line:
                name, _, value = line.partition(":")
                fields[name] = value.removeprefix(" ")
            elif "data" in fields:
                self.last = fields.get("id", self.last)
                yield fields.get("id", ""), fields["event"], json.loads(fields["data"])
                fields = {}
            else:
                fields = {}

    def close(self) -> None:
        """Cut it off."""
        self._file.close()
        self._sock.close()


def test_logs_resume_over_rotations_and_a_new_master_without_loss_or_doubles(fresh_yard: Yard) -> None:
    """Cut off again and again in the middle of what comes, once by the master's death."""
    numbers = "for i in $(seq 1000 2999); do echo line $i; [ $((i % 50)) = 0 ] && sleep 0.02; done; sleep 1000"
    fresh_yard.apply(shell("web", numbers, logs=SMALL))
    found: list[str] = []
    last = ""
    for count in (137, 1, 500, 10**6):
        with closing(Stream(fresh_yard, LOGS, last)) as stream, suppress(ConnectionError):
            if count == 10**6:
                os.kill(old := fresh_yard.pid("master"), signal.SIGKILL)
            for _, _, line in islice(stream, count):
                found.append(line["text"])
        last = stream.last
    eventually(lambda: fresh_yard.answers() and fresh_yard.pid("master") != old, "another master")
    with closing(Stream(fresh_yard, LOGS, last)) as stream:
        found += [line["text"] for _, _, line in islice(stream, 2000 - len(found))]
    assert found == [f"line {number}" for number in range(1000, 3000)]
    assert fresh_yard.log("web").count(b"\n") == 2000


def test_what_was_rotated_away_is_a_gap(fresh_yard: Yard) -> None:
    """It says so, and goes on with the oldest line kept."""
    few = LogSpec(max_size=Memory(5000), max_files=2)
    fresh_yard.apply(shell("web", "echo first; sleep 1000", logs=few))
    with closing(Stream(fresh_yard, LOGS)) as stream:
        assert next(iter(stream))[2]["text"] == "first"
    fresh_yard.apply(shell("web", "seq 9000; sleep 1000", logs=few))
    eventually(lambda: fresh_yard.log("web").endswith(b"\n9000\n"), "all lines on file")
    with closing(Stream(fresh_yard, LOGS, stream.last)) as stream:
        events = iter(stream)
        cursor, kind, gap = next(events)
        assert (kind, gap["gap"], gap["cursor"]) == ("gap", True, cursor)
        kept = fresh_yard.log("web").decode().splitlines()
        assert [line["text"] for _, _, line in islice(events, len(kept))] == kept


def test_a_list_and_what_follows_its_cursor_tell_all(fresh_yard: Yard) -> None:
    """Nothing that happens between the two is missed."""
    fresh_yard.apply(shell("web", "sleep 1000"))
    fresh_yard.running("web")
    with closing(Stream(fresh_yard, "/v1/workers")) as listed:
        cursor = listed.headers["beeyard-cursor"]
    fresh_yard.ask("stop", workers=["web"], wait=True)
    with closing(Stream(fresh_yard, "/v1/events?workers=web", cursor)) as stream:
        states = []
        for id, kind, event in stream:
            assert (id, kind) == (event["cursor"], "worker")
            states.append(event["data"]["now"]["state"])
            if states[-1] == "stopped":
                break
    # What the list shows may be told once more: a worker changes, is saved, and then those who follow hear of it.
    assert next(state for state in states if state != "running") == "stopping"


def test_those_who_follow_are_told_of_the_end_and_stuck_ones_do_not_hold_it_up(fresh_yard: Yard) -> None:
    """Events and logs end with a farewell, after which the browser comes back; the workers go on."""
    fresh_yard.apply(shell("web", "yes | head -c 3000000; sleep 1000"))
    fresh_yard.running("web")
    old = fresh_yard.pid("master")
    with (
        closing(Stream(fresh_yard, "/v1/events")) as events,
        closing(Stream(fresh_yard, "/v1/logs?workers=web&follow=true&lines=0")) as logs,
        closing(Stream(fresh_yard, LOGS)),
    ):
        os.kill(old, signal.SIGTERM)
        farewell = {"reason": "closing", "hint": "come back with the last id"}
        assert [list(stream)[-1][1:] for stream in (events, logs)] == [("end", farewell)] * 2
    eventually(lambda: fresh_yard.answers() and fresh_yard.pid("master") != old, "another master")
    assert fresh_yard.ps()["web"]["attempt"] == 1
