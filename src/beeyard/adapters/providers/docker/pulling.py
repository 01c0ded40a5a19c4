"""Images as they come: one pull of an image for all who wait for it, its layers counted, its errors raised.

The engine answers 200 and then tells in the stream that it failed: that is an error like any other.
"""

import asyncio
import json
import logging
import time

from beeyard.adapters.providers.docker import registry
from beeyard.adapters.providers.docker.engine import Engine
from beeyard.adapters.providers.docker.layers import Layers
from beeyard.domain.errors import BeeyardError, Rejected
from beeyard.ports.provider import Bringing

EVERY = 5.0
"""Seconds between two lines about one pull."""

log = logging.getLogger("beeyard")


class Pulling:
    """All pulls of one engine. `told` grows with every step of any."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._layers: dict[str, Layers] = {}
        self._waiting: dict[str, str] = {}
        self.told = 0

    async def pull(self, image: str, worker: str = "") -> None:
        """Have it, as it is in its registry now. Raises Rejected with the registry's reason, or Unavailable."""
        task = self._under_way.get(image)
        if task is None:
            task = self._under_way[image] = asyncio.get_running_loop().create_task(self._pull(image))
            task.add_done_callback(lambda done: self._over(image, done))
        self._waiting[worker] = image
        try:
            await asyncio.shield(task)
        finally:
            self._waiting.pop(worker, None)
            self.told += 1

    def coming(self, worker: str) -> Bringing | None:
        """How far the image is that this worker waits for."""
        image = self._waiting.get(worker, "")
        layers = self._layers.get(image)
        return None if layers is None else Bringing(f"pulling {image}: {layers}", layers.share)

    def close(self) -> None:
        """Wait for none of them."""
        for task in self._under_way.values():
            task.cancel()

    def _over(self, image: str, task: asyncio.Task[None]) -> None:
        del self._under_way[image]
        self._layers.pop(image, None)
        if not task.cancelled():
            task.exception()  # Whoever waits for it hears of it; nobody may.

    async def _pull(self, image: str) -> None:
        name, _, digest = image.partition("@")
        tagged = ":" in name.rpartition("/")[2]
        params = {"fromImage": image if digest or tagged else f"{name}:latest"}
        layers = self._layers[image] = Layers()
        told = time.monotonic()
        headers = await registry.headers(image)
        log.info("pulling %s", image)
        try:
            async with self._engine.open("POST", "images/create", params=params, headers=headers) as response:
                async for line in response.content:
                    step = json.loads(line)
                    if "error" in step or "errorDetail" in step:
                        raise _failed(image, step.get("error") or step["errorDetail"].get("message", ""))
                    layers.take(step)
                    self.told += 1
                    if time.monotonic() - told >= EVERY:
                        told = time.monotonic()
                        log.info("pulling %s: %s", image, layers)
        except BeeyardError as error:
            if error.code in ("engine_not_found", "engine_refused", "engine_conflict"):
                raise _failed(image, str(error)) from None
            raise
        log.info("pulled %s", image)


def _failed(image: str, reason: str) -> Rejected:
    text, hint = "{image} can't be pulled: {reason}", "look at its name; `docker login` keeps a password for a registry"
    return Rejected("image_not_pulled", text, hint=hint, image=image, reason=reason)
