"""Who may ask over the network: tokens, sessions of browsers, and links that log one in once; registrations by which
an attempt of a worker says once that it is there, and the tokens by which it reports from then on.

A token is `bee_ID_SECRET`. The secret has 256 random bits and is shown once; what is kept is its SHA-256, which is
enough for a secret that nobody can guess. All five are the same record, told apart by `kind`.
"""

import hashlib
import hmac
import re
import secrets
from contextlib import suppress
from typing import Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from beeyard.domain.access import Grant
from beeyard.domain.errors import BeeyardError, NotFound, Refused, Unidentified
from beeyard.ports.clock import Clock
from beeyard.ports.store import Commit, Document, Store

KIND = "token"
LINK = 600.0
"""Seconds in which a login link is good."""
SESSION = 12 * 3600.0
"""Seconds for which a browser stays logged in."""
REGISTRATION = 300.0
"""Seconds in which an attempt that began can register."""
USED = 3600.0
"""Seconds between two times that the use of a token is written down."""

_TOKEN = re.compile(r"bee_([0-9a-f]{8})_([A-Za-z0-9_-]{43})")

Kind = Literal["token", "session", "link", "registration", "report"]
SHOWN: tuple[Kind, ...] = ("token", "registration", "report")
"""What is shown as a token is; a session is a browser's cookie, a link the way to one."""
WORKERS: tuple[Kind, ...] = ("registration", "report")
"""What belongs to one attempt of a worker, and is good as long as that at most."""


class Token(Struct, frozen=True):
    """What is kept of a token. `expires` None: never; `by`: who made it; `attempt`: of which worker, if it is one's."""

    id: str
    name: str
    kind: Kind
    grant: Grant
    digest: str
    created: float
    by: str
    expires: float | None
    used: float | None = None
    attempt: tuple[str, int] = ("", 0)

    @property
    def holder(self) -> str:
        """What whoever shows it is called. A session is its owner's, not a token's of its own."""
        return f"token {self.name}" if self.kind == "token" else self.name


class Tokens:
    """All tokens of one master."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._tokens: dict[str, Token] = {}
        from asyncio import Lock  # The command line knows tokens as well, and is to be quick.

        self._enrolling = Lock()
        """Held while what an attempt has changes: else one that ends meanwhile would leave a session behind."""

    async def wake(self) -> None:
        """Load them."""
        for document in await self._store.documents(KIND):
            token = msgspec.msgpack.decode(document.body or b"", type=Token)
            self._tokens[token.id] = token

    async def create(
        self,
        name: str,
        grant: Grant,
        by: str,
        lasts: float | None,
        kind: Kind = "token",
        attempt: tuple[str, int] = ("", 0),
    ) -> tuple[Token, str]:
        """A new token, and its text, which is never to be had again.

        Raises:
            Refused: `token_exists`, a token of this name is in force.
            Unavailable: it could not be saved.
        """
        now = self._clock.now().wall
        if kind == "token" and any(token.name == name for token in self.all()):
            hint = f"beeyard token revoke {name}, or choose another name"
            raise Refused("token_exists", "there is a token {name} already", name=name, hint=hint)
        token, text = _made(name, grant, by, now, lasts, kind, attempt)
        await self._put(token)
        return token, text

    async def revoke(self, name: str) -> Token:
        """Take a token back, by its name or id, with the sessions that were opened with it. Raises NotFound."""
        named = (token for token in self._tokens.values() if token.kind == "token" and token.name == name)
        found = self._tokens.get(name) or next(named, None)
        if found is None:
            raise NotFound("no_such_token", "there is no token {name}", name=name, hint="beeyard token list")
        opened = (token for token in self._tokens.values() if token.kind != "token" and token.name == found.holder)
        await self._drop([found, *(opened if found.kind == "token" else ())])
        return found

    def good(self, id: str) -> bool:
        """Whether this one, which was known once, is so still."""
        token = self._tokens.get(id)
        return token is not None and (token.expires is None or self._clock.now().wall < token.expires)

    def all(self) -> list[Token]:
        """Those that are good for something now, oldest first."""
        now = self._clock.now().wall
        good = (token for token in self._tokens.values() if token.expires is None or now < token.expires)
        return sorted(good, key=lambda token: token.created)

    async def authenticate(self, text: str, kinds: tuple[Kind, ...] = ("token",)) -> Token:
        """The token that this text is. Raises Unidentified; nothing in it tells a wrong secret from an unknown id."""
        match = _TOKEN.fullmatch(text)
        token = self._tokens.get(match[1]) if match else None
        # Compared even where there is nothing to compare with, so that time tells nothing either.
        same = hmac.compare_digest(_digest(match[2] if match else ""), token.digest if token else _digest(""))
        if match is None or token is None or not same or token.kind not in kinds:
            raise Unidentified("token_unknown", "this token is not known here", hint="beeyard token list shows them")
        now = self._clock.now().wall
        if token.expires is not None and now >= token.expires:
            with suppress(BeeyardError):
                await self._drop([token])
            raise Unidentified("token_expired", "this token has expired", hint="beeyard token create makes another")
        if token.kind == "registration" and self._enrolled(*token.attempt):
            raise _used(token.attempt)
        if token.kind not in ("link", "registration") and (token.used is None or now - token.used >= USED):
            token = replace(token, used=now)
            self._tokens[token.id] = token
            with suppress(BeeyardError):
                await self._save([_document(token)])
        return token

    async def exchange(self, link: str) -> tuple[Token, str]:
        """A session for a login link, which is used up by that. Raises Unidentified."""
        token = await self.authenticate(link, ("link",))
        del self._tokens[token.id]  # Before anything is waited for: twice at once is once too often.
        await self._save([Document(KIND, token.id, None)], durable=True)
        return await self.create(token.name, token.grant, token.by, SESSION, "session")

    async def invite(self, worker: str, attempt: int, waits: float = 0.0) -> str:
        """The text of a token by which this attempt may register, that waits as long until it begins. Raises
        Unavailable."""
        lasts = waits + REGISTRATION
        _, text = await self.create(*_workers(worker, "register"), lasts, "registration", (worker, attempt))
        return text

    async def register(self, worker: str, attempt: int) -> tuple[Token, str]:
        """A token by which this attempt reports from now on; its registrations are used up once that is used.

        Until then it may register again, as one whose answer was lost has to: what it got before is good for nothing
        from then on. Registrations stay until they expire: who uses one again is told.

        Raises:
            Unidentified: they are used up.
            Unavailable: it could not be saved, and is as before.
        """
        async with self._enrolling:
            if self._enrolled(worker, attempt):
                raise _used((worker, attempt))
            now, before = self._clock.now().wall, self._of(worker, attempt)
            session, text = _made(*_workers(worker, "report"), now, None, "report", (worker, attempt))
            used = [replace(token, used=now) for token in before if token.kind == "registration"]
            gone = [token for token in before if token.kind == "report"]
            self._change([*used, session], gone)
            try:
                documents = [*map(_document, [*used, session]), *(Document(KIND, token.id, None) for token in gone)]
                await self._save(documents, durable=True)
            except BeeyardError:
                self._change([token for token in before if token in gone or token.id in self._tokens], [session])
                raise
            return session, text

    def _enrolled(self, worker: str, attempt: int) -> bool:
        """Whether nobody is to register for this attempt any more: somebody did and reported, or was taken back."""
        tokens = self._of(worker, attempt)
        if sessions := [token for token in tokens if token.kind == "report"]:
            return any(token.used is not None for token in sessions)
        return all(token.used is not None for token in tokens)

    def _change(self, new: list[Token], gone: list[Token]) -> None:
        for token in gone:
            self._tokens.pop(token.id, None)
        self._tokens.update({token.id: token for token in new})

    async def forget(self, worker: str, attempt: int) -> None:
        """What this attempt had, and any before it, is good for nothing any more. Harmless twice."""
        async with self._enrolling:
            tokens = self._tokens.values()
            if gone := [token for token in tokens if token.attempt[0] == worker and token.attempt[1] <= attempt]:
                await self._drop(gone)

    def _of(self, worker: str, attempt: int) -> list[Token]:
        return [token for token in self._tokens.values() if token.attempt == (worker, attempt)]

    async def _put(self, token: Token) -> None:
        old = [other for other in self._tokens.values() if other.expires is not None and other.expires <= token.created]
        await self._save([_document(token), *(Document(KIND, gone.id, None) for gone in old)], durable=True)
        self._tokens[token.id] = token
        for gone in old:
            self._tokens.pop(gone.id, None)

    async def _drop(self, tokens: list[Token]) -> None:
        for token in tokens:  # In memory first: what is taken back is good for nothing, saved or not.
            self._tokens.pop(token.id, None)
        await self._save([Document(KIND, token.id, None) for token in tokens], durable=True)

    async def _save(self, documents: list[Document], *, durable: bool = False) -> None:
        await self._store.commit(Commit([], [], [], [], {}, documents=documents), durable=durable)


def _made(
    name: str, grant: Grant, by: str, now: float, lasts: float | None, kind: Kind, attempt: tuple[str, int]
) -> tuple[Token, str]:
    """One that nobody knows yet, and its text."""
    secret = secrets.token_urlsafe(32)
    token = Token(
        id=secrets.token_hex(4),
        name=name,
        kind=kind,
        grant=grant,
        digest=_digest(secret),
        created=now,
        by=by,
        expires=None if lasts is None else now + lasts,
        attempt=attempt,
    )
    return token, f"bee_{token.id}_{secret}"


def _workers(worker: str, only: str) -> tuple[str, Grant, str]:
    """Name and grant of what an attempt of this worker has, and who made it."""
    return f"worker {worker}", Grant(workers=(worker,), only=only), "beeyard"


def _used(attempt: tuple[str, int]) -> Unidentified:
    text = "attempt {attempt} of {worker} has registered already: by a token that is good once"
    hint = (
        "only its next attempt is given another; if it was not the worker that registered, somebody else had its token"
    )
    return Unidentified("registration_used", text, worker=attempt[0], attempt=attempt[1], hint=hint)


def _document(token: Token) -> Document:
    return Document(KIND, token.id, msgspec.msgpack.encode(token))


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
