"""Read what workers wrote."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import TYPE_CHECKING

from msgspec import Struct

from beeyard.application.operations.base import Caller, Operation
from beeyard.ports.logs import LogLine, Stream

if TYPE_CHECKING:
    from beeyard.application.master import Master


class Logs(Struct):
    """Workers or groups (none: all), how many of the newest lines of each, and whether to go on as lines come."""

    workers: list[str] = []
    lines: int = 50
    follow: bool = False
    stream: Stream | None = None


async def logs(master: "Master", request: Logs, caller: Caller) -> AsyncIterator[LogLine]:
    """Show what workers wrote, both streams in order of time; --follow goes on with each new line."""
    names = request.workers or list(master.supervisors)
    found = list(dict.fromkeys(supervisor.worker.id for name in names for supervisor in master.find(name)))
    if not request.follow:
        for worker in found:
            await master.providers[master.supervisors[worker].worker.spec.provider].drain(worker)
        lines = [line for worker in found for line in await master.logs.tail(worker, request.lines)]
        for line in sorted(lines, key=lambda line: line.at or 0.0):
            if request.stream in (None, line.stream):
                yield line
        return
    async with aclosing(master.logs.follow(found, request.lines)) as following:
        async for line in following:
            if request.stream in (None, line.stream):
                yield line


OPERATION = Operation("logs", Logs, LogLine, logs, streams=True)
