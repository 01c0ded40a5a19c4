"""What is asked when packages are to be chosen, and what is answered. Knows no way to find the answer.

One question is about one set of packages that go together, each in one version: a worker's, or what a person installs.
"""

from collections.abc import Mapping

from msgspec import Struct

from beeyard.domain.packages import ANY, Dependency, Platform, Wanted


class Ask(Struct, frozen=True):
    """One package that somebody wants: `by` a worker's name, or empty for the person who asks.

    `newest`: neither what is installed nor what is locked is good enough, if there is a newer one.
    """

    wanted: Wanted
    by: str = ""
    newest: bool = False


class Candidate(Struct, frozen=True):
    """One version of a package, with what its manifest needs; `yanked` says why it better is not taken."""

    name: str
    version: str
    platform: Platform = ANY
    dependencies: tuple[Dependency, ...] = ()
    yanked: str = ""


class Question(Struct, frozen=True):
    """Which versions to take.

    `offered`: by package, all that repositories have, and so for each name that one of them depends on.
    `installed`: what is on this host now, by package; also when no repository has it any more.
    `locked`: versions of a lock file, which are taken while they fit.
    `facts`: what the host itself has (`python3`, `glibc`, `kernel`) and its version; empty: it has none.
    """

    asks: tuple[Ask, ...]
    platform: Platform
    offered: Mapping[str, tuple[Candidate, ...]] = {}
    installed: Mapping[str, Candidate] = {}
    locked: Mapping[str, str] = {}
    facts: Mapping[str, str] = {}
    downgrades: bool = False
    prereleases: bool = False


class Need(Struct, frozen=True):
    """Who needs what: `by` is a worker, empty for a person, or `gateway 1.9`."""

    by: str
    wanted: Wanted


class Choice(Struct, frozen=True):
    """The version to take; `why` begins with who asked, and ends with who needs this package."""

    version: str
    why: tuple[Need, ...]


Resolution = Mapping[str, Choice]
"""By package. The host's own things are not in it."""
