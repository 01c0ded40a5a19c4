"""Where links lead within a tree that is only a list so far. Knows paths and targets; looks at no disk.

Says what the kernel would say once the tree is there, except that a way over more than `DEEPEST` levels leads nowhere:
no package has so many.
"""

from collections.abc import Mapping

DEEPEST = 64
MOST_HOPS = 40
"""As many links in a row as Linux follows."""

_End = tuple[tuple[str, ...], int]
"""The parts of a path without links, and how many links led there."""


class Links:
    """Follows each link once only, so what a list costs grows with its length, whoever wrote it."""

    def __init__(self, targets: Mapping[str, str]) -> None:
        self._targets = targets
        self._ends: dict[str, _End | None] = {}
        self._following = 0

    def end(self, path: str) -> str | None:
        """Where a path of the tree ends; None if that is outside, too deep, or never: links may go in a circle."""
        end = self._walk((), path)
        return "/".join(end[0]) if end else None

    def _walk(self, start: tuple[str, ...], path: str) -> _End | None:
        at, hops = [*start], 0
        for part in path.split("/"):
            if part in ("", "."):
                continue
            if part == "..":
                if not at:
                    return None
                at.pop()
                continue
            at.append(part)
            if len(at) > DEEPEST:
                return None
            if (link := "/".join(at)) in self._targets:
                end = self._follow(link)
                if end is None or (hops := hops + end[1]) > MOST_HOPS:
                    return None
                at = [*end[0]]
        return tuple(at), hops

    def _follow(self, link: str) -> _End | None:
        if link not in self._ends:
            self._ends[link] = None  # as long as it is followed, so that a circle ends
            self._following += 1
            if self._following <= MOST_HOPS and not self._targets[link].startswith("/"):
                end = self._walk(tuple(link.split("/")[:-1]), self._targets[link])
                self._ends[link] = end and (end[0], end[1] + 1)
            self._following -= 1
        return self._ends[link]
