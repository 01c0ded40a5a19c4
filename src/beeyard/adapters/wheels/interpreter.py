"""The Python of this host that packages are for: where it is, which wheels it takes, and what markers mean on it.

It is asked once, without its site packages. No code of a package is known here.
"""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from beeyard.domain.errors import Unavailable

if TYPE_CHECKING:
    from packaging.tags import Tag

PATIENCE = 20.0
"""Seconds until it has to answer."""
_QUESTION = """
import json, platform, sys
print(json.dumps({"path": getattr(sys, "_base_executable", None) or sys.executable,
    "kind": sys.implementation.name, "full": platform.python_version(), "version": sys.version_info[:2]}))
"""


class Interpreter(Struct, frozen=True):
    """One Python. `path`: of its own program, whatever environment named it; `ranks`: the wheels that it takes, by tag,
    the best one lowest; `markers`: what the markers of requirements mean."""

    path: str
    version: str
    ranks: Mapping[str, int]
    markers: Mapping[str, str]

    @property
    def site(self) -> str:
        """Where the packages of an environment lie in it."""
        return f"lib/python{self.version}/site-packages"

    def rank(self, tags: "frozenset[Tag]") -> int | None:
        """How well a wheel of these tags fits, lowest best; None: not at all."""
        return min((self.ranks[str(tag)] for tag in tags if str(tag) in self.ranks), default=None)

    def takes(self, requires: str) -> bool:
        """Whether it is a version that `Requires-Python` asks for; what nobody can read asks for nothing."""
        from packaging.specifiers import InvalidSpecifier, SpecifierSet

        try:
            return SpecifierSet(requires).contains(self.markers["python_full_version"], prereleases=True)
        except InvalidSpecifier:
            return True


async def interpreter(named: str) -> Interpreter:
    """The one that is named: a version such as 3.12, or a path; empty: that which Beeyard itself runs on.

    Raises Unavailable: `python_missing`, it is not there or is none that could be used.
    """
    return await asyncio.to_thread(_interpreter, named)


def _interpreter(named: str) -> Interpreter:
    found = shutil.which(named if "/" in named else f"python{named}") if named else sys.executable
    if not found:
        raise _missing(named, "there is no such program")
    try:
        answer = subprocess.run(
            [found, "-I", "-S", "-c", _QUESTION], capture_output=True, timeout=PATIENCE, check=True, cwd="/"
        ).stdout
        said = json.loads(answer)
        path, (major, minor) = os.path.realpath(said["path"]), said["version"]
    except (OSError, ValueError, KeyError, TypeError, subprocess.SubprocessError) as error:
        raise _missing(named or found, f"it does not answer as a Python does ({type(error).__name__})") from None
    if said["kind"] != "cpython" or major != 3:
        raise _missing(named or found, f"it is {said['kind']} {said['full']}, and only CPython 3 is known")
    version = f"{major}.{minor}"
    return Interpreter(path, version, _ranks(major, minor), _markers(version, said["full"]))


def _ranks(major: int, minor: int) -> dict[str, int]:
    from packaging import tags

    platforms = list(tags.platform_tags())
    own = tags.cpython_tags((major, minor), platforms=platforms)
    other = tags.compatible_tags((major, minor), f"cp{major}{minor}", platforms)
    return {str(tag): rank for rank, tag in reversed(list(enumerate([*own, *other])))}


def _markers(version: str, full: str) -> dict[str, str]:
    """All others are those of this host."""
    from packaging.markers import default_environment

    known: dict[str, str] = {**default_environment()}  # type: ignore[dict-item]
    return known | {"python_version": version, "python_full_version": full, "implementation_version": full}


def _missing(named: str, reason: str) -> Unavailable:
    text = "the Python {python} can't be used: {reason}"
    hint = "install it on this host, or write another one as `python` of the repository"
    return Unavailable("python_missing", text, hint=hint, python=named, reason=reason)
