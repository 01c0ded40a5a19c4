"""A module that says something when it starts, and does nothing else."""

from beeyard.sdk import Module


class Speaking(Module[None]):
    """So that its worker's pipes are made."""

    async def start(self) -> None:
        print("started", flush=True)
