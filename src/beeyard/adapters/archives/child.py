"""Unpacks one archive, in a process that has nothing but the archive, the folder, and the list of what is to come.

It may be a patch: then the archive that this starts from is open too, not compressed. The order comes on standard
input (`marshal`: it is ours, and costs no import), the answer goes to standard output as fields between NUL bytes, for
the parent need not trust it: `done` and the version of landlock, `refused` with code, entry and reason, or `failed`
with the number of a system error and the entry. Standard library and zstd only.
"""

import hashlib
import marshal
import os
import sys
from mmap import PROT_READ, mmap
from typing import Any

from beeyard.adapters.archives import confine
from beeyard.adapters.archives.codec import PIECE, Content, Malformed
from beeyard.adapters.archives.differences import Differences
from beeyard.adapters.archives.headers import SLACK, Forbidden, Member, member, padding
from beeyard.adapters.archives.tree import Tree

UNSAFE = 0o7002
"""setuid, setgid, sticky, and written to by everyone."""


class Refused(Exception):
    """(code, entry, what): not the archive that was promised."""


class Unpacking:
    """What is left to come of the list, and what is made of it."""

    def __init__(self, content: Content | Differences, tree: Tree, order: dict[str, Any]) -> None:
        self._content = content
        self._tree = tree
        self._files: dict[str, tuple[int, str, bool]] = order["files"]
        self._links: dict[str, str] = order["links"]
        self._folders: list[str] = order["folders"]
        self._left = {*self._files, *self._links}
        self._untold = set(self._folders)
        self._told: set[tuple[bool, str]] = set()
        self.at = ""

    def run(self) -> None:
        """All of it. Raises Refused, Malformed, Forbidden, OSError, MemoryError."""
        for path in self._folders:
            self.at = path
            self._tree.folder(path)
        self.at = ""
        while (found := member(self._content.exactly)) is not None:
            self.at = found.name
            self._take(found)
        self.at = ""
        self._end()
        if self._left:
            raise Refused("archive_missing", min(self._left), "is in the signed list but not in the archive")
        for path, target in self._links.items():
            self.at = path
            self._tree.link(path, target)
        for path in reversed(self._folders):
            self._tree.close(path)

    def _take(self, found: Member) -> None:
        name = found.name
        if found.mode & UNSAFE and not found.target:  # a link's mode says nothing
            raise Refused("archive_mode", name, f"has the mode {found.mode:04o}: no package needs that")
        left = self._untold if found.folder else self._left
        if (found.folder, name) in self._told:
            raise Refused("archive_repeated", name, "comes twice")
        if name not in left:
            raise Refused("archive_unlisted", name, "is not in the signed list")
        left.remove(name)
        self._told.add((found.folder, name))
        if found.folder:
            return
        if self._links.get(name, "") != found.target:
            raise Refused("archive_differs", name, "is not the link, or the file, that the signed list says")
        if not found.target:
            self._file(found, *self._files[name])

    def _file(self, found: Member, size: int, digest: str, executable: bool) -> None:
        name = found.name
        if found.size != size:
            raise Refused("archive_differs", name, f"has {found.size} bytes, {size} in the signed list")
        if bool(found.mode & 0o111) != executable:
            raise Refused("archive_differs", name, "can be executed only by the archive, or only by the signed list")
        hashed = hashlib.sha256()
        with self._tree.file(name, executable=executable) as file:
            while size:
                piece = self._content.some(min(size, PIECE))
                if not piece:
                    raise Malformed("ends too early")
                hashed.update(piece)
                size -= len(piece)
                while piece:
                    piece = piece[os.write(file, piece) :]
        if hashed.hexdigest() != digest:
            raise Refused("archive_differs", name, "has another content than the signed list says")
        if self._content.exactly(padding(found.size)).strip(b"\0"):
            raise Malformed("has something between two entries")

    def _end(self) -> None:
        """Nothing but zeros, and few of them."""
        count = 0
        while piece := self._content.some(PIECE):
            count += len(piece)
            if piece.strip(b"\0") or count > SLACK:
                raise Malformed("goes on after its end")
        self._content.finish()


def _content(payload: int, base: int | None) -> Content | Differences:
    content = Content(payload)
    return content if base is None else Differences(content, mmap(base, 0, prot=PROT_READ))


def main() -> None:
    """Do what the order says; exit code 0 whenever there is an answer."""
    order = marshal.load(sys.stdin.buffer)
    confine.die_with(order["parent"])
    os.umask(0)
    confine.limit(order["memory"], order["seconds"], order["largest"])
    fence = confine.fence(order["into"])
    unpacking = Unpacking(_content(order["payload"], order["base"]), Tree(order["into"]), order)
    answer: tuple[str, ...] = ("done", str(fence))
    try:
        unpacking.run()
    except Refused as error:
        answer = ("refused", *error.args)
    except Forbidden as error:
        answer = ("refused", "archive_kind", *error.args)
    except Malformed as error:
        answer = ("refused", "archive_malformed", unpacking.at, str(error))
    except MemoryError:
        answer = ("refused", "archive_limits", unpacking.at, "needs more memory than an archive may")
    except OSError as error:
        answer = ("failed", str(error.errno), unpacking.at)
    fields = (field.replace("\0", "\ufffd").encode(errors="backslashreplace") for field in answer)
    sys.stdout.buffer.write(b"\0".join(fields))
