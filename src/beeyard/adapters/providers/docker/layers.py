"""How far a pull is, from what the engine tells of each layer. Pure.

See "ImageCreate" in the Engine's API. Of a layer that waits for its turn not even the size is known.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from beeyard.domain.values import human_memory

DONE = ("Pull complete", "Already exists")
COME = ("Verifying Checksum", "Download complete", "Extracting")
FETCHED = 0.9
"""The share of a layer that is over once it came: what is left is unpacking."""


class Layer(Struct):
    """Bytes that came, of how many; `done`: it is unpacked."""

    here: int = 0
    whole: int = 0
    done: bool = False

    @property
    def share(self) -> float:
        """From 0 to 1."""
        return 1.0 if self.done else FETCHED * self.here / self.whole if self.whole else 0.0


class Layers:
    """Those of one image."""

    def __init__(self) -> None:
        self._layers: dict[str, Layer] = {}

    def take(self, step: Mapping[str, Any]) -> None:
        """One line of the engine's."""
        status = str(step.get("status", ""))
        if not step.get("id") or status.startswith("Pulling from"):
            return
        layer = self._layers.setdefault(step["id"], Layer())
        detail = step.get("progressDetail") or {}
        if status == "Downloading":
            layer.here, layer.whole = detail.get("current", 0), max(layer.whole, detail.get("total", 0))
        elif status in COME or status in DONE:
            layer.here, layer.done = layer.whole, status in DONE

    @property
    def share(self) -> float:
        """Of all of it, from 0 to 1: it never goes back, for all layers are named before the first one comes."""
        return sum(layer.share for layer in self._layers.values()) / len(self._layers) if self._layers else 0.0

    def __str__(self) -> str:
        """`2 of 5 layers, 10 MB of 31 MB`: bytes of those whose size is known."""
        layers = self._layers.values()
        done, here, whole = (sum(getattr(one, name) for one in layers) for name in ("done", "here", "whole"))
        loading = f", {human_memory(here)} of {human_memory(whole)}" if whole else ""
        return f"{done} of {len(layers)} layers{loading}"
