"""What became of an unpacking: the child's answer, or the signal that ended it, as a value or an error for people."""

import errno
import logging
import os
import signal
from typing import NamedTuple

from beeyard.domain.errors import BeeyardError, Rejected, Unavailable, Untrusted
from beeyard.domain.packages import Description

LONGEST = 64 * 1024
"""Bytes of an answer."""
_TEXTS = {"archive_malformed": "{package}: the archive {what}, at {entry}"}
_OWN_FAULT = {
    signal.SIGXCPU,
    signal.SIGSEGV,
    signal.SIGBUS,
    signal.SIGILL,
    signal.SIGFPE,
    signal.SIGABRT,
    signal.SIGSYS,
}
"""What an archive can do to the child; anything else comes from outside: a shutdown, a machine without memory."""
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}

_log = logging.getLogger(__name__)


class Confinement(NamedTuple):
    """What held the child: the version of landlock, 0 where the kernel has none. Limits and a deadline hold always."""

    landlock: int


def answered(description: Description, code: int, answer: bytes) -> Confinement:
    """What held the child, or the error that is to be raised: by its exit code and what it wrote."""
    what, *fields = answer.decode(errors="replace").split("\0")
    if code < 0 and len(answer) < LONGEST:
        raise _ended(description, signal.Signals(-code))
    if code == 0 and what == "done":
        held = Confinement(int(fields[0]))
        _log.debug("unpacked %s, held by landlock %s", named(description), held.landlock)
        return held
    if code == 0 and what == "refused":
        raise untrusted(description, *fields)
    if code == 0 and what == "failed":
        raise failed(description, int(fields[0]), fields[1])
    raise RuntimeError(f"the unpacking of {named(description)} failed: {answer.decode(errors='replace')}")


def untrusted(description: Description, code: str, entry: str, what: str) -> Untrusted:
    """Refused, because of an entry or of the archive as a whole."""
    text = _TEXTS.get(code, "{package}: {entry} {what}") if entry else "{package}: the archive {what}"
    hint = "Nothing of it was kept. Ask who publishes the package; the repository may have been tampered with."
    about = {"entry": repr(entry)} if entry else {}
    return Untrusted(code, text, hint=hint, package=named(description), what=what, **about)


def _ended(description: Description, by: signal.Signals) -> BeeyardError:
    if by in _OWN_FAULT:
        what = f"took more than an archive may: its unpacking was ended by {by.name}"
        return untrusted(description, "archive_limits", "", what)
    text = "{package}: its unpacking was ended by {signal}"
    hint = "Nothing was changed; try again. After a SIGKILL see whether the machine ran out of memory."
    return Unavailable("archive_interrupted", text, hint=hint, package=named(description), signal=by.name)


def failed(description: Description, number: int, entry: str) -> Rejected:
    """The system did not let us write something, by the number of its error."""
    fields = {"package": named(description), "entry": repr(entry), "reason": os.strerror(number)}
    if number in _NO_ROOM:
        text, hint = "{package}: no room for {entry}: {reason}", "Make room on the disk, and try again."
        return Rejected("archive_no_room", text, hint=hint, **fields)
    return Rejected("archive_unwritable", "{package}: {entry} can't be written: {reason}", **fields)


def named(description: Description) -> str:
    """As people call it."""
    return f"{description.manifest.name} {description.manifest.version}"
