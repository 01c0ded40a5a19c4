"""How a registry lets us in: what it asks for, and what it is shown. Each origin sees only what is for it.

A registry may send us elsewhere for a token. A password goes there only by https and at the word of a registry that was
asked by https: it could as well have asked for the password itself. Nobody on the way can send us anywhere.
"""

import re
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from typing import Literal

import msgspec
from msgspec import Struct
from yarl import URL

from beeyard.adapters.images.docker_config import Login, login
from beeyard.adapters.repositories import access
from beeyard.domain.errors import Rejected
from beeyard.domain.sources import Credentials

_PART = re.compile(r'([a-zA-Z]+)="?([^",]*)"?')
_HINT = "look at whom it lets in, and at what the worker file or Docker's config has it shown"

Ask = Callable[[URL, dict[str, str], Mapping[str, str]], Awaitable[bytes]]
"""Gets a small answer, with these headers; the form, if there is one, is what is sent."""


class _Token(Struct):
    token: str = ""
    access_token: str = ""


class Challenge(Struct, frozen=True):
    """What a registry wants to see: name and password, or a token that `realm` gives."""

    way: Literal["basic", "bearer"]
    realm: str = ""
    service: str = ""


class Entry(Struct):
    """To one registry, `base`. What was asked for once is shown from then on."""

    repository: str
    base: URL
    credentials: Credentials
    shown: dict[str, str] = {}

    def headers(self, scope: str) -> dict[str, str]:
        """What is to be shown to the registry now."""
        if self.credentials.token:
            return access.headers(self.credentials, str(self.base))
        return {"Authorization": found} if (found := self.shown.get(scope)) else {}

    async def challenged(self, told: str, scope: str, ask: Ask) -> bool:
        """It wants to see more: whether there is something else to be shown now.

        Raises:
            Rejected: nobody can be shown what it asks for.
        """
        before = self.shown.pop(scope, None)  # A token lasts a few minutes only.
        if self.credentials.token:
            return False
        challenge = _challenge(told)
        if challenge is None:
            raise self._refused("it asks for what nobody here knows")
        known = await self._known()
        if challenge.way == "basic":
            if known is None or known.token:
                raise self._refused("it wants a name and a password")
            self.shown[scope] = _basic(known)
            return before != self.shown[scope]
        self.shown[scope] = f"Bearer {await self._token(challenge, scope, known, ask)}"
        return True

    async def _token(self, challenge: Challenge, scope: str, known: Login | None, ask: Ask) -> str:
        realm = self._realm(challenge)
        safe = realm.origin() == self.base.origin() or (realm.scheme, self.base.scheme) == ("https", "https")
        wanted = {"service": challenge.service, "scope": scope}
        if known is not None and known.token and safe:
            form = {"grant_type": "refresh_token", "refresh_token": known.token, "client_id": "beeyard"}
            data = await ask(realm, {}, form | wanted)
        else:
            headers = {"Authorization": _basic(known)} if known is not None and not known.token and safe else {}
            asked = {key: value for key, value in wanted.items() if value}
            data = await ask(realm.update_query(asked), headers, {})
        try:
            found = msgspec.json.decode(data, type=_Token)
        except msgspec.DecodeError:
            found = _Token()
        token = found.token or found.access_token
        if not token or not token.isascii() or not token.isprintable():
            raise self._refused("what is to give a token gives none")
        return token

    def _realm(self, challenge: Challenge) -> URL:
        try:
            realm = URL(challenge.realm)
            safe = ("http", "https") if self.base.scheme == "http" else ("https",)
            if realm.scheme in safe and realm.host and not realm.user:
                return realm
        except ValueError:
            pass
        raise self._refused("it sends us for a token to what is not safe to follow")

    async def _known(self) -> Login | None:
        """What the worker file says comes before what Docker's config says."""
        username, password = access.named(self.credentials, str(self.base))
        if username:
            return Login(username, password)
        host = self.base.host or ""
        return await login(host if self.base.is_default_port() else f"{host}:{self.base.port}")

    def _refused(self, answer: str) -> Rejected:
        text = "{repository} does not let us in: {answer}"
        return Rejected("repository_denied", text, hint=_HINT, repository=self.repository, answer=answer)


def _basic(known: Login) -> str:
    return "Basic " + b64encode(f"{known.username}:{known.password}".encode()).decode()


def _challenge(told: str) -> Challenge | None:
    way, _, rest = told.strip().partition(" ")
    parts = {key.lower(): value for key, value in _PART.findall(rest[:4096])}
    if way.lower() == "basic":
        return Challenge("basic")
    if way.lower() == "bearer" and parts.get("realm"):
        return Challenge("bearer", parts["realm"], parts.get("service", ""))
    return None
