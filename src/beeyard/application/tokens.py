"""Who may ask over the network: tokens, sessions of browsers, and links that log one in once.

A token is `bee_ID_SECRET`. The secret has 256 random bits and is shown once; what is kept is its SHA-256, which is
enough for a secret that nobody can guess. All three are the same record, told apart by `kind`.
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
USED = 3600.0
"""Seconds between two times that the use of a token is written down."""

_TOKEN = re.compile(r"bee_([0-9a-f]{8})_([A-Za-z0-9_-]{43})")

Kind = Literal["token", "session", "link"]


class Token(Struct, frozen=True):
    """What is kept of a token. `expires` None: never; `by`: who made it."""

    id: str
    name: str
    kind: Kind
    grant: Grant
    digest: str
    created: float
    by: str
    expires: float | None
    used: float | None = None

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

    async def wake(self) -> None:
        """Load them."""
        for document in await self._store.documents(KIND):
            token = msgspec.msgpack.decode(document.body or b"", type=Token)
            self._tokens[token.id] = token

    async def create(
        self, name: str, grant: Grant, by: str, lasts: float | None, kind: Kind = "token"
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
        )
        await self._put(token)
        return token, f"bee_{token.id}_{secret}"

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
        if token.kind != "link" and (token.used is None or now - token.used >= USED):
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


def _document(token: Token) -> Document:
    return Document(KIND, token.id, msgspec.msgpack.encode(token))


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
