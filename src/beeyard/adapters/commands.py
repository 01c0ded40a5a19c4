"""What a command prints, within limits of time and size; past them its whole tree is ended.

Its standard error goes nowhere, so that nobody can show it. A descendant that left both the session and its parents
gets away: a command may start such a helper, as `gpg` does, and it has to outlive the command.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Sequence

from beeyard.launcher import kernel


class CommandFailed(Exception):
    """Raised when there is no output to be had; the text says why, and holds none of it."""


async def printed(argv: Sequence[str], *, patience: float, largest: int) -> bytes:
    """The standard output of a command that ends with code 0. Cancelled, it is ended.

    Raises:
        CommandFailed: it did not start, ended otherwise, took longer, or printed more.
    """
    pid, out = _started(argv)
    ended = os.pidfd_open(pid)
    data, over = b"", False
    try:
        async with asyncio.timeout(patience):
            while len(data) <= largest:
                await _readable(out)
                more = os.read(out, 65536)
                if not more:
                    await _readable(ended)
                    over = True
                    break
                data += more
    except TimeoutError:
        raise CommandFailed(f"did not end within {patience:g}s") from None
    finally:
        os.close(out)
        if not over:
            _end(pid)
        if (code := _reaped(ended)) is None:
            asyncio.get_running_loop().add_reader(ended, _reap_later, ended)
    if len(data) > largest:
        raise CommandFailed(f"printed more than {largest // 1024} KB")
    if code != 0:
        raise CommandFailed(
            f"ended by {signal.Signals(-code).name}" if code and code < 0 else f"ended with code {code}"
        )
    return data


def _started(argv: Sequence[str]) -> tuple[int, int]:
    """In a session of its own; returns its pid and the end of a pipe from which its output is read."""
    out, writer = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(out, False)
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, writer, 1),
        (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
    ]
    defaults = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}
    try:
        pid = os.posix_spawnp(
            argv[0], [*argv], os.environ, file_actions=actions, setsid=True, setsigmask=[], setsigdef=defaults
        )
    except OSError as error:
        os.close(out)
        raise CommandFailed(f"could not be started: {error.strerror}") from None
    finally:
        os.close(writer)
    return pid, out


async def _readable(fd: int) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_reader(fd, _done, ready)
    try:
        await ready
    finally:
        loop.remove_reader(fd)


def _done(ready: "asyncio.Future[None]") -> None:
    if not ready.done():
        ready.set_result(None)


def _reaped(pidfd: int) -> int | None:
    """The code of a child that ended, negative for a signal, its pidfd then being closed; None while it goes on."""
    try:
        seen = os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOHANG)
    except ChildProcessError:  # Somebody in this program waits for children that are not theirs.
        os.close(pidfd)
        return 255
    if seen is None:
        return None
    os.close(pidfd)
    return seen.si_status if seen.si_code == os.CLD_EXITED else -seen.si_status


def _reap_later(pidfd: int) -> None:
    asyncio.get_running_loop().remove_reader(pidfd)
    _reaped(pidfd)


def _end(pid: int) -> None:
    """Stopped first, so that none is born while we look."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGSTOP)
    tree = [pid]
    for parent in tree:  # It grows while it is read.
        tree += kernel.children(parent)
    for member in tree:
        with contextlib.suppress(ProcessLookupError):
            os.kill(member, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
