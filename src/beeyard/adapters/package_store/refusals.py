"""What goes wrong in a package store, in Beeyard's words. Does nothing about it."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from beeyard.domain.errors import NotFound, Refused, Rejected, Unavailable, Untrusted
from beeyard.domain.packages import Description, Receipt
from beeyard.domain.values import human_memory
from beeyard.ports.package_store import Damage

_FULL = (errno.ENOSPC, errno.EDQUOT)
_NAMED = 5  # so many of the files that differ


@contextmanager
def trouble(root: Path) -> Iterator[None]:
    """A full disk is told apart from one that is in trouble."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno in _FULL:
            raise Rejected(
                "package_disk_full",
                "no room was left in {root}: {reason}",
                hint="Nothing was changed. Make room, by `beeyard package gc` perhaps, and ask again.",
                root=str(root),
                reason=reason,
            ) from error
        path = str(error.filename or root)
        text = "the package store can't use {path}: {reason}"
        raise Unavailable("package_store_unusable", text, path=path, reason=reason) from error


def no_room(description: Description, need: int, free: int, reclaimable: int) -> Rejected:
    """Told before anything is written."""
    return Rejected(
        "package_no_room",
        "{package} needs {need} and {free} is free, {lacking} too little; "
        "`beeyard package gc` frees {reclaimable} at most",
        hint="Make room on that filesystem, then ask again.",
        package=_named(description),
        need=human_memory(need),
        free=human_memory(free),
        lacking=human_memory(need - free),
        reclaimable=human_memory(reclaimable),
    )


def no_inodes(description: Description, need: int, free: int) -> Rejected:
    """Told before anything is written."""
    return Rejected(
        "package_no_inodes",
        "{package} holds {need} files and folders, and the filesystem has room for {free}",
        hint="Delete small files on that filesystem, by `beeyard package gc` perhaps; bytes are not what it lacks.",
        package=_named(description),
        need=need,
        free=free,
    )


def unusable(package: str, reason: str) -> Untrusted:
    """A name or a version that no honest package has, and that no folder is to be made of."""
    return Untrusted(
        "package_unusable",
        "{package} can't be installed: {reason}",
        hint="Nothing of it was installed. Whoever publishes it has to build it anew.",
        package=package,
        reason=reason,
    )


def differs(description: Description, damage: list[Damage]) -> Untrusted:
    """The archive was the one that was promised, and yet not what is in it."""
    told = ", ".join(f"{one.path} ({one.what})" for one in damage[:_NAMED])
    more = f" and {len(damage) - _NAMED} more" if len(damage) > _NAMED else ""
    return Untrusted(
        "package_differs",
        "{package} does not hold what its description says: {files}",
        hint="Nothing of it was installed. Whoever publishes it has to build it anew.",
        package=_named(description),
        files=told + more,
    )


def in_use(receipt: Receipt, user: str) -> Refused:
    """Nothing that runs may go."""
    return Refused(
        "package_in_use",
        "{package} is in use by {user}",
        hint="Stop that first.",
        package=_named(receipt.description),
        user=user,
    )


def not_installed(receipt: Receipt) -> NotFound:
    """Somebody has removed it meanwhile."""
    return NotFound("package_not_installed", "{package} is not installed", package=_named(receipt.description))


def _named(description: Description) -> str:
    return f"{description.manifest.name} {description.manifest.version}"
