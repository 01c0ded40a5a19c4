"""Asking a worker over the network how it is."""

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct


class Result(Struct, frozen=True, gc=False):
    """One answer. `reason` says what was found when it is not ok."""

    ok: bool
    reason: str = ""


class Page(Struct, frozen=True, gc=False):
    """What was read. `text` is None when it could not be, and `reason` says why."""

    text: str | None
    reason: str = ""


class Prober(Protocol):
    """Never raises: whatever goes wrong is a result with its reason, the time-out included."""

    async def http(self, url: str, method: str, headers: Mapping[str, str], timeout: float) -> Result:
        """Ok for a status from 200 to 399; redirects are not followed."""
        ...

    async def read(self, url: str, timeout: float) -> Page:
        """The text behind a URL, where it answers with a status of 200; redirects are not followed."""
        ...

    async def tcp(self, host: str, port: int, timeout: float) -> Result:
        """Ok when the connection is accepted."""
        ...

    async def grpc(
        self, host: str, port: int, service: str, timeout: float, *, call: str = "", headers: Mapping[str, str] = {}
    ) -> Result:
        """Ok when the standard health service says SERVING of this service; empty: of the server as a whole.

        Args:
            call: `package.Service/Method`, asked instead with an empty message: ok when it answers without an error.
        """
        ...

    async def close(self) -> None: ...
