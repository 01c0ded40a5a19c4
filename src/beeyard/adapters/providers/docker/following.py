"""What becomes of the containers of one engine: its lists and events taken in, and told as what happened to attempts.

The engine keeps one that ended until it is told to forget it: so an end waits there for whoever owns it next. Orders
nothing, but for what nobody owns: one that was made and never started is removed, one that was started again is killed.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Coroutine, Iterator, Mapping
from functools import partial
from typing import Any, Literal

from msgspec.structs import replace

from beeyard.adapters.copying import Copying, Desk
from beeyard.adapters.occurrences import Occurrences
from beeyard.adapters.providers.docker.container import CREATED, ours
from beeyard.adapters.providers.docker.ending import doubtful, ended, exit_of
from beeyard.adapters.providers.docker.engine import Engine, unreachable
from beeyard.adapters.providers.docker.known import Key, Known, handle_of, made
from beeyard.adapters.providers.docker.output import Output
from beeyard.adapters.providers.docker.watching import Row, Watching
from beeyard.domain.errors import NotFound, Refused, Unavailable
from beeyard.domain.messages import Exit, Handle
from beeyard.ports.provider import PAUSED, Occurrence

PATIENCE = 10.0
"""Seconds that an order waits for an engine that does not answer yet."""
GRACE = 60.0
"""Seconds after which a container that was made and never started is nobody's any more."""
FIRST_WORDS = 1.0
"""Seconds that an end is not told yet while what was written before it is copied."""
DOUBTS = (0.02, 0.08, 0.2, 0.7, 2.0)
"""Seconds between two looks at one that somebody killed and that has a memory limit: an engine that is busy hears
late of why."""
UNSURE = "perhaps by the kernel, out of memory: it has a limit, and the engine does not say"
REMOVED = "its container was removed by somebody else"

log = logging.getLogger("beeyard")


class Following:
    """The containers of one owner."""

    def __init__(self, engine: Engine, owner: str, desk: Desk, occurrences: Occurrences) -> None:
        self._engine = engine
        self._ours = partial(ours, owner=owner, engine=str(engine.where))
        self._desk = desk
        self._occurrences = occurrences
        self.watching = Watching(engine, owner, self._listed, self._happened, self._lost)
        self.known: dict[Key, Known] = {}
        self._launching: set[Key] = set()
        self._missed: dict[Key, str] = {}
        self._awaited: dict[Key, Handle] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Until cancelled."""
        try:
            await self.watching.run()
        finally:
            copies = [known.output for known in self.known.values() if known.output is not None]
            for task in (tasks := [*self._tasks, *copies]):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def ready(self) -> None:
        """Until all there is was seen. Raises Unavailable when the engine does not answer for too long."""
        try:
            await asyncio.wait_for(self.watching.synced.wait(), PATIENCE)
        except TimeoutError:
            trouble = self.watching.trouble
            raise trouble if isinstance(trouble, Unavailable) else unreachable(trouble.advised) from None

    async def sought(self, key: Key, handle: Handle) -> Known | None:
        """One that ran when its handle was saved. Raises Unavailable; then what became of it is told later."""
        self._awaited[key] = handle
        await self.ready()
        self._awaited.pop(key, None)
        known = self.known.get(key)
        return known if known is not None and known.id == handle.state["id"] else None

    @contextlib.contextmanager
    def left_to(self, key: Key) -> Iterator[None]:
        """Somebody is about to start this one, and meets it himself; whether it died meanwhile is looked at after."""
        self._launching.add(key)
        try:
            yield
        finally:
            self._launching.discard(key)
            if container := self._missed.pop(key, None):
                self._spawn(self._look(key, container))

    def astray(self, key: Key, reason: str) -> None:
        """The engine does not answer for this one, whatever it tells otherwise."""
        known = self.known.get(key)
        if known is not None and known.exit is None and not known.lost:
            known.lost = True
            self.tell(key, "lost", why=reason)

    def answered(self, key: Key) -> None:
        """The engine did answer for this one."""
        known = self.known.get(key)
        if known is not None and known.exit is None and known.lost:
            known.lost = False
            self.tell(key, "found")

    def piped(self) -> None:
        """Another launcher than before may have no pipes yet."""
        for key, known in self.known.items():
            if known.exit is None:
                self._spawn(self._desk.piped(*key))

    async def seen(self, container: str, *, killed: bool = False) -> Row:
        """What the engine knows of it, asked again while it may not know all of its end. `killed`: by ourselves."""
        found: Row = await self._engine.ask("GET", f"containers/{container}/json")
        for pause in DOUBTS:
            if killed or not doubtful(found):
                break
            await asyncio.sleep(pause)
            found = await self._engine.ask("GET", f"containers/{container}/json")
        return found

    def meet(self, key: Key, found: Mapping[str, Any]) -> Known:
        """What the engine says of one, taken in; what that means is told."""
        state = found["State"]
        known = self.known.get(key)
        awaited = self._awaited.pop(key, None)
        if known is None:
            known = self.known[key] = Known(found["Id"], handle_of(found), state["Pid"], lost=awaited is not None)
            known.suspect = bool(found["HostConfig"].get("Memory"))
            known.since = made(found)
            known.copy = Output(self._engine, known.id, key[0], Copying(self._desk, *key))
            known.output = asyncio.get_running_loop().create_task(known.copy.run())
        if ended(state):
            if known.exit is None:
                unsure = doubtful(found) and not known.killed
                self._ends(key, known, replace(exit_of(state), note=UNSURE) if unsure else exit_of(state))
        elif known.exit is not None:
            if state["Running"]:
                log.warning("%s: somebody started attempt %d again after its end: killed", *key)
                self._spawn(self._kill_again(known.id))
        else:
            self._goes_on(key, known, bool(state.get("Paused")))
        return known

    def tell(self, key: Key, kind: Literal["exited", "lost", "found"], exit: Exit | None = None, why: str = "") -> None:
        """Whoever looks after it."""
        self._occurrences.tell(Occurrence(*key, kind, exit, why))

    def _goes_on(self, key: Key, known: Known, paused: bool) -> None:
        if paused and not known.paused:
            self.tell(key, "lost", why=PAUSED)
        elif not paused and (known.paused or known.lost):
            self.tell(key, "found")
        known.paused, known.lost = paused, False

    async def _listed(self, rows: list[Row]) -> None:
        """All there is: what we know and is not there is gone, what is there and unknown is met. Raises Unavailable."""
        there = {key: row for row in rows if (key := self._ours(row["Labels"])) is not None}
        for key in [key for key, known in self.known.items() if key not in there and key not in self._launching]:
            self._gone(key)
        for key, row in there.items():
            known = self.known.get(key)
            if row["State"] == "created":
                if key not in self._launching and time.time() - float(row["Labels"].get(CREATED, 0)) > GRACE:
                    log.warning("%s: attempt %d was made and never started: removed", *key)
                    with contextlib.suppress(NotFound, Refused):
                        await self._engine.remove(row["Id"])
            elif known is None or known.lives or row["State"] == "running":
                await self._see(key, row["Id"])
        for key, handle in list(self._awaited.items()):
            self._awaited.pop(key)
            if key not in self.known:
                self.known[key] = Known(handle.state["id"], handle)
                self._gone(key)

    async def _happened(self, event: Row) -> None:
        key = self._ours(event["Actor"]["Attributes"])
        if key is None:
            return
        if key in self._launching:
            if event["Action"] == "die":
                self._missed[key] = event["Actor"]["ID"]
            return
        known = self.known.get(key)
        match event["Action"]:
            case "destroy" if known is not None and known.id == event["Actor"]["ID"]:
                self._gone(key)
            case "oom" if known is not None:
                known.suspect = True
            case "die" if known is not None and known.exit is None and not known.suspect:
                # Its code stands here, and the engine answers no other question until it has cleared up.
                self._ends(key, known, exit_of({"ExitCode": event["Actor"]["Attributes"].get("exitCode")}))
            case "die" | "pause" | "unpause" | "start":
                self._spawn(self._look(key, event["Actor"]["ID"]))

    async def _look(self, key: Key, container: str) -> None:
        with contextlib.suppress(Unavailable):  # The next list tells.
            await self._see(key, container)

    async def _see(self, key: Key, container: str) -> None:
        """Raises Unavailable. An answer may be older than what was heard while it was waited for."""
        before = self.known.get(key)
        lived = before is not None and before.lives
        with contextlib.suppress(NotFound):
            found = await self.seen(container, killed=before is not None and before.killed)
            known = self.known.get(key)
            removed = before is not None and known is None
            outlived = lived and known is not None and not known.lives and found["State"]["Running"]
            if key not in self._launching and not removed and not outlived:
                self.meet(key, found)

    async def _kill_again(self, container: str) -> None:
        with contextlib.suppress(NotFound, Refused, Unavailable):
            await self._engine.ask("POST", f"containers/{container}/kill")

    def _gone(self, key: Key) -> None:
        known = self.known[key]
        if known.exit is None:
            self._ends(key, known, Exit(note=REMOVED))

    def _ends(self, key: Key, known: Known, exit: Exit) -> None:
        known.exit = exit
        if known.copy is not None:
            known.copy.over.set()
        self._spawn(self._tell_end(key, known, exit))

    async def _tell_end(self, key: Key, known: Known, exit: Exit) -> None:
        """After what it wrote: once all have ended, nobody may be there to write it down."""
        if known.copy is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FIRST_WORDS):
                    await known.copy.heard.wait()
        self.tell(key, "exited", exit)

    def _lost(self, reason: str) -> None:
        for key in self.known:
            self.astray(key, reason)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
