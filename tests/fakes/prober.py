"""A prober that answers what a test tells it to, and remembers what it was asked."""

import asyncio
from collections.abc import Mapping

from beeyard.ports.prober import Page, Result


class FakeProber:
    """Gives `answers` one by one, then `answer` for ever. While `gate` is unset (and there is one), nobody answers.

    `times` holds how long each answer might have taken, `pages` what there is to read by URL.
    """

    def __init__(self, answer: Result | None = None) -> None:
        self.answer = answer or Result(True)
        self.answers: list[Result] = []
        self.pages: dict[str, str] = {}
        self.gate: asyncio.Event | None = None
        self.asked: list[str] = []
        self.times: list[float] = []
        self.cancelled = 0
        self.closed = False

    async def http(self, url: str, method: str, headers: Mapping[str, str], timeout: float) -> Result:
        return await self._answer(f"{method} {url}", timeout)

    async def read(self, url: str, timeout: float) -> Page:
        return Page(self.pages[url]) if url in self.pages else Page(None, f"nothing at {url}")

    async def tcp(self, host: str, port: int, timeout: float) -> Result:
        return await self._answer(f"tcp {host} {port}", timeout)

    async def grpc(
        self, host: str, port: int, service: str, timeout: float, *, call: str = "", headers: Mapping[str, str] = {}
    ) -> Result:
        return await self._answer(f"grpc {host} {port} {service or call}".rstrip(), timeout)

    async def close(self) -> None:
        self.closed = True

    async def _answer(self, question: str, timeout: float) -> Result:
        self.times.append(timeout)
        self.asked.append(question)
        try:
            if self.gate is not None:
                await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return self.answers.pop(0) if self.answers else self.answer
