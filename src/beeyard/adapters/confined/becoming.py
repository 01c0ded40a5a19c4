"""The command's own process: it gives up what the order says, tells what holds it, and becomes the command.

Standard library only: this runs in the child.
"""

import os
import signal
from collections.abc import Iterable
from typing import Any

from beeyard.adapters.archives import confine
from beeyard.adapters.confined import powers, walls

PROCESSES = tuple(
    f"/proc/{name}" for name in ("self", "cpuinfo", "meminfo", "stat", "loadavg", "version", "filesystems", "sys")
)
"""What a command may read there that is not alone: all but the other processes."""


def become(order: dict[str, Any], into: int, *, alone: bool) -> None:
    """Run the command of the order; where nothing holds it that has to, only that is told. Raises OSError."""
    os.umask(0o022)
    network, lonely = order["network"], order["lonely"]
    paths = order["tools"] if alone else [one for path in order["tools"] for one in _unseen(path)]
    tools = [_opened(path) for path in paths if os.path.exists(path)]
    sinks = [_opened(path) for path in order["sinks"] if os.path.exists(path)]
    work = _opened(order["work"])
    powers.powerless()
    landlock = confine.fence(_opened(order["folder"]), tools, sinks)
    own = alone and not network
    filtered = own or powers.without_sockets(powers.NETWORK if network else ())
    if lonely and not (alone or (landlock and filtered)):
        tell(into, "unheld", 1)
        return
    os.fchdir(work)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and a command is to have the usual ones
        signal.signal(number, signal.SIG_DFL)
    memory, seconds, largest = order["memory"], order["seconds"], order["largest"]
    confine.limit(memory, seconds, largest, files=order["files"], processes=order["processes"])
    tell(into, "landlock", landlock)
    tell(into, "alone", alone)
    tell(into, "offline", filtered and not network)
    os.execvpe(order["command"][0], order["command"], order["environment"])


def _unseen(path: str) -> Iterable[str]:
    """Of a host that the command shares, other processes and what only some may read are not for it."""
    if path in walls.SHY:
        return walls.public(path)
    return PROCESSES if path == "/proc" else (path,)


def tell(into: int, word: str, number: int) -> None:
    """A line for the one who asks how it went."""
    os.write(into, f"{word} {int(number)}\n".encode())


def _opened(path: str) -> int:
    return os.open(path, os.O_PATH | os.O_CLOEXEC)
