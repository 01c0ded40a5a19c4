"""What Docker's own config file says about one registry: a name and a password, a token, or a program that knows them.

Reads the file each time: who logs in while the master runs is let in. Sends nothing anywhere, and quotes nothing of
what it finds or hears: it may be a password.
"""

import asyncio
import base64
import binascii
import os
import re
import signal
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from beeyard.domain.errors import Unavailable

HUB = "https://index.docker.io/v1/"
"""Under which name Docker's own registry stands there."""
PATIENCE = 30.0
"""Seconds that a credential helper may take."""
_HUBS = ("docker.io", "index.docker.io", "registry-1.docker.io")
_TOKEN = "<token>"
"""What stands for a name beside a token."""
_UNKNOWN = b"credentials not found"
"""How every helper says that it has none."""
_MOST = 2**20
_HELPER = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Login(Struct, frozen=True):
    """A name and a password; or `token`, for which whoever gives tokens gives one that a registry takes."""

    username: str = ""
    password: str = ""
    token: str = ""

    def __repr__(self) -> str:
        return "Login(…)"  # in no log and no traceback


class _Auth(Struct):
    auth: str = ""
    username: str = ""
    password: str = ""
    identitytoken: str = ""


class _File(Struct):
    auths: dict[str, _Auth] = {}
    credHelpers: dict[str, str] = {}
    credsStore: str = ""


class _Answer(Struct):
    Username: str
    Secret: str


async def login(host: str) -> Login | None:
    """What is known for a registry, by its host and port; a helper comes before what is written in the file.

    Raises:
        Unavailable: `credentials_unreadable`, the file is none, or a helper fails.
    """
    file = await asyncio.to_thread(_read)
    names = [HUB, *_HUBS] if host in _HUBS else [host, f"https://{host}", f"https://{host}/", f"http://{host}"]
    names += [f"{one.rstrip('/')}/{version}/" for one in names if one != HUB for version in ("v1", "v2")]
    helped = next((name for name in names if name in file.credHelpers), names[0])
    helper = file.credHelpers.get(helped) or file.credsStore
    if helper and (found := await _asked(helper, helped)):
        return found
    return next((known for name in names if name in file.auths and (known := _written(file.auths[name]))), None)


def _read() -> _File:
    path = Path(os.environ.get("DOCKER_CONFIG") or Path("~/.docker").expanduser()) / "config.json"
    try:
        with open(path, "rb") as file:
            return msgspec.json.decode(file.read(_MOST), type=_File)
    except (FileNotFoundError, PermissionError, NotADirectoryError):
        return _File()  # As for everybody who never logged in.
    except OSError as error:
        raise _unreadable(str(path), error.strerror or str(error)) from None
    except msgspec.DecodeError as error:
        raise _unreadable(str(path), str(error)) from None  # It says where, and quotes nothing.


def _written(found: _Auth) -> Login | None:
    if found.identitytoken:
        return Login(token=found.identitytoken)
    if found.username and found.password:
        return Login(found.username, found.password)
    try:
        name, colon, password = base64.b64decode(found.auth, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return None
    return Login(name, password.rstrip("\0")) if colon and name else None


async def _asked(helper: str, host: str) -> Login | None:
    """What docker-credential-HELPER knows of it."""
    program = f"docker-credential-{helper}"
    if not _HELPER.fullmatch(helper):
        raise _unreadable(program[:80], "that is no name of a program")
    hint = f"`{program} get`, with {host} as its input, is what was asked"
    code, told = await _heard(program, host, hint)
    if code:
        if _UNKNOWN in told:
            return None
        raise _unreadable(program, f"it ended with {code}", hint)
    try:
        found = msgspec.json.decode(told, type=_Answer)
    except msgspec.DecodeError:
        raise _unreadable(program, "nobody understands what it says", hint) from None
    if found.Username == _TOKEN:
        return Login(token=found.Secret)
    return Login(found.Username, found.Secret) if found.Username else None


async def _heard(program: str, host: str, hint: str) -> tuple[int, bytes]:
    """Its exit code, and what it says; it ends with this, and what it started too."""
    pipe, null = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    try:
        child = await asyncio.create_subprocess_exec(
            program, "get", stdin=pipe, stdout=pipe, stderr=null, start_new_session=True
        )
    except OSError as error:
        raise _unreadable(program, error.strerror or str(error)) from None
    assert child.stdin
    assert child.stdout
    told = b""
    try:
        async with asyncio.timeout(PATIENCE):
            child.stdin.write(host.encode())
            child.stdin.close()
            while piece := await child.stdout.read(_MOST):
                told += piece
                if len(told) > _MOST:
                    raise _unreadable(program, "it does not stop talking", hint)
            return await child.wait(), told
    except TimeoutError:
        raise _unreadable(program, f"it did not answer within {PATIENCE:.0f} s", hint) from None
    finally:
        if child.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            await child.wait()


def _unreadable(file: str, reason: str, hint: str = "`docker login` writes them anew") -> Unavailable:
    text = "the credentials for images can't be had from {file}: {reason}"
    return Unavailable("credentials_unreadable", text, hint=hint, file=file, reason=reason)
