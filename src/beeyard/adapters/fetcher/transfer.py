"""Brings what is missing of a part from a server: several ranges at once, tries, pauses, and the demand to be quick.

A try that brought the file further than any before does not count; so a server that breaks off again and again is borne
as long as it is quick enough, and one that gives nothing only so many times.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Coroutine
from hashlib import sha256
from typing import Any

from beeyard.adapters.fetcher.limits import Limits
from beeyard.adapters.fetcher.part import Part
from beeyard.adapters.fetcher.ranges import Span, pieces
from beeyard.adapters.fetcher.settled import settled
from beeyard.adapters.fetcher.web import Answer, Web
from beeyard.adapters.fetcher.words import Broken, Changed, Place, worst
from beeyard.domain.values import human_duration, human_memory

STREAMS = 4
"""Ranges that come at once."""
PIECE = 8 << 20
"""Bytes of a range, at least: less is not worth a request. A file has at most `PIECES` of them."""
PIECES = 64
LUMP = 256 << 10
"""Bytes that are written at once."""
SAVED = 1.0
"""Seconds between two notes of what is there."""
TOLD = 0.1
"""Seconds between two words on how far it is."""


class Transfer:
    """One part, from one server."""

    def __init__(
        self, part: Part, web: Web, url: str, place: Place, limits: Limits, tell: Callable[[int], None]
    ) -> None:
        self._part = part
        self._web = web
        self._source = sha256(url.encode()).hexdigest()  # The URL itself may be a secret.
        self._place = place
        self._limits = limits
        self._tell = tell
        self._came = 0  # bytes, whatever became of them
        self._ranges = True  # until the server shows that it has none, or none of one file
        self._changed = False
        self._waiting = False  # because it asked for that
        self._trouble = ""

    async def run(self) -> None:
        """Until nothing is missing. Raises what the port says, or OSError when it can't be written."""
        limits = self._limits
        try:
            async with asyncio.timeout(limits.deadline):
                await _beside(self._bring(), self._insist(), self._save(), self._report())
        except TimeoutError:
            raise self._place.unavailable(
                self._because(f"it took more than {human_duration(limits.deadline)}")
            ) from None

    async def _bring(self) -> None:
        due = asyncio.get_running_loop().time() + self._limits.deadline
        best, vain = self._part.got, 0
        while self._part.missing:
            after = 0.0
            try:
                await self._round()
                continue
            except Changed as changed:
                self._trouble = str(changed)
                self._ranges = changed.ranges and not self._changed
                self._changed = True
                self._part.restart()
            except Broken as broken:
                self._trouble, after = str(broken), broken.after
            got = self._part.got
            best, vain = (got, 0) if got > best else (best, vain + 1)
            if after > due - asyncio.get_running_loop().time() or (after and vain >= self._limits.tries):
                raise self._place.limited(after)
            if vain >= self._limits.tries:
                raise self._place.unavailable(f"{self._trouble}, the last of {vain} tries in vain")
            await self._rest(after, vain)

    async def _rest(self, after: float, vain: int) -> None:
        """Before the next try; not all who were cut off together come back together."""
        pause = min(30.0, self._limits.pause * 2**vain) * random.uniform(0.5, 1.0)
        self._waiting = after > pause
        await asyncio.sleep(max(after, pause))
        self._waiting = False

    async def _round(self) -> None:
        """Ask for all that is missing, once. The first answer shows whether more may be asked for beside it."""
        part = self._part
        if not self._ranges:
            part.restart()
        lot = max(PIECE, -(-part.size // PIECES))
        several = self._ranges and part.size >= 2 * PIECE
        queue = deque(pieces(part.missing, lot) if several else part.missing)
        async with self._ask(queue.popleft()) as answer:
            if not answer.coming.partial:
                if part.got:
                    part.restart()
                queue.clear()
            self._agree(answer)
            helpers = [self._work(queue) for _ in range(min(STREAMS - 1, len(queue)))]
            await _together(self._begin(answer, queue), *helpers)

    async def _begin(self, answer: Answer, queue: deque[Span]) -> None:
        await self._take(answer)
        await self._work(queue)

    async def _work(self, queue: deque[Span]) -> None:
        while queue:
            async with self._ask(queue.popleft()) as answer:
                if not answer.coming.partial:
                    raise Changed("the file changed there", ranges=True)
                self._agree(answer)
                await self._take(answer)

    def _ask(self, span: Span) -> Any:
        note = self._part.note
        validator = ""
        if note.source == self._source:
            validator = note.modified if note.etag.startswith("W/") or not note.etag else note.etag
        whole = span == (0, self._part.size)
        return self._web.ask(None if whole else span, self._part.size, validator)

    def _agree(self, answer: Answer) -> None:
        """All ranges have to be of one file."""
        note = self._part.note
        known = note.source == self._source and bool(note.done)
        if known and answer.coming.partial and note.etag != answer.etag:
            raise Changed("the file changed there", ranges=True)
        note.source, note.etag, note.modified = self._source, answer.etag, answer.modified

    async def _take(self, answer: Answer) -> None:
        """Write what comes, not a byte more than was promised."""
        begin, end = answer.coming.span
        self._part.answers += 1
        clock = asyncio.get_running_loop().time
        lump, at, since = bytearray(), begin, clock()
        try:
            async for data in answer.content.iter_any():
                self._came += len(data)
                if at + len(lump) + len(data) > end:
                    raise self._place.untrusted(f"it sends more than the {self._part.size} bytes that were promised")
                lump += data
                if len(lump) >= LUMP or clock() - since >= SAVED:
                    full, lump, since = lump, bytearray(), clock()
                    at += len(full)
                    await settled(self._part.write, at - len(full), full)
        finally:
            if lump:
                self._part.write(at, lump)
                at += len(lump)
        if at < end:
            raise Broken(f"it broke off after {at} of {self._part.size} bytes")

    async def _insist(self) -> None:
        """Raises Unavailable once too little came in a window; one in which the server asked for patience is none."""
        limits = self._limits
        while True:
            before, excused = self._came, self._waiting
            await asyncio.sleep(limits.window)
            came = self._came - before
            if came < limits.speed * limits.window and not (excused or self._waiting):
                window = human_duration(limits.window)
                raise self._place.unavailable(self._because(f"only {human_memory(came)} came in {window}"))

    async def _save(self) -> None:
        while True:
            await asyncio.sleep(SAVED)
            await settled(self._part.save)

    async def _report(self) -> None:
        told = -1
        while True:
            if (got := self._part.got) != told:
                self._tell(told := got)
            await asyncio.sleep(TOLD)

    def _because(self, seen: str) -> str:
        return f"{seen} ({self._trouble})" if self._trouble else seen


async def _together(*works: Coroutine[Any, Any, None]) -> None:
    """All at once; one that fails ends the others, and of several failures the worst is told."""
    try:
        async with asyncio.TaskGroup() as group:
            for work in works:
                group.create_task(work)
    except BaseExceptionGroup as several:
        raise worst(several.exceptions) from None


async def _beside(work: Coroutine[Any, Any, None], *watches: Coroutine[Any, Any, None]) -> None:
    """The work, while others look at it; they end with it."""

    async def last() -> None:
        await work
        for task in tasks:
            task.cancel()

    tasks: list[asyncio.Task[None]] = []
    try:
        async with asyncio.TaskGroup() as group:
            tasks += [group.create_task(watch) for watch in watches]
            group.create_task(last())
    except BaseExceptionGroup as several:
        raise worst(several.exceptions) from None
