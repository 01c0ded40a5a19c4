"""One line on the terminal about a job that takes long, gone when the job has ended. Knows no operation by name."""

import queue
import sys
import threading
import time
from typing import Any

from beeyard.application.problems import from_problem
from beeyard.application.views import Event
from beeyard.domain.values import human_duration, human_memory
from beeyard.entrypoints.cli.screen import printable, say, width
from beeyard.entrypoints.cli.target import Target
from beeyard.entrypoints.http.client import Job

BAR = range(5, 21)
"""Letters of a whole bar: as many as the line has room for, and none rather than fewer."""
QUIET = 1.0
"""Seconds before anything is shown, and from then on between two looks at the clock."""


def watched(target: Target, job: Job[Any], verb: str) -> Any:
    """The job's reply. Raises what it failed with."""
    told: queue.SimpleQueue[Event | BaseException | None] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(job, told), daemon=True).start()
    begun = time.monotonic()
    last: dict[str, Any] = {}
    try:
        while True:
            took = time.monotonic() - begun
            if took >= QUIET:
                _draw(line(verb, last, human_duration(round(took)), _room()))
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
                last = event.data
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


def line(verb: str, progress: dict[str, Any], took: str, room: int) -> str:
    """Workers that come to where they are to be, or a package that comes at all."""
    if not progress:
        return f"{verb}: {took}"
    if (package := progress.get("package")) is None:
        return f"{verb}: {progress['done']} of {progress['of']}, {progress['worker']} is {progress['state']}; {took}"
    head = f"{verb}{' (joined)' if package['joined'] else ''}: {package['name']} {package['version']}"
    if waits := package.get("waits"):  # Older masters don't say.
        return f"{head} waits: {waits}; {took}"
    words = [f"{human_memory(package['done'])} of {human_memory(package['size'])}"]
    if package["rate"]:
        words.append(f"{human_memory(package['rate'])}/s")
    if package["eta"] is not None:
        words.append(f"{human_duration(round(package['eta']))} left")
    tail = f"{', '.join(words)}; {took}"
    letters = min(room - len(f"{head} [] {tail}"), BAR[-1])
    if letters not in BAR:
        return f"{head} {tail}"
    filled = round(package["progress"] * letters)
    return f"{head} [{'#' * filled}{'.' * (letters - filled)}] {tail}"


def _read(job: Job[Any], told: "queue.SimpleQueue[Event | BaseException | None]") -> None:
    try:
        for event in job.events():
            told.put(event)
        told.put(None)
    except BaseException as error:
        told.put(error)


def _draw(text: str) -> None:
    """In the place of what stood there."""
    sys.stderr.write(f"\r\x1b[K{printable(text)[: _room()]}")
    sys.stderr.flush()


def _room() -> int:
    """Letters that fit on one line."""
    return (width(sys.stderr) or 80) - 1
