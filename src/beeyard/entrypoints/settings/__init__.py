"""The worker file as typed settings. Every error carries file, line and the path of the field, and all come at once.

Text becomes a tree (`yaml_tree`, `toml_tree`), a tree of an older file one in our form (`older`), the tree becomes the
file's blocks (`shape`, by `decode`), and these become the domain's values (`workers` and what it calls). What a section
of a provider holds, its provider knows.
"""

import os
import socket
from collections.abc import Mapping as Environ
from pathlib import Path

from msgspec import Struct, structs

from beeyard.domain.errors import Invalid
from beeyard.domain.master import MasterSpec
from beeyard.domain.sources import PackagesSpec
from beeyard.domain.spec import WorkerSpec
from beeyard.domain.values import Duration
from beeyard.entrypoints.settings import lock_file
from beeyard.entrypoints.settings.decode import struct
from beeyard.entrypoints.settings.files import find, lay_over, overlay, read
from beeyard.entrypoints.settings.network import listen
from beeyard.entrypoints.settings.older import Form, translate
from beeyard.entrypoints.settings.secrets import secrets
from beeyard.entrypoints.settings.shape import File, Master
from beeyard.entrypoints.settings.sources import packages
from beeyard.entrypoints.settings.tree import Mapping, Node, Report, Scalar, empty, found
from beeyard.entrypoints.settings.words import FAILED, Context, duration
from beeyard.entrypoints.settings.workers import Providers, workers

__all__ = ["Settings", "find", "load", "tree_of"]


class Settings(Struct, frozen=True):
    """What a worker file says. `path` is where it stands, absolute; `forms` has each file read, the overlay too."""

    name: str
    master: MasterSpec
    shutdown_timeout: Duration
    workers: list[WorkerSpec]
    path: str
    forms: dict[str, Form]


def load(path: str, *, environ: Environ[str, str], providers: Providers) -> Settings:
    """The settings in a worker file, with the overlay for the environment that BEEYARD_ENVIRONMENT names, and with the
    lock file beside it.

    Args:
        providers: name -> provider, of which only the types of its sections count; a worker of any other is an error.

    Raises:
        NotFound: `config_missing`, there is no such file.
        Invalid: `config_invalid`, with every problem found, in the order of the lines.
    """
    report = Report()
    context = _context(path, environ, report)
    root = read(path, environ, report)
    over = overlay(path, environ, report)
    forms: dict[str, Form] = {}
    if root:
        root, forms[path] = translate(root, context)
    if root and over:
        over, forms[over.file] = translate(over, context)
        root = lay_over(root, over, report)
    settings = _settings(root, path, providers, forms, context) if root else None
    if settings is None or report.problems:
        raise _invalid(path, report)
    return _as_locked(settings)


def _as_locked(settings: Settings) -> Settings:
    """With the lock file beside it, if that is there and this file says where packages come from."""
    master, path = settings.master, lock_file.beside(settings.path)
    if master.packages == PackagesSpec() or not os.path.lexists(path):
        return settings
    packages = structs.replace(master.packages, locked=lock_file.load(path))
    return structs.replace(settings, master=structs.replace(master, packages=packages))


def tree_of(path: str, *, environ: Environ[str, str]) -> Node:
    """One file in our form, whatever form it has, before anything but its older blocks is looked at.

    Raises:
        NotFound: `config_missing`, there is no such file.
        Invalid: `config_invalid`, with the problems of its syntax and its older blocks.
    """
    report = Report()
    root = read(path, environ, report)
    if root:
        root, _ = translate(root, _context(path, environ, report))
    if root is None or report.problems:
        raise _invalid(path, report)
    return root


def _context(path: str, environ: Environ[str, str], report: Report) -> Context:
    return Context(report, str(Path(path).absolute().parent), environ.get("PATH", "/usr/bin:/bin"))


def _settings(root: Node, path: str, providers: Providers, forms: dict[str, Form], context: Context) -> Settings | None:
    place = Path(path).absolute()
    if empty(root) or not getattr(root, "entries", True):
        context.report.add(Scalar(path, 1, "file", ""), "nothing", "`workers:` and a list of workers")
        return None
    root.path = root.path if isinstance(root, Mapping) else "file"
    file = struct(root, File, context)
    if file is None:
        return None
    sources = secrets(file.secrets, context)
    context = structs.replace(context, secrets=frozenset(sources))
    supply = packages(file.package_manager, context)
    listened = listen(file.master, context)
    context = structs.replace(context, repositories=supply.repositories, listen=listened)
    if file.workers is None:
        context.report.missing(root, "workers", "a list of workers")
        return None
    return Settings(
        name=file.master.name or socket.gethostname(),
        master=MasterSpec(listened, sources, supply),
        shutdown_timeout=_shutdown_timeout(file.master, context),
        workers=workers(file.workers, file.defaults, file.older_defaults, providers, str(place), context),
        path=str(place),
        forms=forms,
    )


def _shutdown_timeout(master: Master, context: Context) -> Duration:
    written = [node for node in (master.shutdown_timeout, master.force_shutdown_timeout) if node]
    times = [time for node in written if (time := duration(node, context)) is not FAILED]
    if len(set(times)) > 1:
        context.report.wrong(written[1], f"{found(written[0])}, as line {written[0].line} says for the same thing")
    return times[0] if times else Duration(30.0)


def _invalid(path: str, report: Report) -> Invalid:
    problems = sorted(report.problems, key=lambda problem: (problem.file != path, problem.file, problem.line))
    count = "one problem" if len(problems) == 1 else f"{len(problems)} problems"
    return Invalid("config_invalid", "{count} in {file}", problems=problems, count=count, file=path)
