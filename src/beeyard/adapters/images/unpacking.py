"""Has the layers of an image surveyed, then unpacked, by a sandboxed child. Fetches nothing; knows no store.

What is listed is judged here before anything is written. An image may hold what no package does, and it is not kept:
hard links become copies, setuid and setgid, owners and attributes are dropped, empty folders are left out, and links
from the image's root lead into the package's folder. Names that differ only in case stay: these are files of Linux.
"""

import asyncio
import marshal
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec import Struct

from beeyard.adapters.archives.answers import LONGEST, answered, untrusted
from beeyard.adapters.archives.unpack import emptied, started, talk
from beeyard.domain.errors import NotFound, Rejected
from beeyard.domain.file_list import RATIO, RATIO_FROM, faults, folders
from beeyard.domain.packages import Description, FileEntry, Manifest, Payload

MEMORY = 2**30
"""Of address space: the widest window, and the names of all entries."""
LONGEST_LIST = 256 * 2**20
"""Bytes of a survey."""
_PATIENCE, _SLOWEST = 120.0, 2**20
_CODE = "import sys; sys.path += sys.argv[1:]; from beeyard.adapters.images.child import main; main()"
_FAMILIAR_IN_IMAGES = "archive_twins"

Kind = str
"""How a layer is compressed: `gzip`, `zstd`, or `tar` for not at all."""


class LayerFile(Struct, frozen=True):
    """A layer that was fetched and verified."""

    path: str
    kind: Kind
    size: int


class Plan(Struct, frozen=True):
    """What is taken of which layer: by the place of each file, its layer and its number in there."""

    layers: tuple[LayerFile, ...]
    taken: dict[str, tuple[int, int]]


async def survey(manifest: Manifest, payload: Payload, layers: Sequence[LayerFile]) -> tuple[Description, Plan]:
    """What an image would be, and how it is made. The lowest layer comes first, as in its manifest.

    Raises:
        Untrusted: `archive_…`, it is hostile, or holds what can't be on a host; names the entry.
        Rejected: `archive_too_slow`. Unavailable: `archive_interrupted`.
    """
    bare = Description(manifest, (), payload)
    code, answer = await _asked(bare, layers, LONGEST_LIST, _order(layers, None))
    if code != 0 or not answer.startswith(b"done\0") or len(answer) >= LONGEST_LIST:
        answered(bare, code, answer[: LONGEST - 1])
        raise untrusted(bare, "archive_limits", "", "has more files than an image may")
    found = await asyncio.to_thread(_listed, answer.split(b"\0")[2])
    description = Description(manifest, tuple(file for file, _ in found), payload)
    await asyncio.to_thread(_judge, description)
    return description, Plan(tuple(layers), {file.path: place for file, place in found if not file.link})


async def unpack(payload: str, description: Description, into: str) -> None:
    """Write what was surveyed into an empty folder; `payload` is the file that holds the plan.

    Raises as `survey`, or Rejected: `archive_no_room`, `archive_unwritable`.
    """
    plan = await asyncio.to_thread(read_plan, payload)
    programs = {file.path: file.executable for file in description.files}
    wanted: dict[int, dict[int, list[tuple[str, bool]]]] = {}
    for path, (layer, index) in plan.taken.items():
        wanted.setdefault(layer, {}).setdefault(index, []).append((path, programs[path]))
    folder = os.open(into, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        order = _order(plan.layers, folder) | {
            "wanted": wanted,
            "links": {file.path: file.link for file in description.files if file.link},
            "folders": folders(description.files),
            "largest": max((file.size for file in description.files), default=0),
        }
        try:
            code, answer = await _asked(description, plan.layers, LONGEST, order, folder)
            answered(description, code, answer)
        except BaseException:
            await asyncio.shield(asyncio.to_thread(emptied, into))
            raise
    finally:
        os.close(folder)


def write_plan(plan: Plan, path: Path) -> str:
    """For `unpack`."""
    path.write_bytes(msgspec.json.encode(plan))
    return str(path)


def read_plan(path: str) -> Plan:
    """What `write_plan` wrote."""
    return msgspec.json.decode(Path(path).read_bytes(), type=Plan)


def _order(layers: Sequence[LayerFile], into: int | None) -> dict[str, object]:
    seconds = int(_PATIENCE + sum(_most(layer) for layer in layers) / _SLOWEST / 64)
    return {"parent": os.getpid(), "into": into, "memory": MEMORY, "seconds": seconds, "largest": 0}


async def _asked(
    description: Description, layers: Sequence[LayerFile], longest: int, order: dict[str, object], *more: int
) -> tuple[int, bytes]:
    """The child's exit code and what it answered."""
    with _opened(layers) as files:
        given = [(at, files[at], layer.kind, _most(layer)) for at, layer in enumerate(layers)]
        child = started(_CODE, *files, *more)
        plain = marshal.dumps(order | {"layers": given[::-1]})
        talking = asyncio.ensure_future(asyncio.to_thread(talk, child, plain, longest))
        patience = float(str(order["seconds"]))
        try:
            answer = await asyncio.wait_for(asyncio.shield(talking), patience)
        except TimeoutError:
            text = "{package} could not be unpacked in {seconds} s: the disk is too slow"
            named = f"{description.manifest.name} {description.manifest.version}"
            raise Rejected("archive_too_slow", text, package=named, seconds=int(patience)) from None
        finally:
            child.kill()
            await asyncio.wait([talking])  # It holds the folder until it is gone.
        return child.returncode, answer


@contextmanager
def _opened(layers: Sequence[LayerFile]) -> Iterator[list[int]]:
    files: list[int] = []
    try:
        for layer in layers:
            files.append(os.open(layer.path, os.O_RDONLY | os.O_CLOEXEC))
        yield files
    except FileNotFoundError as error:
        text = "{file} can't be read: {reason}"
        raise NotFound("no_such_file", text, file=error.filename, reason=error.strerror) from None
    finally:
        for file in files:
            os.close(file)


def _most(layer: LayerFile) -> int:
    """Bytes that it may hold."""
    return max(RATIO_FROM, layer.size * RATIO)


def _listed(answer: bytes) -> list[tuple[FileEntry, tuple[int, int]]]:
    found = msgspec.json.decode(answer, type=list[tuple[str, int, str, bool, str, int, int]])
    return [
        (FileEntry(path, size, digest, runs, link), (layer, index))
        for path, size, digest, runs, link, layer, index in found
    ]


def _judge(description: Description) -> None:
    for fault in faults(description.files):
        if fault.code != _FAMILIAR_IN_IMAGES:
            raise untrusted(description, fault.code, fault.path, fault.what)
