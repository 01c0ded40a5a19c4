"""What became of each version of its package that a group ran, and which one it takes when nobody says. Pure.

A bad version is not tried again until a newer one comes, or somebody says so. Refuses to know what is installed.
"""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from beeyard.domain.course import Build, Course
from beeyard.domain.packages import version
from beeyard.domain.rollout import assigned

Verdict = Literal["", "healthy", "bad"]
MOST = 20
"""Generations that are kept of one group."""


class Generation(Struct, frozen=True, omit_defaults=True):
    """A build that a group was sent to, `at` wall-clock seconds; what came of it, and why: empty while that is open.
    `needs`: the digests of what it found beside it when the group left it."""

    build: Build
    at: float
    verdict: Verdict = ""
    reason: str = ""
    judged_at: float | None = None
    needs: tuple[str, ...] = ()


class History(Struct, frozen=True, omit_defaults=True):
    """Of one group: the way that it is on, or was on last, and its generations, oldest first."""

    course: Course
    generations: tuple[Generation, ...] = ()

    def bad(self, digest: str) -> Generation | None:
        """The word against this build, if that is the last one on it."""
        last = next((one for one in reversed(self.generations) if one.build.digest == digest), None)
        return last if last is not None and last.verdict == "bad" else None

    def needs(self, digest: str) -> tuple[str, ...]:
        """What this build found beside it when the group left it."""
        return next((one.needs for one in reversed(self.generations) if one.build.digest == digest and one.needs), ())

    @property
    def ahead(self) -> tuple[str, ...]:
        """The digests of what it may go to, or back to, while it is on its way, and afterwards of what it stands on;
        each with what lay beside it."""
        course = self.course
        builds = (assigned(course, ""),) if course.over else (course.source, course.target)
        return tuple(digest for one in builds for digest in (one.digest, *self.needs(one.digest)))

    @property
    def behind(self) -> tuple[str, ...]:
        """The same of what it would go back to from what it stands on."""
        found = before(self, assigned(self.course, "").digest)
        return (found.digest, *self.needs(found.digest)) if found is not None else ()


def begun(before: History | None, course: Course, at: float, needs: tuple[str, ...] = ()) -> History:
    """It sets out; where it comes from is a generation as well, and leaves this beside it."""
    source = course.source.digest
    past = before.generations if before is not None and before.course.package == course.package else ()
    if all(one.build.digest != source for one in past):
        past = (*past, Generation(course.source, at))
    past = tuple(replace(one, needs=needs or one.needs) if one.build.digest == source else one for one in past)
    return History(course, (*past, Generation(course.target, at))[-MOST:])


def judged(history: History, digest: str, verdict: Verdict, reason: str, at: float) -> History:
    """What is known now of this build, in the place of what was known of it."""
    found = list(history.generations)
    for number in reversed(range(len(found))):
        if found[number].build.digest == digest:
            found[number] = replace(found[number], verdict=verdict, reason=reason, judged_at=at)
            break
    return replace(history, generations=tuple(found))


def before(history: History, digest: str) -> Build | None:
    """Where to go back to from this build: of those with no word against them the last healthy one, or else the one
    that it came from, or the last."""
    known = [history.course.source, *(one.build for one in reversed(history.generations))]
    others = [one for one in known if one.digest != digest and history.bad(one.digest) is None]
    healthy = {one.build for one in history.generations if one.verdict == "healthy"}
    return next((one for one in others if one in healthy), next(iter(others), None))


def open_to(history: History | None, worker: str, found: Sequence[Build], stays: str, named: str | None) -> list[Build]:
    """Of what is installed and fits, best first, what a worker may be started from.

    Args:
        stays: what it runs from, if it is moved by its rollout alone; empty: each start may take a newer one.
        named: the build that its channel names (empty: nobody knows it); None: it follows none.
    """
    course = None if history is None else history.course
    if course is not None and (kept := [one for one in found if one.digest == assigned(course, worker).digest]):
        if not course.over or stays:
            return kept
        if named is None:
            return [one for one in found if one in kept or version(one.version) > version(course.ceiling)]
    if stays and (kept := [one for one in found if one.digest == stays]):
        return kept
    if named is None:
        return list(found)
    if history is not None and history.bad(named) is not None:
        return [one for one in found if one.digest == assigned(history.course, worker).digest]
    return [one for one in found if one.digest == named]
