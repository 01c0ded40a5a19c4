"""Has a tool of the host read a package file that lies here, and write what is in it as a tar archive. It needs nothing
else, so it is held as what a package runs: without the network, where this host can, and with bounds.
"""

import os
import shutil
import tempfile
from pathlib import Path

from beeyard.adapters.confined.command import PATH, Limits, run
from beeyard.adapters.fetcher.settled import settled
from beeyard.adapters.system.running import Ran, missing
from beeyard.adapters.system.troubles import reason
from beeyard.domain.errors import Rejected, Untrusted

PATIENCE = 120.0
"""Seconds for any of them."""
ROOM = "reading"
"""How a folder ends in which one reads; who was killed leaves it."""


async def tarred(command: str, file: Path, into: Path, most: int) -> None:
    """`command`: a line of a shell in which `$1` is the file; what it prints is the archive, of so many bytes at most.

    Raises:
        Untrusted: `package_malformed`, it holds more, or the tool can't read it.
        NotFound: `no_such_tool`.
    """
    if shutil.which(command.split(maxsplit=1)[0], path=PATH) is None:
        raise missing(command.split(maxsplit=1)[0])
    await settled(_tarred, command, file, into, most)


def _tarred(command: str, file: Path, into: Path, most: int) -> None:
    room = into.with_suffix(f".{ROOM}")
    shutil.rmtree(room, ignore_errors=True)  # Of one that was killed.
    try:
        (room / "work").mkdir(parents=True)
        with tempfile.TemporaryFile(dir=room) as said:
            line, limits = ["sh", "-c", f'exec {command} > "$2"', "sh"], Limits(seconds=PATIENCE, largest=most)
            home = {"HOME": str(room), "TMPDIR": str(room), "LC_ALL": "C.UTF-8"}
            names, reads, output = [str(file), str(room / "tar")], (file.parent,), said.fileno()
            try:
                run([*line, *names], room, home, limits, lonely=False, reads=reads, output=output)
            except Rejected as error:
                said.seek(0)
                words = said.read(2**16).decode(errors="replace").strip() or str(error.fields["reason"])
                text, what = "{file} can't be unpacked: {reason}", reason(Ran(1, "", words))
                raise Untrusted("package_malformed", text, file=file.name, reason=what) from None
        os.replace(room / "tar", into)
    finally:
        shutil.rmtree(room, ignore_errors=True)
