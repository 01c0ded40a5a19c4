"""The part of a worker file that says which image to run, and what its container may have: the docker provider's own.

Plain values, checked by whoever read the file. The words beside a type say what the value names on this host; paths and
accounts within the image are none of them.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from beeyard.adapters.execution import assumed, said
from beeyard.adapters.providers.docker.where import Where
from beeyard.domain.spec import Path, Port, Text
from beeyard.domain.values import Memory

Image = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,511}(?!\n)$",
        description="the name of an image, with its tag or its digest",
        examples=["redis:7"],
    ),
]
ImageOrNone = Annotated[
    str,
    Meta(
        pattern=r"^([A-Za-z0-9][A-Za-z0-9._:/@-]{0,511})?(?!\n)$",
        description="the name of an image, with its tag or its digest, or nothing",
    ),
]
Inner = Annotated[
    str, Meta(pattern=r"^/[^\x00:]*$", max_length=4095, description="an absolute path in the container, without ':'")
]
InnerFolder = Annotated[
    str, Meta(pattern=r"^(/[^\x00]*)?$", max_length=4095, description="an absolute path in the container, or nothing")
]
Word = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}(?!\n)$", description="letters, digits and any of _.:-")
]
Chosen = Annotated[
    str, Meta(pattern=r"^([A-Za-z0-9][A-Za-z0-9_.-]{1,127})?(?!\n)$", description="the name of a volume, or nothing")
]
Account = Annotated[
    str,
    Meta(pattern=r"^[^\x00-\x20/]{0,256}(?!\n)$", description="user, user:group or their numbers", examples=["1000"]),
]
Host = Annotated[
    str,
    Meta(
        pattern=r"^((unix:///|tcp://[^/@\s]|ssh://([^/:@\s]+@)?[^/@\s-])[^\s@]*)?(?!\n)$",
        max_length=1024,
        description="unix:///PATH, tcp://HOST:PORT or ssh://USER@HOST, without a password, or nothing",
        examples=["ssh://bee@hive2"],
    ),
]
Context = Annotated[
    str, Meta(pattern=r"^([A-Za-z0-9][A-Za-z0-9_.+-]*)?(?!\n)$", max_length=255, description="the name of a context")
]
Key = Annotated[str, Meta(pattern=r"^[^\x00=]{1,255}$", description="the name of a label")]
Variable = Annotated[
    str, Meta(pattern=r"^[^\x00=]+$", max_length=4096, description="the name of an environment variable")
]
Value = Annotated[Text, Meta(extra={"hidden": True})]
File = Annotated[Path, Meta(min_length=1), "file"]
Size = Annotated[Memory, Meta(ge=4096, le=2**53, description="bytes, at least 4096")]


class Volume(Struct, frozen=True, omit_defaults=True):
    """What a container sees at some path: a file or folder of this host by its `path`, or a named `volume`."""

    path: Annotated[Path, "new file"] = ""
    volume: Chosen = ""
    read_only: bool = False


class DockerSection(Struct, frozen=True, omit_defaults=True):
    """One container. What is empty is as the image says.

    `ports`: on which port the program listens within, by the name of the endpoint; default: the endpoint's own number.
    `volumes` and `tmpfs` by their path within, a `tmpfs` with its size. `networks`: names, the first is the main one;
    `host`: the network of this host, `none`: none. `gpus`: `all`, or the numbers or ids of some. `init`: a tiny first
    process that passes signals on and reaps orphans; without it a program without a handler ignores SIGTERM. `host` or
    `context`: which engine, if not the one that the `docker` command would take.
    """

    image: Image
    command: Annotated[tuple[Text, ...], Meta(max_length=10_000, examples=[["sleep", "60"]]), said("args")] = ()
    entrypoint: Annotated[tuple[Text, ...], Meta(max_length=10_000), said("executable_path")] = ()
    environment: Annotated[dict[Variable, Value], "environment", Meta(max_length=10_000), said("environment")] = field(
        default_factory=dict
    )
    env_file: Annotated[tuple[File, ...], Meta(max_length=100), said("env_file")] = ()
    pull: Literal["missing", "always", "never"] = "missing"
    ports: Annotated[dict[Text, Port], Meta(max_length=1000)] = field(default_factory=dict)
    volumes: Annotated[dict[Inner, Volume], Meta(max_length=1000)] = field(default_factory=dict)
    tmpfs: Annotated[dict[Inner, Size], Meta(max_length=100)] = field(default_factory=dict)
    networks: Annotated[tuple[Word, ...], Meta(max_length=100), assumed(["host"])] = ()
    user: Annotated[Account, said("user")] = ""
    working_directory: Annotated[InnerFolder, said("working_directory")] = ""
    read_only: bool = False
    drop_capabilities: Annotated[tuple[Word, ...], Meta(max_length=100, examples=[["ALL"]])] = ()
    add_capabilities: Annotated[tuple[Word, ...], Meta(max_length=100)] = ()
    gpus: Annotated[tuple[Word, ...], Meta(max_length=100)] = ()
    labels: Annotated[dict[Key, Text], Meta(max_length=1000)] = field(default_factory=dict)
    init: bool = True
    host: Host = ""
    context: Context = ""

    @property
    def where(self) -> Where:
        """The engine it is for."""
        return Where(self.host, self.context)


class PackagedDocker(DockerSection, frozen=True, omit_defaults=True):
    """One container from a package, which supplies what is not said here."""

    image: ImageOrNone = ""


def section_type(package: str) -> type[DockerSection]:
    """What the section of a worker is read as that runs from this package, or from none."""
    return PackagedDocker if package else DockerSection
