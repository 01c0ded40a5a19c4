"""Runs what a package says of itself, before it counts as installed: a program of it that has to tell its version.

The package can be read and nothing but a room beside it written; how the command is held, `command` knows.
"""

import re
import tempfile
from pathlib import Path
from typing import IO

from beeyard.adapters.confined.command import Limits, run
from beeyard.domain.errors import BeeyardError, Refused, Rejected
from beeyard.domain.packages import Check, Description

LARGEST = 2**26
"""Bytes of any file that it may write, what it prints included."""
_KEPT, _TOLD = 2**16, 200
"""Bytes of what it printed that are looked at, and characters of that which are told."""


def check(description: Description, tree: Path, room: Path) -> None:
    """Run the check of a package whose files lie in `tree`, each of them as it was signed. `room` is an empty folder.

    Raises:
        Rejected: `package_check_failed`, it ended badly, took too long, or did not print what it was to.
        Refused: `package_check_unheld`, nothing on this host can keep it from the network and other files.
    """
    wish = description.manifest.check
    if wish is None:
        return
    (room / "work").mkdir()
    with tempfile.TemporaryFile(dir=room) as printed:
        command = [str(tree / wish.command[0]), *wish.command[1:]]
        limits, home = Limits(seconds=wish.timeout, largest=LARGEST), {"HOME": str(room), "TMPDIR": str(room)}
        try:
            run(command, room, home, limits, work=tree, reads=(tree,), output=printed.fileno())
        except BeeyardError as error:
            if error.code == "command_unheld":
                raise _unheld(description, wish) from None
            raise _failed(description, wish, str(error.fields["reason"]), _said(printed)) from None
        said = _said(printed)
    if not _tells(wish.prints, said):
        raise _failed(description, wish, f"no {wish.prints} in what it printed", said)


def _said(printed: IO[bytes]) -> str:
    printed.seek(0)
    return printed.read(_KEPT).decode(errors="replace")


def _tells(expected: str, said: str) -> bool:
    """2.11.4 is not in what says 2.11.40, 12.11.4 or 2.11.4rc1."""
    return re.search(rf"(?<!\d)(?<!\d\.){re.escape(expected)}(?!\.?\w)", said) is not None


def _failed(description: Description, wish: Check, reason: str, said: str) -> Rejected:
    words = "".join(one if one.isprintable() else " " for one in said).strip()
    text = "{package} fails its own check, `{command}`: {reason}" + ("; it printed: {said}" if words else "")
    hint = "nothing of it was installed; run that command here: the host may lack something, or it is built wrong"
    fields = {"package": _named(description), "command": " ".join(wish.command), "reason": reason}
    return Rejected("package_check_failed", text, hint=hint, said=words[:_TOLD], **fields)


def _unheld(description: Description, wish: Check) -> Refused:
    text = "{package} can't be checked: nothing on this host can keep `{command}` from the network and other files"
    hint = "install it where user namespaces or landlock are allowed, or as root"
    fields = {"package": _named(description), "command": " ".join(wish.command)}
    return Refused("package_check_unheld", text, hint=hint, **fields)


def _named(description: Description) -> str:
    return f"{description.manifest.name} {description.manifest.version}"
