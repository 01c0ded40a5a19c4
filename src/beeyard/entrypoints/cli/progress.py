"""One line on the terminal about a job that takes long, gone when the job has ended. Knows no operation by name."""

import queue
import sys
import threading
import time
from typing import Any

from beeyard.application.problems import from_problem
from beeyard.application.views import Event
from beeyard.domain.values import human_duration
from beeyard.entrypoints.cli.screen import printable, say, width
from beeyard.entrypoints.cli.target import Target
from beeyard.entrypoints.http.client import Job

QUIET = 1.0
"""Seconds before anything is shown, and from then on between two looks at the clock."""


def watched(target: Target, job: Job[Any], verb: str) -> Any:
    """The job's reply. Raises what it failed with."""
    told: queue.SimpleQueue[Event | BaseException | None] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(job, told), daemon=True).start()
    begun = time.monotonic()
    text = ""
    try:
        while True:
            took = time.monotonic() - begun
            if took >= QUIET:
                _draw(f"{verb}: {text}{human_duration(round(took))}")
            try:
                event = told.get(timeout=QUIET if took >= QUIET else QUIET - took)
            except queue.Empty:
                continue
            if not isinstance(event, Event):
                break
            if event.kind == "result":
                return job.reply(event.data)
            if event.kind == "error":
                raise from_problem(event.data)
            if event.kind == "progress":
                data = event.data
                text = f"{data['done']} of {data['of']}, {data['worker']} is {data['state']}; "
    except KeyboardInterrupt:
        _draw("")
        say(f"it goes on as {job.id}; to end it: {target.command(f'job cancel {job.id}')}")
        raise
    finally:
        if time.monotonic() - begun >= QUIET:
            _draw("")
    if event is not None:
        raise event
    return job.wait()


def _read(job: Job[Any], told: "queue.SimpleQueue[Event | BaseException | None]") -> None:
    try:
        for event in job.events():
            told.put(event)
        told.put(None)
    except BaseException as error:
        told.put(error)


def _draw(text: str) -> None:
    """In the place of what stood there."""
    shown = printable(text)[: (width(sys.stderr) or 80) - 1]
    sys.stderr.write(f"\r\x1b[K{shown}")
    sys.stderr.flush()
