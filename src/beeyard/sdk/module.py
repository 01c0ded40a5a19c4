"""What a service has to be, to run within the master or as a process of its own without knowing which."""

from collections.abc import Callable
from typing import Any, ClassVar, Protocol, TypeVar

from msgspec import Struct

from beeyard.sdk.context import Context
from beeyard.sdk.report import Info

C = TypeVar("C")


class Module(Protocol[C]):
    """One attempt of a service: made by its factory, initialized, started and stopped once each, then thrown away.

    Everything but `healthy` is called in the order it stands here, on one event loop that is this module's alone. A
    class may derive from this one, and then leaves out what it has no use for; any class with these methods will do.
    """

    config_type: ClassVar[type[Struct] | None] = None
    """What its configuration is read as, with every error named by its field; None: a dict as it was written."""

    async def initialize(self, context: Context[C]) -> None:
        """Keep the context, check the configuration, open what can fail. Nothing is served yet.

        Raises anything: the start failed, and that is the reason which people read.
        """
        return  # A body: without one, type checkers would hold it for abstract.

    async def start(self) -> None:
        """Return once it is ready; what goes on for long runs in `context.run`. Raises like `initialize`."""
        return

    async def stop(self) -> None:
        """Finish what is under way and close what was opened; may come after a start that failed half-way.

        What runs on afterwards is cancelled. It takes as long as the worker's stop timeout allows, then it is killed.
        """
        return

    async def healthy(self) -> bool:
        """Whether it does its work, asked again and again while it runs. An error is a no, with a reason."""
        return True

    def info(self) -> Info:
        """What people see of it."""
        return Info(type(self).__name__)


Factory = Callable[[], Module[Any]]
"""Makes one, without doing anything yet."""
