"""Runs one tool of the host: with an environment that asks nobody, within a time. What it says it reads, not judges.

A tool writes into memory, and not into a pipe: one that has to finish goes on though we are killed meanwhile.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from beeyard.domain.errors import NotFound

TICK = 0.2
"""Seconds between two looks at what a tool wrote meanwhile."""
_PASSED = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
_SILENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8",
    "HOME": "/",
    "DEBIAN_FRONTEND": "noninteractive",
    "DEBIAN_PRIORITY": "critical",
    "NEEDRESTART_MODE": "l",
    "NEEDRESTART_SUSPEND": "1",
    "APT_LISTCHANGES_FRONTEND": "none",
}


class Ran(Struct, frozen=True):
    """How it ended, and all that it printed."""

    code: int
    out: str
    err: str


async def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    patience: float = 120.0,
    told: Callable[[str], object] | None = None,
    finish: bool = False,
) -> Ran:
    """Past its time it is ended, and so is one whose caller is cancelled; unless it has to `finish`.

    Args:
        told: each line that it writes to the descriptor that stands for `{status}` in the arguments; where none
            does, each line that it prints.
    Raises:
        NotFound: `no_such_tool`.
    """
    with _noted("out") as out, _noted("err") as err, _noted("status") as status:
        said = [one.replace("{status}", str(status)) for one in argv]
        try:
            child = _started(said, env or {}, (out, err, status))  # In no thread: nobody would end it who is cancelled.
        except FileNotFoundError:
            raise missing(argv[0]) from None
        lines = _Lines(out if said == [*argv] else status, told or (lambda line: None))
        telling = asyncio.ensure_future(lines.follow())
        ending = asyncio.ensure_future(asyncio.to_thread(child.wait))
        try:
            done, _ = await asyncio.wait([ending], timeout=patience)
            if not done:
                return Ran(-signal.SIGKILL, "", f"E: {Path(argv[0]).name} did not end within {patience:g} s")
        except asyncio.CancelledError:
            if finish:
                await asyncio.wait([ending], timeout=patience)
            raise
        finally:
            if child.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
            await asyncio.wait([ending])
            telling.cancel()
        lines.tell()
        return Ran(child.returncode, _all(out), _all(err))


def missing(tool: str) -> NotFound:
    """The error for one that is not there."""
    text, hint = "{tool} is not on this host", "install it, or take packages from another kind of repository"
    return NotFound("no_such_tool", text, hint=hint, tool=tool)


def _started(argv: Sequence[str], env: Mapping[str, str], notes: tuple[int, int, int]) -> subprocess.Popen[bytes]:
    out, err, status = notes
    return subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=err,
        cwd="/",
        env=_SILENT | {name: os.environ[name] for name in _PASSED if name in os.environ} | dict(env),
        pass_fds=(status,),
        start_new_session=True,
    )


class _Lines:
    """What stands in a file line by line, while it grows."""

    def __init__(self, file: int, told: Callable[[str], object]) -> None:
        self._file = file
        self._told = told
        self._at = 0
        self._rest = b""

    async def follow(self) -> None:
        """Until it is cancelled."""
        while True:
            self.tell()
            await asyncio.sleep(TICK)

    def tell(self) -> None:
        """What is new."""
        while more := os.pread(self._file, 65536, self._at):
            self._at += len(more)
            *lines, self._rest = (self._rest + more).split(b"\n")
            for line in lines:
                self._told(line.decode(errors="replace"))


@contextlib.contextmanager
def _noted(name: str) -> Iterator[int]:
    file = os.memfd_create(name)
    try:
        yield file
    finally:
        os.close(file)


def _all(file: int) -> str:
    return os.pread(file, os.fstat(file).st_size, 0).decode(errors="replace")
