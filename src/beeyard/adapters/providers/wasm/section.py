"""The part of a worker file that says which WebAssembly to run, and what it may have: nothing that is not said here.

The words beside a type say what the value names on this host, so that a loader can look it up without knowing this
provider.
"""

from typing import Annotated

from msgspec import Meta, Struct, field

from beeyard.domain.spec import Text
from beeyard.domain.values import Memory

PAGE = 65_536
"""Bytes by which a memory of WebAssembly grows."""

Absolute = Annotated[
    str, Meta(pattern=r"^/[^\x00]*$", max_length=4095, description="an absolute path", examples=["/srv/hello.wasm"])
]
Inner = Annotated[
    str,
    Meta(
        pattern=r"^[^\x00]*$",
        max_length=4095,
        description="an absolute path, one relative to the package, or nothing",
        examples=["bin/hello.wasm"],
    ),
]
Variable = Annotated[
    str, Meta(pattern=r"^[^\x00=]+$", max_length=4096, description="the name of an environment variable")
]
Value = Annotated[Text, Meta(extra={"hidden": True})]
Amount = Annotated[Memory, Meta(ge=PAGE, le=2**32, description="bytes, from 65536 to 4294967296")]
Fuel = Annotated[int, Meta(ge=1, le=2**63 - 1, description="a whole number, at least 1")]


class SharedFolder(Struct, frozen=True, omit_defaults=True):
    """A folder of this host that it sees, to read in; with `write` also to change."""

    path: Annotated[Absolute, "folder"]
    write: bool = False


class WasmSection(Struct, frozen=True, omit_defaults=True):
    """One command: a core module with `_start`, or a component with `wasi:cli/run`; binary, or as text.

    `folders`: by the path that it knows them by. `memory`: bytes it may have. `fuel`: steps it may take in all.
    """

    module: Annotated[Absolute, "file"]
    args: Annotated[tuple[Text, ...], Meta(max_length=10_000, examples=[["60"]])] = ()
    environment: Annotated[dict[Variable, Value], "environment", Meta(max_length=10_000)] = field(default_factory=dict)
    folders: Annotated[dict[Text, SharedFolder], Meta(max_length=100)] = field(default_factory=dict)
    memory: Amount = Memory(64 * 1024**2)
    fuel: Fuel | None = None


class PackagedWasm(WasmSection, frozen=True, omit_defaults=True):
    """One command of a package, which supplies what is not said here."""

    module: Annotated[Inner, "program in package"] = ""


def section_type(package: str) -> type[WasmSection]:
    """What the section of a worker is read as that runs from this package, or from none."""
    return PackagedWasm if package else WasmSection
