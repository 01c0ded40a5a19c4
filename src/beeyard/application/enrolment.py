"""Workers that share no socket with their master: each attempt is invited when it starts, registers once, and is heard
from then on by its session, which ends with it.

What they say goes where the words of all others go (ports.notify). Implements ports.invitations.Invitations.
"""

from collections.abc import Callable

from beeyard.application.listening import Listening
from beeyard.application.tokens import Token, Tokens
from beeyard.domain.errors import Rejected
from beeyard.domain.master import reachable
from beeyard.domain.messages import Begun, Event
from beeyard.ports.invitations import Invitation
from beeyard.ports.notify import Notices


class Enrolment:
    """All registrations of one master. `post(worker, event)` is told of each: who registers has begun."""

    def __init__(
        self, tokens: Tokens, listening: Listening, notices: Notices, post: Callable[[str, Event], None]
    ) -> None:
        self._post = post
        self._tokens = tokens
        self._listening = listening
        self._notices = notices

    async def invite(self, worker: str, attempt: int, waits: float = 0.0) -> Invitation:
        """Whatever earlier attempts had is good for nothing from now on. Raises Rejected: `register_unreachable`, and
        Unavailable."""
        if not (url := reachable(self._listening.wish)):
            text = "{worker} is to register, and the master listens nowhere that a worker could call"
            hint = "set master: {listen: HOST:PORT}, with `advertise: HOST:PORT` where that is no address to call"
            raise Rejected("register_unreachable", text, worker=worker, hint=hint)
        await self._tokens.forget(worker, attempt - 1)
        return Invitation(url, await self._tokens.invite(worker, attempt, waits))

    async def register(self, worker: str, attempt: int) -> tuple[Token, str]:
        """The session of this attempt. Raises Unidentified when another has registered by then."""
        session = await self._tokens.register(worker, attempt)
        self._post(worker, Begun(attempt))
        return session

    def report(self, worker: str, attempt: int, text: str) -> None:
        """It said this."""
        self._notices.spoken(worker, attempt, text)

    async def end(self, worker: str, attempt: int) -> None:
        """Of an attempt that is no more, nobody registers and nobody reports. Harmless twice."""
        await self._tokens.forget(worker, attempt)
