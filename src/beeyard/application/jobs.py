"""Every operation goes through here: who asks is checked, what changes something is written into the journal and runs
as a job of its own, whoever waits for it or not.

A job is kept for a day, with what it told on its way, so that anyone can read it again from any point. One that ran
when the master ended is failed and says so; what it had asked of the workers by then is saved with them, and goes on.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from typing import Any, cast

import msgspec

from beeyard.application.audit import Audit
from beeyard.application.feed import Event, Feed
from beeyard.application.job import Job, awoken
from beeyard.application.job_records import JobRecord, JobRecords, new_id
from beeyard.application.operation import Call, Caller, Handler, Operation, Streamer, denied, workers_of
from beeyard.application.problems import to_problem
from beeyard.application.views import JobState
from beeyard.application.views import JobView as JobView
from beeyard.domain.access import Need, refusal
from beeyard.domain.errors import BeeyardError, Invalid, NotFound, Refused, Unavailable
from beeyard.ports.clock import Clock

RECENT = 256
"""Ended jobs that are kept at hand; older ones are read from the store."""
PATIENCE = 2.0
"""Seconds that jobs under way have to end when the master does."""

log = logging.getLogger("beeyard")


class Jobs:
    """All jobs of one master."""

    def __init__(
        self,
        master: object,
        operations: Mapping[str, Operation],
        records: JobRecords,
        audit: Audit,
        clock: Clock,
        feed: Feed,
    ) -> None:
        self._master = master
        self._operations = operations
        self._records = records
        self._audit = audit
        self._clock = clock
        self._feed = feed
        self._running: dict[str, Job] = {}
        self._recent: dict[str, Job] = {}
        self._keys: dict[tuple[str, str], str] = {}
        self._closing = False
        self.version = 0

    # --- asking -----------------------------------------------------------------------------------------------------

    async def ask(self, operation: Operation, request: Any, caller: Caller) -> Any:
        """The reply. What changes something is carried out to its end, also if whoever asked does not wait for it.

        Raises:
            Denied: this caller may not. Any other error is the operation's own.
        """
        await self._require(operation, request, caller)
        if not operation.alters(request):
            return await cast(Handler, operation.handle)(self._master, request, Call(caller))
        # Shielded from the beginning: what stands in the journal as begun is carried out.
        job = await asyncio.shield(self._begin(operation, request, caller))
        return await asyncio.shield(job.ended)

    async def stream(self, operation: Operation, request: Any, caller: Caller) -> AsyncIterator[list[Any]]:
        """The batches of a streaming operation. Raises Denied before the first."""
        await self._require(operation, request, caller)
        return aiter(cast(Streamer, operation.handle)(self._master, request, Call(caller)))

    async def accept(self, operation: Operation, request: Any, caller: Caller, key: str = "") -> JobView:
        """Begin a job; returns when it is saved that it was asked for. The same `key` again gives the same job.

        Raises:
            Denied: this caller may not.
            Invalid: `no_job`, for what is answered to whoever asks and to nobody else.
        """
        await self._require(operation, request, caller)
        if not operation.kept:
            text = "{operation} is no job: its answer is for whoever asks, and kept nowhere"
            hint = f"POST /v1/operations/{operation.name}"
            raise Invalid("no_job", text, operation=operation.name, hint=hint)
        if key and (known := self._keys.get((caller.by, key))):
            return await self.get(known, caller)
        return (await asyncio.shield(self._begin(operation, request, caller, key=key, saved=True))).view

    async def _require(self, operation: Operation, request: Any, caller: Caller) -> None:
        if reason := refusal(caller.grant, operation.need(request)):
            if operation.alters(request):
                await self._audit.denied(operation, request, caller)
            raise denied(operation, caller, reason)

    # --- looking ----------------------------------------------------------------------------------------------------

    async def get(self, id: str, caller: Caller) -> JobView:
        """One job. Raises NotFound, also for one that this caller may not know of."""
        return (await self._find(id, caller)).view

    async def newest(self, limit: int, after: str | None, caller: Caller) -> list[JobView]:
        """Jobs, newest first, without their results; those after the one given."""
        found: dict[str, JobView] = {}
        before = after
        while len(found) < limit:
            records = await self._records.newest(limit, before)
            found |= {record.view.id: record.view for record in records}
            if len(records) < limit:
                break
            before = records[-1].view.id
        for job in (*self._recent.values(), *self._running.values()):
            if after is None or job.view.id < after:
                found[job.view.id] = job.view
        seen = sorted((view for view in found.values() if self._sees(caller, view)), key=lambda view: view.id)
        return [msgspec.structs.replace(view, result=None) for view in seen[::-1][:limit]]

    async def events(self, id: str, after: str | None, caller: Caller) -> AsyncIterator[list[Event]]:
        """What a job told and tells, from its beginning or after a cursor, until it ended. Raises NotFound."""
        job = await self._find(id, caller)
        return job.feed.read(after or "")

    async def cancel(self, id: str, caller: Caller) -> JobView:
        """End a job's task; what it had asked of the workers by then stands. Returns when it ended.

        Raises:
            NotFound: there is none.
            Refused: `job_ended`, it had ended otherwise.
            Denied: who may not ask for the operation may not cancel it either.
        """
        job = await self._find(id, caller)
        if job.operation is not None:
            need = Need(job.operation.role, job.operation.install, job.view.workers, reads=False)
            if reason := refusal(caller.grant, need):
                raise denied(job.operation, caller, reason)
        if job.task is not None and not job.ended.done():
            job.task.cancel()
            await asyncio.wait({job.task})
        if job.view.state != "cancelled":
            raise Refused("job_ended", "{id} can't be cancelled: it is {state}", id=id, state=job.view.state)
        return job.view

    async def _find(self, id: str, caller: Caller) -> Job:
        job = self._running.get(id) or self._recent.get(id)
        if job is None and (record := await self._records.find(id)) is not None:
            job = awoken(record, self._operations)
        if job is None or not self._sees(caller, job.view):
            hint = "they are kept for a day; beeyard job list"
            raise NotFound("no_such_job", "there is no job {id}", id=id, hint=hint)
        return job

    def _sees(self, caller: Caller, view: JobView) -> bool:
        operation = self._operations.get(view.operation)
        need = Need("viewer" if operation is None else operation.role, False, view.workers, reads=False)
        return view.by == caller.by or not refusal(caller.grant, need)

    # --- life -------------------------------------------------------------------------------------------------------

    async def wake(self) -> None:
        """Take note of the jobs of an earlier master; those that ran then are failed."""
        at = self._clock.now().wall
        failed = []
        for record in await self._records.newest(RECENT):
            if record.key:
                self._keys[record.view.by, record.key] = record.view.id
            if record.view.state == "running":
                problem = to_problem(_master_ended())
                record.view = msgspec.structs.replace(record.view, state="failed", ended=at, error=problem)
                failed.append(record)
        if failed:
            await self._save(failed, durable=False)

    async def close(self) -> None:
        """Let those under way end; after a while they are cut off, and say so."""
        self._closing = True
        tasks = {job.task for job in self._running.values() if job.task is not None}
        if tasks:
            await asyncio.wait(tasks, timeout=PATIENCE)
        for job in self._running.values():
            if job.task is not None and not job.ended.done():
                job.task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=PATIENCE)

    async def _begin(
        self, operation: Operation, request: Any, caller: Caller, *, key: str = "", saved: bool = False
    ) -> Job:
        at = self._clock.now().wall
        entry = await self._audit.begun(operation, request, caller) if operation.alters(request) else 0
        view = JobView(
            id=new_id(at),
            operation=operation.name,
            state="running",
            by=caller.by,
            at=at,
            ended=None,
            workers=workers_of(request),
            reason=caller.reason,
            error=None,
            result=None,
        )
        job = Job(view, operation, key)
        if saved:
            try:
                await self._save([job.record()], durable=True)
            except BeeyardError as error:
                if entry:
                    await self._audit.ended(operation, caller, entry, error.code)
                raise
        self._running[view.id] = job
        if key:
            self._keys[caller.by, key] = view.id
        job.tell("accepted", at, {"id": view.id, "operation": operation.name, "by": view.by})
        if operation.kept:
            self._changed(job)
        job.task = asyncio.get_running_loop().create_task(self._run(job, operation, request, caller, entry))
        return job

    async def _run(self, job: Job, operation: Operation, request: Any, caller: Caller, entry: int) -> None:
        def tell(kind: str, data: Any) -> None:
            job.tell(kind, self._clock.now().wall, data)

        result: Any = None
        error: BeeyardError | None = None
        try:
            result = await cast(Handler, operation.handle)(self._master, request, Call(caller, tell))
        except asyncio.CancelledError:
            error = _master_ended() if self._closing else _cancelled()
        except BeeyardError as raised:
            error = raised
        except Exception as raised:
            log.exception("%s failed in an unforeseen way", operation.name)
            error = BeeyardError("internal", "error in Beeyard: {error!r}", error=raised)
        await self._end(job, operation, caller, entry, result, error)

    async def _end(
        self, job: Job, operation: Operation, caller: Caller, entry: int, result: Any, error: BeeyardError | None
    ) -> None:
        at = self._clock.now().wall
        state: JobState = "done" if error is None else "cancelled" if error.code == "cancelled" else "failed"
        problem = None if error is None else to_problem(error)
        kept = msgspec.to_builtins(result) if operation.kept else None
        job.view = msgspec.structs.replace(job.view, state=state, ended=at, error=problem, result=kept)
        if error is None:
            job.tell("result", at, kept)
            job.ended.set_result(result)
        else:
            job.tell("error", at, problem)
            job.ended.set_exception(error)
        job.tell("done", at, {"state": state})
        job.feed.end()
        job.events = [event async for batch in job.feed.read("") for event in batch]
        del self._running[job.view.id]
        if operation.kept:
            self._recent[job.view.id] = job
            self._changed(job)
        try:
            if entry:
                await self._audit.ended(operation, caller, entry, "ok" if error is None else error.code)
            await self._save([job.record()] if operation.kept else [], durable=False)
        except BeeyardError as trouble:
            log.warning("the end of %s (%s) could not be written: %s", job.view.id, operation.name, trouble)

    def _changed(self, job: Job) -> None:
        """Tell it to those who follow what happens here, and let go of what is old."""
        self.version += 1
        view = job.view
        data = {"id": view.id, "operation": view.operation, "state": view.state, "by": view.by, "workers": view.workers}
        self._feed.tell("job", view.ended or view.at, lambda: data)
        while len(self._recent) > RECENT:
            del self._recent[next(iter(self._recent))]

    async def _save(self, records: list[JobRecord], *, durable: bool) -> None:
        old = self._records.oldest()
        for id in [id for id in self._recent if id < old]:
            del self._recent[id]
        for key in [key for key, id in self._keys.items() if id < old]:
            del self._keys[key]
        await self._records.save(records, self._audit.facts(), durable=durable)


def _master_ended() -> Unavailable:
    text = "the master ended while this ran"
    return Unavailable(
        "master_ended", text, hint="what had been asked of the workers by then goes on; ask for the rest"
    )


def _cancelled() -> Refused:
    return Refused("cancelled", "cancelled; what had been asked of the workers by then stands")
