"""Invitations whose tokens say whose they are."""

from beeyard.ports.invitations import Invitation


class FakeInvitations:
    """Remembers whom it invited, and how long they may wait."""

    def __init__(self) -> None:
        self.invited: list[tuple[str, int]] = []
        self.waits: list[float] = []

    async def invite(self, worker: str, attempt: int, waits: float = 0.0) -> Invitation:
        self.invited.append((worker, attempt))
        self.waits.append(waits)
        return Invitation("http://127.0.0.1:8600", f"bee_{worker}_{attempt}")
