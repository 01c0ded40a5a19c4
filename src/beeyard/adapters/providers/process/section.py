"""The part of a worker file that says which program to run and as whom: the process provider's own.

Plain values, checked by whoever read the file. The words beside a type say what the value names on this host, so that
a loader can look it up without knowing this provider.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

Executable = Annotated[str, "executable"]
File = Annotated[str, "file"]
Folder = Annotated[str, "folder"]
NewFile = Annotated[str, "new file"]
User = Annotated[str, "user"]
Group = Annotated[str, "group"]
Umask = Annotated[int, "umask"]
ResourceName = Annotated[str, "resource"]
ResourceLimit = Annotated[tuple[int, int], "resource limit"]
Environment = Annotated[dict[str, str], "environment"]
Kind = Annotated[Literal["managed", "integrated", "unmanaged"], "kind"]


class ProcessSection(Struct, frozen=True, omit_defaults=True):
    """One program. All paths are absolute; `rlimits` are soft and hard limits by the kernel's name in lower case.

    With a `pid_file`, a process of the same executable that the file names is taken over instead of started again.
    """

    executable_path: Executable
    args: tuple[str, ...] = ()
    environment: Environment = field(default_factory=dict)
    env_file: tuple[File, ...] = ()
    working_directory: Folder = ""
    user: User | None = None
    group: Group | None = None
    umask: Umask | None = None
    nice: Annotated[int, Meta(ge=-20, le=19, description="a whole number from -20 to 19")] = 0
    rlimits: dict[ResourceName, ResourceLimit] = field(default_factory=dict)
    pid_file: NewFile = ""
    kind: Kind = "managed"
