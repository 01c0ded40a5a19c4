"""New code takes over from old within one attempt: how, in which order, and what becomes of either when it fails.

The new one is loaded, made, initialized and started while the old one serves, and asked whether it is healthy. Only
then do its offers replace the old ones, and the old one is stopped. Until that moment every failure is the new one's
alone: it is stopped, and the old one goes on. From then on the new one is the module, and its failures end the attempt.
"""

import asyncio
import functools
from collections.abc import Callable
from contextvars import Context as Surroundings
from typing import Any, Protocol

from beeyard.sdk.code import Code
from beeyard.sdk.context import Context
from beeyard.sdk.instance import Instance
from beeyard.sdk.terms import Terms
from beeyard.sdk.words import HALFWAY, Unfit, words


class Host(Protocol):
    """Of the attempt, what is needed here: see hosting.Hosting."""

    terms: Terms
    instance: Instance | None

    def context(self, instance: Instance, config: Any) -> Context[Any]: ...

    async def asked(self, instance: Instance) -> tuple[bool, str]: ...

    async def abandon(self, begun: "asyncio.Future[Any]") -> None: ...

    async def dismiss(self, instance: Instance, within: float) -> None: ...

    def own(self, task: "asyncio.Future[Any]") -> None: ...

    def tell(self, **changed: Any) -> None: ...

    def blamed(self, error: BaseException, what: str) -> str: ...


class Swapping:
    """Those of one attempt, one at a time. `ready`: there is something that serves. `new`: what does not serve yet."""

    def __init__(self, host: Host) -> None:
        self.ready = False
        self.new: Instance | None = None
        self._host = host
        self._count = 0
        self._work: asyncio.Task[None] | None = None
        self._broken: asyncio.Future[BaseException] | None = None

    def begin(self, load: Callable[[], Code]) -> None:
        """Harmless while one is under way: what comes of that is told."""
        if self._work is None or self._work.done():
            loop = asyncio.get_running_loop()
            # In surroundings of its own: a signal comes in the midst of whatever the old one does.
            self._work = loop.create_task(self._swap(load), name="swap", context=Surroundings())
            self._host.own(self._work)

    def broken(self, error: BaseException) -> None:
        """A task of one that does not serve has failed."""
        if self._broken is not None and not self._broken.done():
            self._broken.set_result(error)

    async def end(self) -> None:
        """The attempt ends: what does not serve yet never will, and who served before has little time left."""
        self.ready = False
        work = self._work
        if work is None or work.done():
            return
        if self.new is not None or self._broken is not None:
            work.cancel()
            await asyncio.wait({work}, timeout=2 * HALFWAY)
        else:
            await asyncio.wait({work}, timeout=HALFWAY)
            work.cancel()

    async def _swap(self, load: Callable[[], Code]) -> None:
        refused = ""
        try:
            await self._taken_over(load)
        except (Exception, SystemExit) as error:
            refused = self._host.blamed(error, "the new code did not start")
        self._count += 1
        self._host.tell(swaps=self._count, refused=refused)

    async def _taken_over(self, load: Callable[[], Code]) -> None:
        host, old = self._host, self._host.instance
        if old is None or not self.ready:
            raise Unfit("it is not ready yet: there is nothing to be replaced")
        new = await self._started(load)
        assert new.context is not None
        host.instance, self.new = new, None
        new.context.serve()
        host.tell(code=new.code.digest, info=new.info)
        await host.dismiss(old, host.terms.start_timeout)
        old.code.release()

    async def _started(self, load: Callable[[], Code]) -> Instance:
        """One that is ready, else none at all."""
        self._broken = asyncio.get_running_loop().create_future()
        begun = asyncio.ensure_future(self._begun(load))
        self._host.own(begun)
        limit = self._host.terms.start_timeout
        try:
            ends: set[asyncio.Future[Any]] = {begun, self._broken}
            await asyncio.wait(ends, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
            if self._broken.done():
                raise Unfit(f"a task of it failed: {words(self._broken.result())}")
            if not begun.done():
                raise Unfit(f"start() did not return within {limit:g}s: it has to return once it is ready")
            return begun.result()
        except asyncio.CancelledError:
            if begun.cancelled():
                await self._discard(begun)
                raise Unfit("its start was cancelled from within") from None
            await self._discard(begun)
            raise
        except BaseException:
            await self._discard(begun)
            raise
        finally:
            self._broken = None

    async def _begun(self, load: Callable[[], Code]) -> Instance:
        """In a thread beside the loop, where the old one serves, then on it."""
        try:
            code = await asyncio.get_running_loop().run_in_executor(None, load)
            if not code.digest:
                raise Unfit("its code is not its own, but the program's: only a restart of that loads it anew")
            new = self.new = Instance(code, self._host.terms)
            await new.begin(functools.partial(self._host.context, new))
        except SystemExit as error:
            if type(error) is not SystemExit:
                raise  # An end that was put into the thread, from outside.
            raise Unfit(f"it called sys.exit({'' if error.code is None else repr(error.code)})") from None
        healthy, reason = await self._host.asked(new)
        if not healthy:
            raise Unfit(f"it is not healthy: {reason}")
        return new

    async def _discard(self, begun: "asyncio.Future[Instance]") -> None:
        await self._host.abandon(begun)
        new, self.new = self.new, None
        if new is not None:
            await self._host.dismiss(new, HALFWAY)
            new.code.release()
