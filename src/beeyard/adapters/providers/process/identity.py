"""Processes and users by the names an operator gives them."""

import grp
import os
import pwd
import shutil
from collections.abc import Mapping, Sequence
from typing import Any

from beeyard.domain.errors import Rejected
from beeyard.launcher import kernel


def credentials(user: str | None, group: str | None) -> dict[str, Any]:
    """User, group and supplementary groups as numbers; nothing when neither is named, or nothing would change."""
    if user is None and group is None:
        return {}
    try:
        entry = pwd.getpwnam(user) if user is not None else None
        gid = grp.getgrnam(group).gr_gid if group is not None else entry.pw_gid if entry else os.getegid()
    except KeyError as error:
        raise Rejected("no_such_user", "{text}", text=str(error.args[0])) from None
    if os.geteuid() != 0 and (entry is None or entry.pw_uid == os.geteuid()) and gid == os.getegid():
        return {}
    groups = os.getgrouplist(entry.pw_name, gid) if entry else [gid]
    return {"user": entry.pw_uid if entry else None, "group": gid, "groups": groups}


def resolve(command: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """A command line with its program as a path."""
    path = environment.get("PATH", os.environ.get("PATH"))
    return [shutil.which(command[0], path=path) or command[0], *command[1:]]


def from_pid_file(path: str, program: str) -> tuple[int, int] | None:
    """(pid, start time) of the process a pid file names, if it lives and runs this program; None otherwise.

    A pid alone proves nothing: after a reboot it may be anybody's.
    """
    try:
        with open(path) as file:
            pid = int(file.read().split()[0])
        running = os.readlink(f"/proc/{pid}/exe")
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            arguments = file.read().split(b"\0")
    except (OSError, ValueError, IndexError):
        return None
    seen = kernel.stat(pid)
    wanted = os.path.realpath(program)
    # A script runs as its interpreter; then its own path is among the first arguments.
    named = [os.path.realpath(os.fsdecode(argument)) for argument in arguments[:3] if argument]
    if seen is None or (running != wanted and wanted not in named):
        return None
    return pid, seen.start
