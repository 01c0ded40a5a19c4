"""Calls a worker: python call.py WORKER WORD [auto|grpc|http|direct]. Where it runs makes no difference here."""

import asyncio
import sys

import echo.over_grpc  # noqa: F401  # Knows how to call by gRPC.
from echo.contract import Echo

import beeyard
from beeyard.sdk import ServiceError


async def main(worker: str, word: str, via: str = "auto") -> None:
    """Say it, and print what comes back."""
    async with beeyard.connect(Echo, worker, via=via) as service:
        said = await service.say(word)
    print(f"{said.worker} says {said.text!r}")


try:
    asyncio.run(main(*sys.argv[1:]))
except (ValueError, ServiceError) as error:
    sys.exit(f"{type(error).__name__}: {error}")
