"""Starts a confined command, waits for it, and tells how it ended. Knows nothing of what the command is for."""

import marshal
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from beeyard.adapters.archives.unpack import started
from beeyard.adapters.confined.together import together
from beeyard.domain.errors import BeeyardError, NotFound, Refused, Rejected
from beeyard.domain.values import human_duration, human_memory

_CODE = "import sys; sys.path += sys.argv[1:]; from beeyard.adapters.confined.child import main; main()"
TOOLS = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc", "/opt", "/nix/store", "/proc", "/sys")
"""What the command can read and run, besides its own folder."""
_RESOLVERS = (os.path.realpath("/etc/resolv.conf"),)
"""Where names of the network are asked for, which often lies elsewhere."""
SINKS = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
_PATIENCE = 10.0
"""Seconds until what has to end is ended by force."""
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Limits(Struct, frozen=True):
    """`seconds` until all of it is killed; the bytes of `memory` that it may fill, and its `processes` at once: all of
    it together where a control group can be made, else each process, and all of this user but root. Of each process the
    bytes of the `largest` file that it may write, and how many `files` it may have open."""

    seconds: float = 600.0
    memory: int = 4 * 2**30
    largest: int = 4 * 2**30
    files: int = 4096
    processes: int = 1024


class Held(Struct, frozen=True):
    """What held it: the version of landlock, 0 where the kernel has none; whether it was `alone`, without a sight of
    other processes and of files that are not its own; whether it was `offline`, without our network; and what all of it
    was bounded in `together`."""

    landlock: int
    alone: bool
    offline: bool
    together: frozenset[str] = frozenset()


def run(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    limits: Limits,
    *,
    network: bool = False,
    lonely: bool = True,
    work: Path | None = None,
    reads: Sequence[Path] = (),
    output: int | None = None,
) -> Held:
    """Run it in `work`, else in `folder/work`, with `folder` as all it may write to, and `reads` to read and run from;
    what it prints goes to the file `output`, else to standard error.

    `network`: let it reach the network that we reach. `lonely`: rather don't run it than where nothing keeps it from
    our files and sockets, and, unless it is let there, from the network.

    Raises:
        NotFound: `command_missing`.
        Refused: `command_unheld`, nothing can keep it from those here.
        Rejected: `command_failed`, it ended badly or took too long.
    """
    order = {
        "parent": os.getpid(),
        "command": list(command),
        "folder": str(folder),
        "work": str(work or folder / "work"),
        "environment": {**environment, "PATH": PATH},
        "tools": (*TOOLS, *map(str, reads), *(_RESOLVERS if network else ())),
        "sinks": SINKS,
        "memory": limits.memory,
        "seconds": max(1, int(limits.seconds * (os.cpu_count() or 1))),
        "largest": limits.largest,
        "files": limits.files,
        "processes": limits.processes,
        "network": network,
        "lonely": lonely,
    }
    bounds = {"memory": limits.memory, "processes": limits.processes}
    with together(bounds) as groups, started(_CODE, errors=output) as child:
        try:
            groups.enter(child.pid)
            answer, _ = child.communicate(marshal.dumps(order), timeout=limits.seconds)
        except subprocess.TimeoutExpired:
            raise _failed(command, f"it was ended after {human_duration(limits.seconds)}") from None
        finally:
            _end(child)
        starved, held = groups.starved, groups.held
    what, *fields = answer.decode(errors="replace").split("\0")
    match what:
        case "ended" if fields[0] == "0":
            return Held(int(fields[1]), fields[2] == "1", fields[3] == "1", held)
        case "ended" if starved:
            raise _failed(command, f"all of it together filled more memory than {human_memory(limits.memory)}")
        case "ended":
            raise _failed(command, _how(int(fields[0]), limits))
        case "unheld":
            text = "nothing on this host can keep `{command}` from the network and what is not its own"
            hint = "let it: --allow-network; or make the package where user namespaces or landlock are allowed"
            raise Refused("command_unheld", text, hint=hint, command=_told(command))
        case "missing":
            reason = os.strerror(int(fields[0]))
            hint = f"it is looked for in {PATH}, and may read {', '.join(TOOLS)} and its own folder"
            raise NotFound("command_missing", "`{command}`: {reason}", hint=hint, command=command[0], reason=reason)
    raise _failed(command, "it was ended from outside")


def _end(child: subprocess.Popen[bytes]) -> None:
    """It and whatever it started: it sees to that, however it ends."""
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def _how(code: int, limits: Limits) -> str:
    if code > 0:
        return f"exit code {code}"
    name = signal.Signals(-code).name
    if -code == signal.SIGXFSZ:
        return f"it wrote a file of more than {human_memory(limits.largest)}"
    return f"it took too much computing time, {name}" if -code == signal.SIGXCPU else f"it was ended by {name}"


def _failed(command: Sequence[str], reason: str) -> BeeyardError:
    text = "`{command}` failed: {reason}"
    hint = "what it printed is above; it has no network, no variables of yours, and may write in its own folder only"
    return Rejected("command_failed", text, hint=hint, command=_told(command), reason=reason)


def _told(command: Sequence[str]) -> str:
    return " ".join(command)
