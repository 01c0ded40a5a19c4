"""A module as a process: the program that hosts it, and how that is told what to run."""

import os
import sys
from collections.abc import Iterator, Mapping

from beeyard.adapters import modules
from beeyard.adapters.providers.process.section import ProcessSection
from beeyard.domain.errors import Problem
from beeyard.domain.secrets import Secret
from beeyard.domain.spec import WorkerSpec
from beeyard.sdk import terms

PROGRAM = ("-P", "-m", "beeyard.sdk.run")
"""-P: nothing in the folder it runs in may pass for a module of ours."""


def command(spec: WorkerSpec, section: ProcessSection) -> list[str]:
    """What the worker's process is started with. What Python compiles is not written into a package: it would differ
    then from what was installed."""
    return [python(section), *(["-B"] if spec.package else []), *PROGRAM]


def python(section: ProcessSection) -> str:
    """The Python that runs it: the one of this master, unless another is named, which has to have Beeyard too."""
    return section.executable_path or sys.executable


def terms_of(
    spec: WorkerSpec, attempt: int, ports: Mapping[str, int], secrets: Mapping[str, Secret], master: str
) -> dict[str, str]:
    """Its terms, as variables."""
    return terms.written(modules.terms_of(spec, attempt, ports, secrets, master))


def problems(spec: WorkerSpec, section: ProcessSection) -> Iterator[Problem]:
    """What it can't be run with, or would never hear of."""
    yield from modules.problems(spec)
    if section.args:
        yield Problem("run.args", "arguments", "none", hint="a module is configured under `module`, as `config`")
    if section.kind != "managed":
        yield Problem("run.kind", section.kind, "managed", hint="a module is given the ports of all its endpoints")
    if section.pid_file:
        yield Problem("run.pid_file", section.pid_file, "none", hint="no other Python is taken for this module")


def described(spec: WorkerSpec, section: ProcessSection) -> dict[str, str | bool]:
    """What would run, in words."""
    assert spec.module is not None
    where = {"module_folder": spec.module.folder} if spec.module.folder else {}
    program = python(section)
    exists = os.path.isfile(program)
    return {"module": spec.module.factory, **where, "executable_path": program, "executable_exists": exists}
