"""Which entries of an image's layers are seen in the end. Knows names and kinds; reads no archive and writes nothing.

Layers are laid from the top down: what an upper one says hides what lies below it, and a whiteout hides what has its
name. So each layer is gone through once, and nothing is kept of what nobody will see.
"""

from collections.abc import Iterator

_WHITEOUT, _OPAQUE = ".wh.", ".wh..wh..opq"


class Odd(Exception):
    """(code, what): a name that no image has."""


class Overlay:
    """The names that the layers so far leave to those below."""

    def __init__(self) -> None:
        self._closed: set[str] = set()
        self._opaque: set[str] = set()
        self._folders: set[str] = set()
        self._here: tuple[set[str], set[str], set[str]] = (set(), set(), set())

    def seen(self, path: str, *, folder: bool) -> bool:
        """Whether an entry of this layer is seen, of which the layers below are told. Raises Odd."""
        above, name = path.rpartition("/")[::2]
        closed, opaque, folders = self._here
        if name == _OPAQUE:
            opaque.add(above)
        elif name.startswith(_WHITEOUT):
            gone = name.removeprefix(_WHITEOUT)
            if gone.startswith(_WHITEOUT):
                return False  # What AUFS notes for itself.
            if gone in ("", ".", ".."):
                raise Odd("archive_name", "takes away what can't be a name")
            closed.add(f"{above}/{gone}" if above else gone)
        else:
            hidden = self._hidden(path, folder=folder)
            if not hidden:
                folders.update(_above(path))
                (folders if folder else closed).add(path)
            return not (hidden or folder)
        return False

    def below(self) -> None:
        """Go on with the layer below."""
        for known, new in zip((self._closed, self._opaque, self._folders), self._here, strict=True):
            known |= new
            new.clear()

    def _hidden(self, path: str, *, folder: bool) -> bool:
        if path in self._closed or (path in self._folders and not folder) or "" in self._opaque:
            return True
        return any(part in self._closed or part in self._opaque for part in _above(path))


def clean(name: str) -> str:
    """A path within the image; empty: its outermost folder. Raises Odd."""
    path = name.removeprefix("./").removesuffix("/")
    if path in ("", "."):
        return ""
    if path.startswith("/"):
        raise Odd("archive_name", "is an absolute path")
    parts = path.split("/")
    if not all(parts) or {".", ".."} & set(parts):
        raise Odd("archive_name", "leads over '.', '..' or an empty name")
    return path


def inner(path: str, target: str) -> str:
    """Where a link of an image leads, said from its own folder: the image's root is the package's folder."""
    at = [] if target.startswith("/") else path.split("/")[:-1]
    left = target.startswith("/")
    for part in target.split("/"):
        if part == ".." and not at:
            left = True
        elif part == "..":
            at.pop()
        elif part not in ("", "."):
            at.append(part)
    if not left:
        return target
    return "/".join([*[".."] * path.count("/"), *at]) or "."


def _above(path: str) -> Iterator[str]:
    """`a`, `a/b` for `a/b/c`."""
    cut = path.find("/")
    while cut >= 0:
        yield path[:cut]
        cut = path.find("/", cut + 1)
