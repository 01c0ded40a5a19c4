"""One module of some code, with its context: made, configured, begun and stopped once. Knows which tasks are its own.

Two of one attempt share a loop while new code takes over from old. A task is that one's whose task, or whose server,
began it; one that is begun from elsewhere, from a thread for instance, is nobody's, and ends with the attempt.
"""

import asyncio
import weakref
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

import msgspec

from beeyard.sdk.code import Code
from beeyard.sdk.config import configured
from beeyard.sdk.context import Context
from beeyard.sdk.module import Module
from beeyard.sdk.report import Info
from beeyard.sdk.terms import Terms
from beeyard.sdk.words import LARGEST, LONGEST, Unfit

METHODS = ("initialize", "start", "stop", "healthy", "info")
_here: ContextVar["Instance"] = ContextVar("beeyard_instance")


class Instance:
    """Making one raises Unfit, and whatever the code raises."""

    def __init__(self, code: Code, terms: Terms) -> None:
        self.code = code
        self.module = _made(code, terms)
        self.info = _info(self.module)
        self.context: Context[Any] | None = None
        self._terms = terms
        self._loop = asyncio.get_running_loop()
        self._tasks: weakref.WeakSet[asyncio.Task[Any]] = weakref.WeakSet()

    async def begin(self, given: Callable[[Any], Context[Any]]) -> None:
        """Until it is ready. `given` makes its context, of its configuration. Raises Unfit, and what it raises."""
        _here.set(self)
        self.context = given(configured(self._terms.config, getattr(self.module, "config_type", None)))
        await self._asked("initialize", self.context)
        await self._asked("start")

    async def stop(self) -> None:
        _here.set(self)
        await self._asked("stop")

    async def healthy(self) -> bool:
        """Raises Unfit for an answer that is neither yes nor no, for nobody knows what was meant."""
        _here.set(self)
        answer: object = await self._asked("healthy")
        if not isinstance(answer, bool):
            raise Unfit(f"healthy() has to say True or False, not {answer!r}"[:LONGEST])
        return answer

    def _asked(self, method: str, *given: Any) -> Awaitable[Any]:
        """What it began. Raises Unfit for a method that cannot be waited for."""
        begun: object = getattr(self.module, method)(*given)
        if not isinstance(begun, Awaitable):
            raise Unfit(f"{method}() has to be an `async def`")
        return begun

    def busy(self) -> set[asyncio.Task[Any]]:
        """Its tasks that are not done, but for the one that asks."""
        return {task for task in self._tasks if not task.done() and task is not asyncio.current_task()}

    async def left(self, within: float) -> str:
        """Wait for them so long. The names of those that go on."""
        clock = asyncio.get_running_loop().time
        end = clock() + within
        while (busy := self.busy()) and clock() < end:  # Each may begin others.
            await asyncio.wait(busy, timeout=end - clock())
        return ", ".join(sorted(task.get_name() for task in busy))

    def take(self, task: asyncio.Task[Any]) -> None:
        """It is one of its tasks, if it runs here: who calls another module begins a task on the other's loop."""
        if task.get_loop() is self._loop:
            self._tasks.add(task)


def owned(loop: asyncio.AbstractEventLoop, work: Any, /, **options: Any) -> asyncio.Task[Any]:
    """A loop's task factory: each task is that instance's in which it is begun."""
    task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, **options)
    instance = _here.get(None)
    if instance is not None:
        instance.take(task)
    return task


def _made(code: Code, terms: Terms) -> Module[Any]:
    module = code.make()
    lacking = [name for name in METHODS if not callable(getattr(module, name, None))]
    if lacking:
        raise Unfit(f"{terms.factory} made a {type(module).__name__}, which has no {', '.join(lacking)}")
    return module


def _info(module: Module[Any]) -> Info:
    info: object = module.info()
    if not isinstance(info, Info) or len(msgspec.json.encode(info)) > LARGEST:
        raise Unfit(f"info() of {type(module).__name__} has to be an Info of at most {LARGEST} bytes")
    return info
