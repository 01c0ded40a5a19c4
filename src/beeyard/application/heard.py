"""Listens to what one attempt writes until one line holds what a log probe looks for. Judges nothing else.

Where the output of the attempt begins is noted before its launch (`Handle.output`), so that no line of an earlier one
is taken for its own. Where nobody noted that, because the probe is newer than the attempt, time decides: the newest
lines that are known to be from after its start.
"""

import asyncio
import logging
import re
from collections.abc import Callable
from contextlib import aclosing

from beeyard.domain.messages import Handle
from beeyard.domain.spec import ProbeSpec
from beeyard.ports.logs import Logs, Stream

LOOK_BACK = 1000
"""Lines, where only the time tells whose they are."""
LOOKED_AT = 4096
"""Characters of a line in which it is searched: an expression that tries every way takes its square, or more."""

_log = logging.getLogger(__name__)


class Heard:
    """One log probe's ear: `line` is what it waited for, once that was written; `tell` is called then.

    Args:
        since: when the attempt started (wall clock).
    """

    def __init__(
        self, worker: str, probe: ProbeSpec, logs: Logs, handle: Handle, since: float, tell: Callable[[], None]
    ) -> None:
        self.line: str | None = None
        self._worker = worker
        self._wanted = re.compile(probe.target)
        self._stream: Stream | None = probe.stream or None
        self._logs = logs
        self._after = handle.output or None
        self._since = None if handle.output else since
        self._tell = tell
        self._task = asyncio.get_running_loop().create_task(self._listen())

    def stop(self) -> None:
        """Harmless twice."""
        self._task.cancel()

    async def closed(self) -> None:
        """Returns when nothing is read any more."""
        await asyncio.wait({self._task})

    async def _listen(self) -> None:
        try:
            if await self._found():
                self._tell()
        except Exception:
            _log.exception("the output of %s can't be read; its log probe will not pass", self._worker)

    async def _found(self) -> bool:
        lines = self._logs.read(
            [self._worker], LOOK_BACK, follow=True, stream=self._stream, since=self._since, after=self._after
        )
        async with aclosing(lines) as batches:
            async for batch in batches:
                for line in batch:
                    if not line.gap and self._wanted.search(line.text[:LOOKED_AT]):
                        self.line = line.text
                        return True
        return False
