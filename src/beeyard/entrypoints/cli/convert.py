"""`config convert`: a worker file of any form written in Beeyard's own."""

import os
import tempfile
from pathlib import Path

from msgspec.structs import replace

from beeyard.domain.errors import Invalid, Refused
from beeyard.entrypoints import settings
from beeyard.entrypoints.cli import local
from beeyard.entrypoints.settings import Settings
from beeyard.entrypoints.settings.files import ENVIRONMENT
from beeyard.entrypoints.settings.yaml_text import yaml


def converted(file: str) -> str:
    """The same workers in our form, as YAML; comments and `${VAR}` stay. Overlays are files of their own.

    Raises:
        Invalid: the file has problems: all of them.
    """
    root = settings.tree_of(file, environ=os.environ)
    _load(file)
    source = "" if file.endswith(".toml") else Path(file).read_text("utf-8-sig")
    return f"# Written by `beeyard config convert` from {Path(file).name}.\n\n{yaml(root, source)}"


def write(file: str, text: str, output: str, *, force: bool) -> None:
    """Put the text there, once it was read there and gave the same workers.

    Raises:
        Refused: `file_exists`, or `config_elsewhere` where it would mean something else.
    """
    target = Path(output)
    if os.path.lexists(target) and not force:
        raise Refused("file_exists", "{file} is there already", file=output, hint="name another, or overwrite: --force")
    handle, trial = tempfile.mkstemp(".yaml", ".convert-", target.absolute().parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        if not _same(file, trial):
            raise Refused(
                "config_elsewhere",
                "what {file} says would mean something else in {folder}",
                file=file,
                folder=str(target.absolute().parent),
                hint="its relative paths start at its own folder: write the new file beside it",
            )
        os.chmod(trial, Path(file).stat().st_mode & 0o777)
        os.replace(trial, target)
    finally:
        Path(trial).unlink(missing_ok=True)


def _same(file: str, other: str) -> bool:
    try:
        return _nameless(_load(other)) == _nameless(_load(file))
    except Invalid:
        return False


def _load(file: str) -> Settings:
    environ = {name: value for name, value in os.environ.items() if name != ENVIRONMENT}
    return local.load(file, environ)


def _nameless(loaded: Settings) -> Settings:
    return replace(loaded, path="", forms={}, workers=[replace(spec, origin="cli") for spec in loaded.workers])
