"""What a pod writes, as its kubelet tells it: lines with their times, followed until it is over. Others know where it
goes.

A stream that ends is taken up where it was. The API counts in whole seconds there, so some lines come again. Its two
streams are told apart where the cluster can do that (its gate PodLogsQuerySplitStreams); elsewhere both are stdout.
"""

import asyncio
import logging
import re
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from datetime import UTC, datetime

from beeyard.adapters.copying import STREAMS, Copying
from beeyard.adapters.reflector import Stale
from beeyard.domain.errors import BeeyardError, NotFound, Rejected

AGAIN = 1.0
"""Seconds after which a stream that broke off is asked for again."""
PIECE = 64 * 1024
"""Bytes of a line that are taken at once."""

log = logging.getLogger("beeyard")
Follow = Callable[[str, str], AsyncGenerator[bytes, None]]
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)", re.ASCII)


async def copy(
    follow: Follow, copying: Copying, apart: bool, begun: asyncio.Event, over: Callable[[], bool], worker: str
) -> None:
    """All that it writes, until it is `over` and nothing more comes. `follow(stream, since)` is what it writes into one
    of STREAMS, or with `apart` unset into any, from a time on; `begun` is set once its kubelet has begun to tell it,
    for then it tells all, whatever becomes of the pod."""
    streams = STREAMS if apart else STREAMS[:1]
    try:
        await copying.find()
        async with asyncio.TaskGroup() as group:
            for stream in streams:
                group.create_task(_one(follow, copying, stream, begun, over))
    except asyncio.CancelledError:
        raise
    except Exception:
        log.exception("%s: what it writes can't be copied any more", worker)
    finally:
        begun.set()
        copying.close()


async def _one(follow: Follow, copying: Copying, stream: str, begun: asyncio.Event, over: Callable[[], bool]) -> None:
    while True:
        ended, done, lines = over(), False, Lines()
        since = copying.begin(stream)
        try:
            async with aclosing(follow(stream, since and f"{since[:19]}Z")) as chunks:
                async for chunk in chunks:
                    begun.set()
                    await copying.take((stream, at, text) for at, text in lines.feed(chunk))
            if ended:  # Its last line may have no end; what was cut off comes again.
                await copying.take((stream, at, text) for at, text in lines.feed(b"\n"))
            done = ended
        except (NotFound, Rejected):  # There is nothing more to be had.
            done = ended
        except (BeeyardError, Stale):
            pass
        if done:
            return
        await asyncio.sleep(0.0 if over() and not ended else AGAIN)


class Lines:
    """Bytes in, (time, line) out, the line's end included; a long one comes in pieces of one size, with one time.

    What has no time is passed over: it is the end of a line that began before the time asked for, or a word of the
    kubelet's own.
    """

    def __init__(self) -> None:
        self._held = bytearray()
        self._at: str | None = None

    def feed(self, data: bytes) -> Iterator[tuple[str, bytes]]:
        """What is whole now."""
        self._held += data
        while (end := self._held.find(b"\n", 0, PIECE) + 1) or len(self._held) >= PIECE:
            piece = bytes(self._held[: end or PIECE])
            del self._held[: end or PIECE]
            if self._at is None:
                stamp, _, piece = piece.partition(b" ")
                self._at = moment(stamp)
            if self._at:
                yield self._at, piece
            if end:
                self._at = None


def moment(stamp: bytes) -> str:
    """A time of a log, such that two can be compared as they are written: of UTC and of one length. Nodes write those
    of their own zones, which may change in summer. Empty for what is none."""
    if (found := _TIME.fullmatch(stamp.decode("ascii", "replace"))) is None:
        return ""
    seconds, fraction, zone = found.groups("")
    if zone != "Z":
        seconds = f"{datetime.fromisoformat(seconds + zone).astimezone(UTC):%Y-%m-%dT%H:%M:%S}"
    return f"{seconds}.{fraction.ljust(9, '0')}Z"
