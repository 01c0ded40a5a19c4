"""Whether a file may be the root of a signed repository, or the key of signed images: by its form alone, so that what
looks at signatures need not be loaded for it.

Whose signatures it has, and whether they are right, is looked at where it is used.
"""

import msgspec
from msgspec import Struct

MOST = 512_000
"""Bytes of a root that readers take, as TUF has it."""


class _Role(Struct):
    keyids: list[str]
    threshold: int


class _Roles(Struct):
    root: _Role
    targets: _Role
    snapshot: _Role
    timestamp: _Role


class _Root(Struct, tag="root", tag_field="_type"):
    version: int
    spec_version: str
    expires: str
    keys: dict[str, msgspec.Raw]
    roles: _Roles


class _Signed(Struct):
    signatures: list[msgspec.Raw]
    signed: _Root


def wrong_root(path: str) -> str:
    """What such a file is instead, in the words of an error; empty: it may be a root."""
    try:
        with open(path, "rb") as file:
            data = file.read(MOST + 1)
    except OSError as error:
        return f"a file that can't be read: {error.strerror}"
    if len(data) > MOST:
        return f"more than {MOST} bytes"
    try:
        msgspec.json.decode(data, type=_Signed)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return f"what is no root of a repository: {error}"
    return ""


def wrong_key(path: str) -> str:
    """What such a file is instead, in the words of an error; empty: it may be a public key."""
    try:
        with open(path, "rb") as file:
            data = file.read(MOST)
    except OSError as error:
        return f"a file that can't be read: {error.strerror}"
    return "" if b"-----BEGIN PUBLIC KEY-----" in data else "what is no public key in PEM"
