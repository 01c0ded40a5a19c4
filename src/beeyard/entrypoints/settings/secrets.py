"""`secrets:` of a file. What is wrong in there is never quoted: somebody may have written the secret itself."""

import os
import re

from beeyard.domain.master import SecretSource
from beeyard.domain.secrets import secret_name
from beeyard.entrypoints.settings import shape
from beeyard.entrypoints.settings.decode import struct
from beeyard.entrypoints.settings.tree import Mapping, Node, Scalar, Sequence, empty
from beeyard.entrypoints.settings.words import FAILED, Context, text

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SOURCES = "one of {file: PATH}, {env: VARIABLE} and {command: [PROGRAM, ARGUMENT]}"


def secrets(node: Node | None, context: Context) -> dict[str, SecretSource]:
    """Name -> where to fetch it, whether or not it is there now: the master may see what we do not.

    A name with something wrong about its source is in there all the same, so that nobody is told it is unknown.
    """
    if node is None or empty(node):
        return {}
    if not isinstance(node, Mapping):
        context.report.add(node, "something else", "a mapping of names to sources")
        return {}
    return {name: _source(name, entry, context) for name, entry in node.entries.items()}


def _source(name: str, node: Node, context: Context) -> SecretSource:
    try:
        secret_name(name)
    except ValueError as error:
        context.report.add(node, "another name", str(error))
    if not isinstance(node, Mapping):
        context.report.add(node, "no source", _SOURCES, "a secret itself does not belong into a worker file")
        return SecretSource()
    written = struct(node, shape.Secret, context)
    given = [key for key in ("file", "env", "command") if not empty(node.entries.get(key))]
    if len(given) != 1:
        context.report.add(node, " and ".join(given) or "no source", _SOURCES)
    if written is None:
        return SecretSource()
    env = _env(written.env, context) if written.env else ""
    command = _command(written.command, context) if written.command else ()
    return SecretSource(written.file, env, command)


def _env(node: Node, context: Context) -> str:
    if not isinstance(node, Scalar) or not _VARIABLE.fullmatch(node.text):
        context.report.add(node, "something else", "the name of a variable in the master's environment")
        return ""
    return node.text


def _command(node: Node, context: Context) -> tuple[str, ...]:
    """A program of which a path is said, and not only a name, is looked for from the file's folder on."""
    if not isinstance(node, Sequence) or not node.items:
        context.report.add(node, "something else", "a list: [PROGRAM, ARGUMENT]", "there is no shell to take it apart")
        return ()
    words = [text(item, context) for item in node.items]
    if any(word is FAILED for word in words):
        return ()
    program, *args = words
    if not program:
        context.report.add(node, "no program", "a list: [PROGRAM, ARGUMENT]")
    return (os.path.join(context.folder, program) if "/" in program else program, *args)
