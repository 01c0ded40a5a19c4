"""One job of which something lives: its task, or readers of what it tells."""

import asyncio
from collections.abc import Mapping
from typing import Any

from beeyard.application.feed import Event, Feed
from beeyard.application.job_records import JobRecord
from beeyard.application.operation import Operation
from beeyard.application.views import JobView

TOLD = 1024
"""Events of one job that are kept."""


class Job:
    """A job of which something lives: its task, or readers of its events."""

    def __init__(self, view: JobView, operation: Operation | None, key: str = "", skipped: int = 0) -> None:
        self.view = view
        self.operation = operation
        self.key = key
        self.feed = Feed(view.id[-12:], TOLD, skipped)
        self.task: asyncio.Task[None] | None = None
        self.ended: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.ended.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        self.events: list[Event] = []

    def tell(self, kind: str, at: float, data: Any) -> None:
        self.feed.tell(kind, at, lambda: data)

    def record(self) -> JobRecord:
        """As it is now, for the store."""
        return JobRecord(self.view, self.key, self.events, self.feed.told - len(self.events))


def awoken(record: JobRecord, operations: Mapping[str, Operation]) -> Job:
    """A job from the store, for those who read its events again."""
    job = Job(record.view, operations.get(record.view.operation), record.key, record.skipped)
    for event in record.events:
        job.tell(event.kind, event.at, event.data)
    job.feed.end()
    return job
