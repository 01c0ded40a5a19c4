"""What most commands do: ask for an operation, print the reply, and say by the exit code what it means."""

import sys
from typing import Any

from beeyard.application.operation import Operation
from beeyard.domain.errors import Invalid, Problem
from beeyard.entrypoints.cli.faces import CHECKS, FACES, LINES
from beeyard.entrypoints.cli.parameters import FLAGS, NAMED, SEVERAL
from beeyard.entrypoints.cli.screen import show
from beeyard.entrypoints.cli.target import Target


def ask(target: Target, operation: Operation, fields: dict[str, Any], as_json: bool, reason: str = "") -> None:
    """Ask, print, and raise what the reply means for the exit code. A reply without a face is printed as JSON."""
    from beeyard.entrypoints.http.question import decoded

    request = requested(operation, fields)
    client = target.client(reason=reason)
    if operation.streams:
        _follow(client.lines(request), operation, as_json)
        return
    if operation.alters(request) and _long(request) and not as_json and sys.stdout.isatty() and sys.stderr.isatty():
        from beeyard.entrypoints.cli.progress import watched

        reply = watched(target, client.submit(request), operation.name.replace("_", " "))
        FACES[operation.name](target, request, reply)
        return
    raw = client.raw(request)
    face = None if as_json else FACES.get(operation.name)
    if face is None:
        show_json(raw)
        face = CHECKS.get(operation.name)
    if face is not None:
        face(target, request, decoded(operation.reply, raw))


def requested(operation: Operation, fields: dict[str, Any]) -> Any:
    """The operation's request. Raises Invalid."""
    from beeyard.domain.plain import Mismatch, read

    try:
        return read(fields, operation.request)
    except Mismatch as error:
        raise _misused(error.problems[0]) from None


def _misused(problem: Problem) -> Invalid:
    """A wrong value, named as it is typed: an argument by its word in --help, an option as one."""
    name = problem.path.partition("[")[0]
    word = {**NAMED, **SEVERAL}.get(name, (None, f"--{FLAGS.get(name, name.replace('_', '-'))}"))[1]
    text = "{name} {found}: expected {expected}"
    return Invalid("usage", text, name=word, found=problem.found, expected=problem.expected, hint=problem.hint)


def show_json(raw: bytes) -> None:
    """JSON that people can read too."""
    import msgspec

    show(msgspec.json.format(raw, indent=2).decode())


def _follow(lines: Any, operation: Operation, as_json: bool) -> None:
    """Each reply as it comes: a line of JSON, or a line for people."""
    from beeyard.entrypoints.http.question import decoded

    line = None if as_json else LINES.get(operation.name)
    for raw in lines:
        show(raw.decode().rstrip("\n") if line is None else line(decoded(operation.reply, raw)))


def _long(request: Any) -> bool:
    """Whether it waits for workers."""
    return bool(getattr(request, "wait", hasattr(request, "timeout")))
