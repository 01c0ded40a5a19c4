"""Where a folder lies in a git checkout: which commit, and whether its files are still as they were then.

Runs `git` so that nothing in the folder's own settings makes it run anything else, or call anybody. What can't be
looked at that way counts as changed: a submodule, and what only a filter could compare. Without git nothing is known.
"""

import os
import re
import subprocess
from collections.abc import Collection
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from msgspec import Struct

PATIENCE = 60.0
"""Seconds for one question."""
_QUIET = ("core.fsmonitor=false", "core.hooksPath=/dev/null", "core.untrackedCache=false")
_ALONE = {
    "LC_ALL": "C",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "",
}
_SUBMODULE = "160000 "
_SSH = ("ssh", "git+ssh", "ssh+git")
_HELPER = re.compile(r"[A-Za-z0-9+.-]*::")
"""So begins what gitremote-helpers(7) are told: a program of somebody's, and words for it."""


class Checkout(Struct, frozen=True):
    """`folder`: where in the checkout, empty for all of it; `origin`: where it came from, without secrets, as far as it
    has one; `changed`: a file is not as it was committed."""

    commit: str
    folder: str
    origin: str
    changed: bool


def checkout(folder: Path, files: Collection[str]) -> Checkout | None:
    """None where it is none, or has no commit yet. Of what git does not know only `files` count."""
    told = _git(folder, "rev-parse", "HEAD", "--show-prefix")
    if told is None or len(lines := told.split("\n")) < 2:
        return None
    prefix = lines[1].strip("/")
    origin = (_git(folder, "config", "--get", "remote.origin.url") or "").strip()
    return Checkout(lines[0], prefix, _bare(origin), _changed(folder, prefix, files))


def _changed(folder: Path, prefix: str, files: Collection[str]) -> bool:
    filters, known = _without_filters(folder), _git(folder, "ls-files", "--stage", "-z", "--", ".")
    if filters is None or known is None:
        return True
    question = ("status", "--porcelain=v1", "-z", "--untracked-files=all", "--no-renames", "--ignore-submodules=dirty")
    status = _git(folder, *question, "--", ".", settings=filters)
    if status is None:
        return True
    start = f"{prefix}/" if prefix else ""
    entries = [(entry[:2], entry[3:].removeprefix(start)) for entry in status.split("\0") if entry]
    if any(kind != "??" or path in files for kind, path in entries):
        return True
    others = [path for _, path in entries if path.endswith("/")]  # checkouts in this one that it does not know
    others += [f"{line.partition(chr(9))[2]}/" for line in known.split("\0") if line.startswith(_SUBMODULE)]
    return any(file.startswith(tuple(others)) for file in files)


def _without_filters(folder: Path) -> list[str] | None:
    """Settings by which `status` runs no filter: a file could name one. None where that can't be had."""
    listed = _git(folder, "config", "-z", "--name-only", "--list")
    if listed is None:
        return None
    names = {name.rpartition(".")[0] for name in listed.split("\0") if name.startswith("filter.")}
    if any("=" in name for name in names):  # git would take what is before it for the name
        return None
    return [f"{name}.{setting}" for name in names for setting in ("clean=", "smudge=", "process=", "required=false")]


def _bare(origin: str) -> str:
    """Without what may be a secret; empty where that can't be told."""
    if _HELPER.match(origin):
        return ""
    if "://" not in origin:
        return "" if ":" in origin.rpartition("@")[0] else origin
    try:
        parts = urlsplit(origin)
        if not parts.scheme or parts.port == 0:  # to ask for a port that is none is a ValueError
            return ""
    except ValueError:
        return ""
    name, _, host = parts.netloc.rpartition("@")
    name = name.partition(":")[0] if parts.scheme in _SSH else ""
    return urlunsplit((parts.scheme, f"{name}@{host}" if name else host, parts.path, "", ""))


def _git(folder: Path, *question: str, settings: Collection[str] = ()) -> str | None:
    options = [word for setting in (*_QUIET, *settings) for word in ("-c", setting)]
    try:
        asked = subprocess.run(
            ["git", *options, "-C", folder, *question],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={**{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}, **_ALONE},
            timeout=PATIENCE,
            check=False,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return asked.stdout.decode("utf-8", "surrogateescape") if asked.returncode == 0 else None
