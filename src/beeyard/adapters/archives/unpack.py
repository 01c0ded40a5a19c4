"""Unpacks an archive against its signed description, in a sandboxed child process. Syncs nothing; knows no store.

The list is judged here before anything is written; the child compares what comes with it and can reach nothing but the
archive and the folder. What it answers is not trusted further than that.
"""

import asyncio
import contextlib
import marshal
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

from beeyard.adapters.archives.answers import LONGEST, Confinement, answered, failed, named, untrusted
from beeyard.adapters.fetcher.settled import settled
from beeyard.domain.errors import NotFound, Refused, Rejected
from beeyard.domain.file_list import faults, folders, swollen
from beeyard.domain.packages import Description
from beeyard.ports.package_store import Base

MEMORY = 512 * 2**20
"""Of address space: the widest window, and what Python needs."""
LARGEST = 2**27
"""Bytes of an archive that a patch starts from, or ends at: `codec` looks no further back."""
_PATIENCE, _SLOWEST = 120.0, 2**20
"""Seconds for any archive, and bytes a second that a disk has to write."""
_CODE = "import sys; sys.path += sys.argv[1:]; from beeyard.adapters.archives.child import main; main()"


async def unpack(payload: str, description: Description, into: str, base: Base | None = None) -> Confinement:
    """Write all files of the archive below the folder `into`, which is empty, and stays so unless this succeeds.

    Files get the modes 0444 and 0555, folders 0555; `into` itself keeps its own. Nothing was synced.

    With a `base` the payload is a patch of that: each file of it is read, and compared with its signed list first.

    Raises:
        Refused: `delta_base_changed`.
        Untrusted: `archive_…`, the archive or its list is hostile, or they are not the same; names the entry.
        Rejected: `archive_no_room`, `archive_unwritable` or `archive_too_slow`.
        Unavailable: `archive_interrupted`, somebody ended the child.
    """
    await asyncio.to_thread(_judge, description)
    try:
        source = os.open(payload, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise NotFound("no_such_file", "{file} can't be read: {reason}", file=payload, reason=error.strerror) from None
    try:
        folder = os.open(into, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        assert not os.listdir(folder), "what is there would be lost if this fails"
        try:
            if base is None:
                return await _unpack(source, description, folder)
            with tempfile.TemporaryFile(dir=into) as plain:  # It has no name, so it is gone with whoever has it open.
                await settled(_lay, description, base, plain)
                return await _unpack(source, description, folder, plain.fileno())
        except BaseException:
            await asyncio.shield(asyncio.to_thread(emptied, into))
            raise
        finally:
            os.close(folder)
    finally:
        os.close(source)


def _lay(description: Description, base: Base, plain: IO[bytes]) -> None:
    """The archive of what is installed, as it was before it was compressed."""
    from beeyard.adapters.archives import pack

    size = 0
    try:
        for piece in pack.plain(base.folder, base.description.files):
            size += len(piece)
            if size > LARGEST:
                raise untrusted(description, "archive_limits", "", "is a patch of more than may be patched")
            plain.write(piece)
        plain.flush()
    except Refused as error:
        text = "{package}: {base} is not whole, so it can't be patched: {path} is not as it was signed"
        fields = {"package": named(description), "base": named(base.description), "path": error.fields["path"]}
        raise Refused("delta_base_changed", text, hint="beeyard package repair", **fields) from None
    except OSError as error:
        raise failed(description, error.errno or 0, "what it is patched from") from None


def _judge(description: Description) -> None:
    for fault in faults(description.files):
        raise untrusted(description, fault.code, fault.path, fault.what)
    if swollen(description.size, description.payload.size):
        what = f"has {description.size} bytes in {description.payload.size} bytes of archive: a bomb and no package"
        raise untrusted(description, "archive_limits", "", what)


async def _unpack(source: int, description: Description, into: int, base: int | None = None) -> Confinement:
    patience = _PATIENCE + description.size / _SLOWEST
    order = {
        "parent": os.getpid(),
        "payload": source,
        "into": into,
        "base": base,
        "files": {file.path: (file.size, file.sha256, file.executable) for file in description.files if not file.link},
        "links": {file.path: file.link for file in description.files if file.link},
        "folders": folders(description.files),
        "memory": MEMORY,
        "seconds": int(patience),
        "largest": max((file.size for file in description.files), default=0),
    }
    child = _start(source, into, *(() if base is None else (base,)))
    talking = asyncio.ensure_future(asyncio.to_thread(talk, child, marshal.dumps(order)))
    try:
        answer = await asyncio.wait_for(asyncio.shield(talking), patience)
    except TimeoutError:
        text = "{package} could not be unpacked in {seconds} s: the disk is too slow"
        raise Rejected("archive_too_slow", text, package=named(description), seconds=int(patience)) from None
    finally:
        child.kill()
        await asyncio.wait([talking])  # It holds the folder until it is gone.
    return answered(description, child.returncode, answer)


def _start(*files: int) -> subprocess.Popen[bytes]:
    return started(_CODE, *files)


def started(code: str, *files: int, errors: int | None = subprocess.STDOUT) -> subprocess.Popen[bytes]:
    """A child that runs this, with nothing but these open files; its arguments are where it finds us. `errors`: where
    what it complains about goes, None for where ours does."""
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-B", "-X", "utf8", "-c", code, *_paths()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        cwd="/",
        env={},
        pass_fds=files,
        start_new_session=True,
    )


def talk(child: subprocess.Popen[bytes], order: bytes, longest: int = LONGEST) -> bytes:
    """What it answers, until it has ended; it is killed once that is longer than an answer may be."""
    with child:
        assert child.stdin
        assert child.stdout
        with contextlib.suppress(BrokenPipeError):
            child.stdin.write(order)
            child.stdin.close()
        answer = child.stdout.read(longest)
        if len(answer) == longest:
            child.kill()
        return answer


def _paths() -> list[str]:
    """Where the child finds us, and zstd, which only who unpacks loads."""
    from beeyard.adapters.archives import codec

    return [str(Path(__file__).parents[3]), str(Path(codec.zstd.__path__[0]).parents[1])]


def emptied(folder: str) -> None:
    """As it was before; what was made belongs to us, and is no link out."""
    for path, _, _ in os.walk(folder):
        if path != folder:
            os.chmod(path, 0o700)
    for entry in os.scandir(folder):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            os.unlink(entry.path)
