"""What most commands do: ask for an operation, print the reply, and say by the exit code what it means."""

from typing import Any

from beeyard.application.operations.base import Operation
from beeyard.entrypoints.cli.faces import CHECKS, FACES
from beeyard.entrypoints.cli.screen import show
from beeyard.launcher.paths import Paths


def ask(paths: Paths, operation: Operation, fields: dict[str, Any], as_json: bool) -> None:
    """Ask, print, and raise what the reply means for the exit code. A reply without a face is printed as JSON."""
    from beeyard.entrypoints.cli.client import Client, decoded

    lists = {name: list(value) if isinstance(value, tuple) else value for name, value in fields.items()}
    request = operation.request(**lists)
    raw = Client(paths).raw(operation.name, request)
    face = None if as_json else FACES.get(operation.name)
    if face is None:
        show_json(raw)
        face = CHECKS.get(operation.name)
    if face is not None:
        face(paths, request, decoded(operation.name, raw))


def show_json(raw: bytes) -> None:
    """JSON that people can read too."""
    import msgspec

    show(msgspec.json.format(raw, indent=2).decode())
