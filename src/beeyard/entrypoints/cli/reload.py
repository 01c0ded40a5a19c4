"""`beeyard reload`: the file that running workers came from, read again here and applied. Starts no master."""

import os
from pathlib import Path

from beeyard.application.operations.apply import Applied, Apply
from beeyard.application.operations.ps import Ps
from beeyard.application.views import WorkerView
from beeyard.domain.errors import Invalid, NotFound
from beeyard.entrypoints.cli import local
from beeyard.entrypoints.cli.client import Client
from beeyard.entrypoints.cli.up import conclude, rehearse, tell
from beeyard.entrypoints.place import command
from beeyard.launcher.paths import Paths


def reload(paths: Paths, file: str | None, *, dry_run: bool, as_json: bool, reason: str = "") -> int:
    """Returns the exit code.

    Raises:
        Unavailable: no master runs.
        Invalid: there are several files to choose from, or this one has mistakes; nothing was changed.
        NotFound: no worker came from a file, or the file is gone; nothing was changed.
        Rejected: a worker could not start.
    """
    client = Client(paths, reason=reason)
    views: list[WorkerView] = client.ask(Ps())
    loaded = local.load(_chosen(paths, file, [view.origin for view in views]))
    if dry_run:
        return rehearse(client, loaded, as_json=as_json)
    applied: Applied = client.ask(Apply(loaded.workers, loaded.path, loaded.master))
    if not as_json:
        tell(applied.plan)
    return conclude(client, applied, loaded, as_json=as_json)


def _chosen(paths: Paths, file: str | None, origins: list[str]) -> str:
    files = [origin for origin in dict.fromkeys(origins) if os.path.isabs(origin)]
    if file is not None:
        files = [origin for origin in files if origin == str(Path(file).absolute())]
    if not files:
        text = "no worker came from {file}" if file else "no worker came from a file"
        raise NotFound("not_from_file", text, file=file, hint=command(paths, f"up {file or 'FILE'}"))
    if len(files) > 1:
        raise Invalid(
            "several_files",
            "the workers came from {files}",
            files=" and ".join(files),
            hint=f"name one: {command(paths, 'reload FILE')}",
        )
    if not os.path.lexists(files[0]):
        raise NotFound(
            "file_gone",
            "{file} is gone; {workers} that came from it: left alone",
            file=files[0],
            workers="one worker" if (count := origins.count(files[0])) == 1 else f"{count} workers",
            hint=f"put it back, or take workers out: {command(paths, 'remove --help')}",
        )
    return files[0]
