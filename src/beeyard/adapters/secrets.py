"""Secrets from files, from the master's own environment, and from what commands print.

Whatever goes wrong is told in words of ours: what a source itself says may hold the secret.
"""

import asyncio
import logging
import os
import stat
from collections.abc import Mapping

from beeyard.adapters.commands import CommandFailed, printed
from beeyard.domain.errors import Rejected
from beeyard.domain.master import SecretSource
from beeyard.domain.secrets import Secret

LARGEST = 64 * 1024
"""Bytes of one secret."""
NEWLINE = 2
"""Bytes that may come after it."""
PATIENCE = 10.0
"""Seconds that a command may take."""
AT_ONCE = 8
"""Commands under way at the same time: after a boot a thousand workers may ask for their secrets at once."""

log = logging.getLogger("beeyard")


class _Missing(Exception):
    """Raised with what is wrong, and with what to do about it."""


class LocalSecrets:
    """Implements ports.secrets.Secrets on this host."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._environ = environ
        self._sources: dict[str, SecretSource] = {}
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._warned: set[str] = set()

    def define(self, sources: Mapping[str, SecretSource]) -> None:
        self._sources = dict(sources)

    def withheld(self) -> frozenset[str]:
        return frozenset(source.env for source in self._sources.values() if source.env)

    async def fetch(self, name: str) -> Secret:
        source = self._sources.get(name)
        if source is None:
            text = "there is no secret {name} any more: name it under `secrets:` in a worker file, and apply that"
            raise Rejected("no_such_secret", text, name=name)
        try:
            return Secret(await self._value(name, source))
        except _Missing as missing:
            text = "secret {name} from {source}: {wrong}; {remedy}"
            wrong, remedy = missing.args
        raise Rejected("secret_unavailable", text, name=name, source=described(source), wrong=wrong, remedy=remedy)

    async def _value(self, name: str, source: SecretSource) -> str:
        if source.file:
            return _text(await asyncio.to_thread(self._file, name, source.file), newline=True)
        if source.env:
            if (value := self._environ.get(source.env)) is None:
                remedy = "go `beeyard down`, and `up` again where it is set, or take a file"
                raise _Missing("the master was started without it", remedy)
            return _text(os.fsencode(value), newline=False)
        try:
            async with self._turns:
                return _text(await printed(source.command, patience=PATIENCE, largest=LARGEST + NEWLINE), newline=True)
        except CommandFailed as failure:
            wrong = f"it {failure}"
        raise _Missing(wrong, "run it as the master's user: what it complains about is not shown, it may be the secret")

    def _file(self, name: str, path: str) -> bytes:
        try:
            # Not blocking: nobody may ever write into what turns out to be a pipe.
            with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
                mode = os.fstat(file.fileno()).st_mode
                if not stat.S_ISREG(mode):
                    raise _Missing("it is no regular file", "name one that is")
                data = file.read(LARGEST + NEWLINE + 1)
        except PermissionError:
            raise _Missing("the master's user may not read it", "let that user, and nobody else") from None
        except OSError as error:
            remedy = "put it there, or name another one under `secrets:`"
            raise _Missing((error.strerror or "it can't be read").lower(), remedy) from None
        if mode & stat.S_IROTH and name not in self._warned:
            self._warned.add(name)
            log.warning("secret %s: every user of this host may read %s; chmod o-r %s", name, path, path)
        return data


def described(source: SecretSource) -> str:
    """A source in words. Of a command only the program: its arguments may hold what is not to be seen."""
    if source.file:
        return f"the file {source.file}"
    return f"the variable {source.env}" if source.env else f"the command {source.command[0]}"


def _text(data: bytes, *, newline: bool) -> str:
    """The value in `data`; `newline`: one at its end is not part of it."""
    if newline:
        data = data.removesuffix(b"\r\n") if data.endswith(b"\r\n") else data.removesuffix(b"\n")
    if not data:
        raise _Missing("it is empty", "nothing is no secret")
    if len(data) > LARGEST:
        raise _Missing(f"it has more than {LARGEST // 1024} KB", "that is no secret but a file: let the worker read it")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = "\0"  # Outside of this block nothing refers to the bytes any more.
    if "\0" in text:
        raise _Missing("it is no UTF-8, or has a NUL byte", "no variable can hold that: let the worker read a file")
    return text
