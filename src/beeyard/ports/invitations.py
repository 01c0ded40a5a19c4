"""What a worker registers with that shares no socket with its master."""

from typing import Protocol

from msgspec import Struct


class Invitation(Struct, frozen=True):
    """`url`: where the master is asked from there; `token`: good for one registration."""

    url: str
    token: str


class Invitations(Protocol):
    """Invites the attempts of one master."""

    async def invite(self, worker: str, attempt: int, waits: float = 0.0) -> Invitation:
        """One more, for the start of this attempt, which may wait for so many seconds until it begins. Twice is
        harmless: whichever is used makes all of them useless.

        Raises:
            Rejected: `register_unreachable`, the master is served nowhere that a worker could call.
            Unavailable: it could not be saved.
        """
        ...
