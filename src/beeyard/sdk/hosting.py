"""Runs one attempt of a module on the running loop, wherever that loop is: a thread of the master, or a process.

The module is made, configured, initialized and started; from then on it is asked in its own loop whether it is
healthy, so that a loop which is blocked shows as silence; at its end it is stopped, and what it left running is
cancelled. How the end comes about is one record, `Ended`, and everything said on the way goes through `Voice`.

Errors that nobody caught, in a thread or in a task that nobody waits for, are logged and counted; they end nothing.
Only three things end an attempt that nobody stopped: an error of `initialize`, `start` or a task of `context.run`;
`sys.exit`; and its host. Whatever a module does not let end, a start or a task that takes no cancellation, is left
behind after a while, by its name in the log: nothing here waits for ever but for a `stop` that somebody asked for.
"""

import asyncio
import functools
import logging
import time
from collections.abc import Callable, Mapping
from socket import socket as Socket
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from beeyard.sdk.code import Code
from beeyard.sdk.context import Context
from beeyard.sdk.instance import Instance, owned
from beeyard.sdk.report import Report
from beeyard.sdk.sockets import Sockets
from beeyard.sdk.swapping import Swapping
from beeyard.sdk.terms import Terms
from beeyard.sdk.words import HALFWAY, LONGEST, Unfit, meant_for_us, words


class Ended(Struct, frozen=True):
    """How an attempt ended: the exit code that a process has for it, and in words why, empty if it was stopped."""

    code: int = 0
    reason: str = ""


class Voice(Protocol):
    """Whom the host tells."""

    def ready(self, report: Report) -> None: ...

    def report(self, report: Report) -> None: ...

    def stopping(self) -> None: ...


class Hosting:
    """One attempt.

    Args:
        code: makes the module.
        counts: tasks and threads of the module at this moment; None: its loop's tasks, and no threads.
        everything: the tasks of its loop. asyncio's own look goes through those of all loops of the process.
        sockets: those that were passed on to it, by endpoint.
    """

    def __init__(
        self,
        code: Code,
        terms: Terms,
        voice: Voice,
        logger: logging.Logger,
        counts: Callable[[], tuple[int, int]] | None = None,
        everything: Callable[[], set[asyncio.Task[Any]]] = asyncio.all_tasks,
        sockets: Mapping[str, Socket] | None = None,
    ) -> None:
        self.terms = terms
        self.instance: Instance | None = None
        """The one that serves."""
        self._code = code
        self._voice = voice
        self._logger = logger
        self._everything = everything
        self._counts = counts or (lambda: (self.tasks(), 0))
        self._own: set[asyncio.Future[Any]] = set()
        self._failure: asyncio.Future[Ended] | None = None
        self._stop = asyncio.Event()
        self._report = Report(loaded=time.time(), code=code.digest)
        self._sockets = Sockets(terms.ports, terms.hosts, sockets)
        self._swapping = Swapping(self)

    def stop(self) -> None:
        """Have it end; on the loop's own thread. Harmless twice."""
        self._stop.set()
        for instance in (self.instance, self._swapping.new):
            if instance is not None and instance.context is not None:
                instance.context.stopping.set()

    def swap(self, load: Callable[[], Code]) -> None:
        """Have new code take over; on the loop's own thread. The report says what came of it. One at a time."""
        self._swapping.begin(load)

    def uncaught(self, error: BaseException, where: str) -> None:
        """Note an error that nobody caught; on the loop's own thread."""
        self._logger.error("nobody caught an error in %s", where, exc_info=error)
        self._report = msgspec.structs.replace(self._report, uncaught=self._report.uncaught + 1, last=words(error))

    def exited(self, error: SystemExit) -> None:
        """It called `sys.exit` in a task, which stopped the loop; run that again, and its end goes on from here."""
        if self._failure is not None and not self._failure.done():
            self._failure.set_result(self._left(error))

    def tasks(self) -> int:
        """How many tasks of the module there are; on the loop's own thread."""
        return len(self._everything() - self._own)

    async def run(self) -> Ended:
        """From its making to its end. `sys.exit` in a task ends the loop with SystemExit: see `exited`."""
        loop = asyncio.get_running_loop()
        self._failure = loop.create_future()
        loop.set_exception_handler(self._unhandled)
        loop.set_task_factory(owned)
        try:
            self.instance = Instance(self._code, self.terms)
        except (Exception, SystemExit) as error:
            return self._failed(error, "could not be made")
        self._report = msgspec.structs.replace(self._report, info=self.instance.info)
        if self._stop.is_set():
            return Ended()
        begun = asyncio.ensure_future(self.instance.begin(functools.partial(self.context, self.instance)))
        stopped = asyncio.ensure_future(self._stop.wait())
        self._own |= {me for me in (asyncio.current_task(), begun, stopped) if me is not None}
        ends: set[asyncio.Future[Any]] = {stopped, self._failure}
        try:
            done, _ = await asyncio.wait(
                {begun, *ends}, timeout=self.terms.start_timeout, return_when=asyncio.FIRST_COMPLETED
            )
            ended = self._started(begun, done)
            if ended is None and begun.done():
                ended = await self._live(ends)
            await self.abandon(begun)
            return await self._finish(ended)
        finally:
            stopped.cancel()
            self._sockets.close()
            if self.instance.context is not None:
                self.instance.context.end()

    # --- beginning --------------------------------------------------------------------------------------------------

    def context(self, instance: Instance, config: Any) -> Context[Any]:
        """What an instance is given; until it serves, nobody is told what it offers."""
        return Context(
            self.terms.worker,
            config,
            self.terms.ports,
            self._logger,
            functools.partial(self._changed, asyncio.get_running_loop()),
            functools.partial(self._task_failed, instance),
            self.terms.master,
            self._sockets,
            serving=instance is self.instance,
            environment=self.terms.environment,
        )

    def _started(self, begun: "asyncio.Future[None]", done: "set[asyncio.Future[Any]]") -> Ended | None:
        """None: it did, or was stopped before."""
        assert self._failure is not None
        if self._failure in done:
            return self._failure.result()
        if begun in done:
            if begun.cancelled():
                return self._failed(None, "its start was cancelled from within")
            error = begun.exception()
            return None if error is None else self._failed(error, "did not start")
        if not done:
            limit = f"{self.terms.start_timeout:g}s"
            return self._failed(None, f"start() did not return within {limit}: it has to return once it is ready")
        return None

    async def abandon(self, begun: "asyncio.Future[Any]") -> None:
        """End a start that is not done; what goes wrong with that is told, and changes nothing."""
        if begun.done():
            return
        begun.cancel()
        await asyncio.wait({begun}, timeout=HALFWAY)
        if not begun.done():
            self._logger.error("its start does not let itself be cancelled")
        elif not begun.cancelled() and (error := begun.exception()) is not None:
            self._failed(error, "its start failed while it was stopped")

    # --- while it runs ----------------------------------------------------------------------------------------------

    async def _live(self, ends: "set[asyncio.Future[Any]]") -> Ended | None:
        """From its readiness until something ends it. None: it is to stop."""
        assert self._failure is not None
        self._tell(self._voice.ready)
        pulse = asyncio.ensure_future(self._pulse())
        self.own(pulse)
        self._swapping.ready = True
        await asyncio.wait({pulse, *ends}, return_when=asyncio.FIRST_COMPLETED)
        await self._swapping.end()
        if pulse.done() and not pulse.cancelled() and (error := pulse.exception()) is not None:
            return self._failed(error, "its health could not be told")
        pulse.cancel()
        return self._failure.result() if self._failure.done() else None

    async def _pulse(self) -> None:
        """Ask, tell, wait. What is asked is bounded, not what its loop does besides: that shows as silence."""
        clock = asyncio.get_running_loop().time
        while True:
            began = clock()
            assert self.instance is not None
            asked = self.instance
            healthy, reason = await self.asked(asked)
            if asked is not self.instance:
                continue  # Of one that serves no more nobody wants to know.
            self._report = msgspec.structs.replace(self._report, healthy=healthy, reason=reason, asked=time.time())
            self._tell(self._voice.report)
            await asyncio.sleep(max(0.0, began + self.terms.period - clock()))

    async def asked(self, instance: Instance) -> tuple[bool, str]:
        """Whether it is healthy, and if not why."""
        try:
            async with asyncio.timeout(self.terms.timeout) as bound:
                return (True, "") if await instance.healthy() else (False, "healthy() said no")
        except Exception as error:
            if isinstance(error, TimeoutError) and bound.expired():
                return False, f"healthy() did not answer within {self.terms.timeout:g}s"
            return False, words(error)
        except asyncio.CancelledError as error:
            if meant_for_us():
                raise
            return False, words(error)

    def _changed(self, loop: asyncio.AbstractEventLoop) -> None:
        """What it offers is another; on any thread."""
        loop.call_soon_threadsafe(self.tell)

    def own(self, task: "asyncio.Future[Any]") -> None:
        """This task is the host's, and not the module's."""
        self._own.add(task)
        task.add_done_callback(self._own.discard)

    def tell(self, **changed: Any) -> None:
        """Report, with these fields changed."""
        self._report = msgspec.structs.replace(self._report, **changed)
        self._tell(self._voice.report)

    def _tell(self, say: Callable[[Report], None]) -> None:
        tasks, threads = self._counts()
        context = self.instance.context if self.instance is not None else None
        offers = dict(context.offers) if context is not None else {}
        self._report = msgspec.structs.replace(self._report, tasks=tasks, threads=threads, offers=offers)
        say(self._report)

    # --- ending -----------------------------------------------------------------------------------------------------

    async def _finish(self, ended: Ended | None) -> Ended:
        """Stop it, as long as whoever stops it lets it; one that ended by itself has no such long time."""
        self._sockets.close()
        instance = self.instance
        if instance is not None and instance.context is not None:
            instance.context.stopping.set()
            instance.context.withdraw()
            if ended is None:
                self._voice.stopping()
            failed = await self._stopped(instance, HALFWAY if ended is not None else None)
            await instance.context.close()
            ended = ended or failed
        await self.cancel_all(HALFWAY)
        return ended or Ended()

    async def _stopped(self, instance: Instance, within: float | None) -> Ended | None:
        """None: cleanly."""
        try:
            async with asyncio.timeout(within) as bound:
                await instance.stop()
        except asyncio.CancelledError as error:
            if meant_for_us():
                raise
            return self._failed(error, "did not stop cleanly")
        except (Exception, SystemExit) as error:
            if isinstance(error, TimeoutError) and bound.expired():
                return self._failed(None, f"stop() did not return within {within:g}s")
            return self._failed(error, "did not stop cleanly")
        return None

    async def dismiss(self, instance: Instance, within: float) -> None:
        """Stop one of two. What it has under way may come to its end, for a while; then it is cancelled."""
        context = instance.context
        if context is None:
            return
        context.stopping.set()
        context.withdraw()
        stopped = asyncio.ensure_future(self._stopped(instance, within))
        self.own(stopped)
        try:
            await asyncio.wait({stopped}, timeout=within + HALFWAY)
            context.cancel()
            await context.answered(HALFWAY)
            await instance.left(HALFWAY)
        finally:
            stopped.cancel()
            context.end()
        await context.close()
        for task in instance.busy():
            task.cancel()
        if names := await instance.left(HALFWAY):
            self._logger.error("of the old code, tasks that do not let themselves be cancelled: %s", names)

    async def cancel_all(self, within: float) -> bool:
        """Cancel what runs on this loop besides the caller, again and again until nothing does. False: not in time."""
        clock = asyncio.get_running_loop().time
        end = clock() + within
        while others := self._everything() - {asyncio.current_task()}:
            if clock() >= end:
                names = ", ".join(sorted(task.get_name() for task in others))
                self._logger.error("tasks that do not let themselves be cancelled: %s", names)
                return False
            for task in others:
                task.cancel()
            await asyncio.wait(others, timeout=min(1.0, within))
        return True

    def blamed(self, error: BaseException, what: str) -> str:
        """Log an error that ends nothing; it in words."""
        return self._failed(error, what).reason

    def _failed(self, error: BaseException | None, what: str) -> Ended:
        """In words, its traceback in the log."""
        if isinstance(error, SystemExit):
            return self._left(error)
        if error is None or isinstance(error, Unfit):
            text = str(error or what)
            self._logger.error("%s", text, exc_info=error and error.__cause__)
            return Ended(1, text)
        self._logger.error("%s", what, exc_info=error)
        return Ended(1, f"{what}: {words(error)}")

    def _left(self, error: SystemExit) -> Ended:
        """What `sys.exit` means, by the rules of Python's own end."""
        given = error.code
        code = 0 if given is None else given & 0xFF if isinstance(given, int) else 1
        reason = f"it called sys.exit({'' if given is None else repr(given)[:LONGEST]})"
        self._logger.info("%s", reason)
        return Ended(code, reason)

    def _task_failed(self, instance: Instance, error: BaseException) -> None:
        if instance is not self.instance:
            self._swapping.broken(error)
        elif self._failure is not None and not self._failure.done():
            self._failure.set_result(self._failed(error, "a task of it failed"))

    def _unhandled(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if error is not None:
            self.uncaught(error, context.get("message", "the loop"))
        else:
            self._logger.error("%s", context.get("message", "something went wrong on the loop"))
