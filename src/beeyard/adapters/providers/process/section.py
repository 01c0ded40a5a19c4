"""The part of a worker file that says which program to run and as whom: the process provider's own.

Plain values, checked by whoever read the file. The words beside a type say what the value names on this host, so that
a loader can look it up without knowing this provider; the bounds hold for all who send a section without a file.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from beeyard.domain.spec import Path, Text, WorkerSpec

Absolute = Annotated[
    str,
    Meta(pattern=r"^/[^\x00]*$", max_length=4095, description="an absolute path", examples=["/usr/bin/sleep"]),
]
Account = Annotated[
    str,
    Meta(pattern=r"^[^\x00-\x20:/]{1,256}(?!\n)$", description="the name of an account of this host", examples=["www"]),
]
Variable = Annotated[
    str, Meta(pattern=r"^[^\x00=]+$", max_length=4096, description="the name of an environment variable")
]
Amount = Annotated[int, Meta(ge=-1, le=2**63 - 1, description="a whole number, or -1 for unlimited")]

Inner = Annotated[
    str,
    Meta(
        pattern=r"^[^\x00]*$",
        max_length=4095,
        description="an absolute path, one relative to the package, or nothing",
        examples=["bin/caddy"],
    ),
]

Executable = Annotated[Absolute, "executable"]
File = Annotated[Absolute, "file"]
Folder = Annotated[Path, "folder"]
NewFile = Annotated[Path, "new file"]
User = Annotated[Account, "user"]
Group = Annotated[Account, "group"]
Umask = Annotated[int, "umask", Meta(ge=0, le=0o777, description="the number of an octal mask, at most 511")]
ResourceName = Annotated[
    str, "resource", Meta(pattern=r"^[a-z]{1,20}(?!\n)$", description="a limit's name", examples=["nofile"])
]
ResourceLimit = Annotated[tuple[Amount, Amount], "resource limit"]
Value = Annotated[Text, Meta(extra={"hidden": True})]
Environment = Annotated[dict[Variable, Value], "environment", Meta(max_length=10_000)]
Kind = Annotated[Literal["managed", "integrated"], "kind"]


class ProcessSection(Struct, frozen=True, omit_defaults=True):
    """One program. All paths are absolute; `rlimits` are soft and hard limits by the kernel's name in lower case.

    With a `pid_file`, a process of the same executable that the file names is taken over instead of started again. One
    that is integrated is given the port of its endpoint `grpc` as `--port`.
    """

    executable_path: Executable
    args: Annotated[tuple[Text, ...], Meta(max_length=10_000, examples=[["60"]])] = ()
    environment: Environment = field(default_factory=dict)
    env_file: Annotated[tuple[File, ...], Meta(max_length=100)] = ()
    working_directory: Folder = ""
    user: User | None = None
    group: Group | None = None
    umask: Umask | None = None
    nice: Annotated[int, Meta(ge=-20, le=19, description="a whole number from -20 to 19")] = 0
    rlimits: dict[ResourceName, ResourceLimit] = field(default_factory=dict)
    pid_file: NewFile = ""
    kind: Kind = "managed"


class PackagedSection(ProcessSection, frozen=True, omit_defaults=True):
    """One program of a package, which supplies what is not said here. Its working directory is the package's folder,
    unless another one is named; paths that are not absolute begin there."""

    executable_path: Annotated[Inner, "program in package"] = ""
    working_directory: Annotated[Inner, "folder in package"] = ""


class HostedSection(ProcessSection, frozen=True, omit_defaults=True):
    """What there is to say of a process that runs the worker's module. `executable_path` is the Python that does, the
    one Beeyard runs on itself if none is named."""

    executable_path: Annotated[Path, "executable"] = ""


def section_type(spec: WorkerSpec) -> type[ProcessSection]:
    """What the section of a spec is read as."""
    if spec.package:
        return PackagedSection
    return ProcessSection if spec.module is None else HostedSection
