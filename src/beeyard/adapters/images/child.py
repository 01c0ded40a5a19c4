"""Looks through the layers of one image, and writes the files that are seen, in a process that has nothing else.

Twice: `survey` lists what would be there, for the parent to judge; `write` makes what it was told to. The order comes
on standard input (`marshal`: it is ours), the answer goes to standard output as fields between NUL bytes: `done`, the
version of landlock and what was found as JSON; `refused` with code, entry and reason; `failed` with the number of a
system error and the entry. Standard library and zstd only.
"""

import hashlib
import json
import marshal
import os
import sys
from contextlib import ExitStack
from typing import Any

from beeyard.adapters.archives import confine
from beeyard.adapters.archives.codec import PIECE, Malformed
from beeyard.adapters.archives.headers import Forbidden, Member, member, padding
from beeyard.adapters.archives.tree import Tree
from beeyard.adapters.images.overlay import Odd, Overlay, clean, inner
from beeyard.adapters.images.stream import Layer

MOST_ENTRIES = 400_000
"""Of all layers together: four times what a package may hold."""
MOST_TWINS = 500
"""Names of one content, which are written at once."""

Found = tuple[int, str, bool, str, int, int]
"""Size, SHA-256, whether it can be executed, a link's target, its layer, and its number in there."""


class Refused(Exception):
    """(code, entry, what): not an image that anybody could use, or a hostile one."""


class Survey:
    """What is seen of all layers. `at`: the entry that it is at."""

    def __init__(self) -> None:
        self.at = ""
        self.files: dict[str, Found] = {}
        self._overlay = Overlay()
        self._count = 0

    def run(self, layers: list[tuple[int, Layer]]) -> list[tuple[str, *Found]]:
        """From the top down. Raises Refused, Malformed, Forbidden, Odd."""
        for number, layer in layers:
            self._layer(number, layer)
            self._overlay.below()
        return [(path, *found) for path, found in sorted(self.files.items())]

    def _layer(self, number: int, layer: Layer) -> None:
        here: dict[str, Found] = {}
        named: dict[tuple[int, int], int] = {}
        index = 0
        while (entry := member(layer.exactly, layer=True)) is not None:
            self.at, self._count = entry.name, self._count + 1
            if self._count > MOST_ENTRIES:
                raise Refused("archive_limits", entry.name, f"is beyond the {MOST_ENTRIES} entries an image may have")
            path = clean(entry.name)
            if path and path in here:
                raise Refused("archive_repeated", entry.name, "comes twice in one layer")
            found = self._content(number, index, layer, entry, path, here)
            index += 1
            if not entry.folder:
                here[path] = found
            if path and self._overlay.seen(path, folder=entry.folder):
                self.files[path] = found
                named[found[4:]] = named.get(found[4:], 0) + 1
                if named[found[4:]] > MOST_TWINS:
                    raise Refused("archive_limits", entry.name, f"is beyond the {MOST_TWINS} names of one content")
        for path, found in here.items():
            if self.files.get(path) is found and (above := _file_above(path, here)):
                raise Refused("archive_twins", above, "is a file, and other entries lie within it")
        self.at = ""
        layer.skip_rest()

    def _content(
        self, number: int, index: int, layer: Layer, entry: Member, path: str, here: dict[str, Found]
    ) -> Found:
        if entry.hard:
            found = here.get(clean(entry.target))
            if found is None:
                raise Refused("archive_link", entry.name, "is a hard link to what is not before it in its layer")
            return found
        if entry.target:
            return 0, "", False, inner(path, entry.target), number, index
        hashed, left = hashlib.sha256(), entry.size
        while left:
            if not (piece := layer.some(min(left, PIECE))):
                raise Malformed("ends too early")
            hashed.update(piece)
            left -= len(piece)
        layer.skip(padding(entry.size))
        return entry.size, hashed.hexdigest(), bool(entry.mode & 0o111), "", number, index


class Writing:
    """What was listed, made: contents by layer and number, each with all its names."""

    def __init__(self, tree: Tree, order: dict[str, Any]) -> None:
        self.at = ""
        self._tree = tree
        self._wanted: dict[int, dict[int, list[tuple[str, bool]]]] = order["wanted"]
        self._links: dict[str, str] = order["links"]
        self._folders: list[str] = order["folders"]

    def run(self, layers: list[tuple[int, Layer]]) -> None:
        """Raises Malformed, Forbidden, OSError. Whether all came, and rightly, is looked at from outside."""
        for path in self._folders:
            self.at = path
            self._tree.folder(path)
        for number, layer in layers:
            self._layer(layer, self._wanted.get(number, {}))
        for path, target in self._links.items():
            self.at = path
            self._tree.link(path, target)
        for path in reversed(self._folders):
            self._tree.close(path)

    def _layer(self, layer: Layer, wanted: dict[int, list[tuple[str, bool]]]) -> None:
        left, index = len(wanted), 0
        while left and (entry := member(layer.exactly, layer=True)) is not None:
            self.at = entry.name
            names = wanted.get(index, [])
            left -= bool(names)
            index += 1
            self._file(layer, entry.size, names)
            layer.skip(padding(entry.size))

    def _file(self, layer: Layer, size: int, names: list[tuple[str, bool]]) -> None:
        if not names:
            layer.skip(size)
            return
        with ExitStack() as stack:
            files = [stack.enter_context(self._tree.file(path, executable=runs)) for path, runs in names]
            while size:
                if not (piece := layer.some(min(size, PIECE))):
                    raise Malformed("ends too early")
                size -= len(piece)
                for file in files:
                    rest = piece
                    while rest:
                        rest = rest[os.write(file, rest) :]


def _file_above(path: str, here: dict[str, Found]) -> str:
    while path := path.rpartition("/")[0]:
        if path in here:
            return path
    return ""


def main() -> None:
    """Do what the order says; exit code 0 whenever there is an answer."""
    order = marshal.load(sys.stdin.buffer)
    confine.die_with(order["parent"])
    os.umask(0)
    confine.limit(order["memory"], order["seconds"], order["largest"])
    into: int | None = order["into"]
    fence = confine.fence(into)
    layers = [(number, Layer(file, kind, most)) for number, file, kind, most in order["layers"]]
    work = Survey() if into is None else Writing(Tree(into), order)
    try:
        answer: tuple[str, ...] = ("done", str(fence), json.dumps(work.run(layers)))
    except Refused as error:
        answer = ("refused", *error.args)
    except Forbidden as error:
        answer = ("refused", "archive_kind", *error.args)
    except Odd as error:
        code, what = error.args
        answer = ("refused", code, work.at, what)
    except Malformed as error:
        answer = ("refused", "archive_malformed", work.at, str(error))
    except MemoryError:
        answer = ("refused", "archive_limits", work.at, "needs more memory than an image may")
    except OSError as error:
        answer = ("failed", str(error.errno), work.at)
    fields = (field.replace("\0", "\ufffd").encode(errors="backslashreplace") for field in answer)
    sys.stdout.buffer.write(b"\0".join(fields))
