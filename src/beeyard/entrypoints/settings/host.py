"""Values that name something on this host: files, folders, programs, users. They are looked up while loading, so that
what is missing is an error with a line, and relative names become absolute.
"""

import grp
import os
import posixpath
import pwd
import shutil
from collections.abc import Callable, Mapping
from typing import Any

from beeyard.entrypoints.settings.tree import Node
from beeyard.entrypoints.settings.words import FAILED, Context, Read, text


def _path(check: Callable[[str], str], expected: str) -> Read:
    """An absolute path, from the file's folder on; `check` says what is wrong with it, or nothing."""

    def read(node: Node, context: Context) -> Any:
        written = text(node, context)
        if written is FAILED:
            return FAILED
        path = os.path.normpath(os.path.join(context.folder, written))
        if wrong := check(path):
            context.report.add(node, f"'{written}', {wrong}", expected, path if path != written else "")
            return FAILED
        return path

    return read


def _program(node: Node, context: Context) -> Any:
    """A path, or a bare name that PATH has."""
    written = text(node, context)
    if written is FAILED or "/" in written:
        return written if written is FAILED else _program_file(node, context)
    found = shutil.which(written, path=context.path) if written else None
    if found is None:
        context.report.add(node, f"'{written}', not in any folder of PATH", "an executable file", context.path)
        return FAILED
    return os.path.join(context.folder, found)


def _in_package(expected: str, itself: str | None) -> Read:
    """A path relative to a package, or an absolute one. Neither is looked for: a package may not be there yet.

    Args:
        itself: what stands for the package's folder; None where a folder makes no sense.
    """

    def read(node: Node, context: Context) -> Any:
        written = text(node, context)
        if written is FAILED:
            return FAILED
        path = posixpath.normpath(written)
        if (".." in written.split("/") and path[0] != "/") or (path == "." and itself is None):
            context.report.wrong(node, expected)
            return FAILED
        return itself if path == "." else path

    return read


def _account(find: Callable[[str], str], what: str) -> Read:
    def read(node: Node, context: Context) -> Any:
        written = text(node, context)
        if written is FAILED:
            return FAILED
        try:
            return find(written)
        except (KeyError, ValueError, OverflowError):
            context.report.wrong(node, f"a {what} of this host")
            return FAILED

    return read


def _user(written: str) -> str:
    return (pwd.getpwuid(int(written)) if written.isdigit() else pwd.getpwnam(written)).pw_name


def _group(written: str) -> str:
    return (grp.getgrgid(int(written)) if written.isdigit() else grp.getgrnam(written)).gr_name


def _no_program(path: str) -> str:
    if os.path.isdir(path):
        return "a directory"
    if not os.path.exists(path):
        return "no such file"
    return "" if os.access(path, os.X_OK) else "a file that is not executable"


def _no_file(path: str) -> str:
    if not os.path.exists(path):
        return "no such file"
    return "" if os.path.isfile(path) else "not a file"


def _no_folder(path: str) -> str:
    if not os.path.exists(path):
        return "no such folder"
    return "" if os.path.isdir(path) else "not a folder"


_program_file = _path(_no_program, "an executable file")

ON_HOST: Mapping[str, Read] = {
    "executable": _program,
    "file": _path(_no_file, "an existing file"),
    "folder": _path(_no_folder, "an existing folder"),
    "folder in package": _in_package("a folder in the package, without '..'", ""),
    "group": _account(_group, "group"),
    "new file": _path(lambda _: "", "a path"),
    "program in package": _in_package("a path in the package, without '..', such as bin/tool", None),
    "user": _account(_user, "user"),
}
"""The word beside a field's type -> how it is read."""
