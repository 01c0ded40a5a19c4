"""What keeps a section from running on this host, found before anything is started. It looks, and changes nothing."""

import grp
import os
import pwd
import resource
from collections.abc import Iterator

from msgspec.structs import replace

from beeyard.adapters.providers.process.section import HostedSection, PackagedSection, ProcessSection, section_type
from beeyard.domain.errors import Problem
from beeyard.domain.plain import Mismatch, nearest, read, shown
from beeyard.domain.spec import WorkerSpec

RESOURCES = {name[7:].lower() for name in dir(resource) if name.startswith("RLIMIT_")}


def problems(spec: WorkerSpec) -> list[Problem]:
    """Everything wrong with a section as a spec carries it, each thing with its path below the spec.

    What lies in a package need not be there yet.
    """
    try:
        section = read(spec.run, section_type(spec), "run")
    except Mismatch as mismatch:
        return mismatch.problems
    return [replace(problem, path=f"run.{problem.path}") for problem in _missing(section)]


def _missing(section: ProcessSection) -> Iterator[Problem]:
    program = section.executable_path
    inside = isinstance(section, PackagedSection)
    for name, path in (("executable_path", program), ("working_directory", section.working_directory)):
        if inside and ".." in path.split("/"):
            yield Problem(name, path, "a path within the package, without '..'")
    if isinstance(section, PackagedSection | HostedSection) and not program.startswith("/"):
        pass  # The package supplies it, or it is our own Python.
    elif not os.path.isfile(program):
        yield Problem("executable_path", f"no file {program}", "an executable file")
    elif not os.access(program, os.X_OK):
        yield Problem("executable_path", f"{program}, not executable", "an executable file", hint="chmod +x")
    folder = section.working_directory
    if folder and not (inside and not folder.startswith("/")) and not os.path.isdir(section.working_directory):
        yield Problem("working_directory", f"no folder {section.working_directory}", "an existing folder")
    most = os.sysconf("SC_ARG_MAX")
    texts = [section.executable_path, *section.args, *section.environment, *section.environment.values()]
    if (size := sum(len(text.encode()) + 9 for text in texts)) > most:
        yield Problem("args", f"{size} bytes with the environment", f"at most the {most} that the kernel takes")
    yield from _limits(section)
    yield from _accounts(section)


def _limits(section: ProcessSection) -> Iterator[Problem]:
    for name, (soft, hard) in section.rlimits.items():
        if name not in RESOURCES:
            yield Problem(f"rlimits.{name}", shown(name), "a limit of this kernel", hint=nearest(name, [*RESOURCES]))
        elif hard != resource.RLIM_INFINITY and not 0 <= soft <= hard:
            yield Problem(f"rlimits.{name}", f"a soft limit of {soft} above the hard one of {hard}", "[soft, hard]")


def _accounts(section: ProcessSection) -> Iterator[Problem]:
    try:
        if section.user is not None:
            pwd.getpwnam(section.user)
    except KeyError:
        yield Problem("user", section.user or "", "a user of this host")
        return
    try:
        if section.group is not None:
            grp.getgrnam(section.group)
    except KeyError:
        yield Problem("group", section.group or "", "a group of this host")
        return
    own = pwd.getpwuid(os.geteuid()).pw_name if os.geteuid() else section.user
    if (section.user or section.group) and section.user != own:
        yield Problem("user", "another user than the master's", "the master's own user", hint="run it as root")
