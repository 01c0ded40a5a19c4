"""What holds the process that unpacks, and what becomes of it and of the folder when it does not get to its end."""

import asyncio
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from beeyard.adapters.archives import confine, unpack
from beeyard.adapters.archives.answers import Confinement
from beeyard.adapters.archives.codec import zstd
from beeyard.adapters.archives.collect import collect
from beeyard.adapters.archives.pack import pack
from beeyard.domain.errors import NotFound, Refused, Rejected, Unavailable, Untrusted
from beeyard.domain.packages import Description
from tests.corpora.tar import END, described, file, link, listed, squeezed
from tests.disks import mounted

HANGING = """
import marshal, os, signal, sys
order = marshal.load(sys.stdin.buffer)
os.mkdir("half", dir_fd=order["into"])
signal.pause()
"""
TELLING = HANGING.replace("signal.pause()", "os.kill(os.getppid(), signal.SIGUSR1); signal.pause()")
KERNEL = confine._libc.syscall(444, None, 0, 1)
"""The version of landlock here."""
needs_landlock = pytest.mark.skipif(KERNEL < 6, reason="a kernel with landlock 6 (Linux 6.12)")


@pytest.fixture
def into(tmp_path: Path) -> Path:
    """An empty folder."""
    made = tmp_path / "into"
    made.mkdir()
    return made


@pytest.fixture
def payload(tmp_path: Path) -> Path:
    """An archive of one file."""
    made = tmp_path / "tool.tar.zst"
    made.write_bytes(squeezed(file("a", b"x") + END))
    return made


@pytest.fixture
def one(payload: Path) -> Description:
    """What is in it."""
    return described(payload.read_bytes(), [listed("a", b"x")])


def python(code: str, *args: str) -> "subprocess.CompletedProcess[str]":
    """Run some code in a process of its own."""
    return subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True, check=True)


async def test_what_held_the_child_is_told(payload: Path, one: Description, into: Path) -> None:
    """The version of landlock, if the kernel has it."""
    assert await unpack.unpack(str(payload), one, str(into)) == Confinement(max(0, KERNEL))


async def test_modes_are_the_same_under_any_umask(payload: Path, one: Description, into: Path) -> None:
    """Others can read what is installed, however private the master keeps its own files."""
    before = os.umask(0o077)
    try:
        await unpack.unpack(str(payload), one, str(into))
    finally:
        os.umask(before)
    assert (into / "a").stat().st_mode & 0o7777 == 0o444


@needs_landlock
def test_the_fence_lets_nothing_out(tmp_path: Path, into: Path) -> None:
    """Only below its folder something can be made, and only files, folders and links; no network, no signals."""
    code = """
import json, os, signal, socket, sys
from beeyard.adapters.archives import confine
into, outside, port = sys.argv[1:]
folder = os.open(into, os.O_RDONLY)
confine.fence(folder)
def tried(act):
    try:
        act()
    except OSError as error:
        return error.errno
    return 0
tries = {
    "file": lambda: os.close(os.open("a", os.O_CREAT | os.O_WRONLY, dir_fd=folder)),
    "folder": lambda: os.mkdir("d", dir_fd=folder),
    "link": lambda: os.symlink("a", "l", dir_fd=folder),
    "read": lambda: os.open("a", os.O_RDONLY, dir_fd=folder),
    "remove": lambda: os.unlink("a", dir_fd=folder),
    "fifo": lambda: os.mkfifo("f", dir_fd=folder),
    "read outside": lambda: os.open("/etc/passwd", os.O_RDONLY),
    "write outside": lambda: os.open(outside, os.O_WRONLY),
    "make outside": lambda: os.mkdir(outside + "-more"),
    "climb": lambda: os.mkdir("../more", dir_fd=folder),
    "run": lambda: os.execv("/bin/true", ["true"]),
    "connect": lambda: socket.create_connection(("127.0.0.1", int(port))),
    "signal": lambda: os.kill(os.getppid(), 0),
}
print(json.dumps({name: tried(act) for name, act in tries.items()}))
"""
    outside = tmp_path / "outside"
    outside.touch()
    with socket.create_server(("127.0.0.1", 0)) as server:
        told = json.loads(python(code, str(into), str(outside), str(server.getsockname()[1])).stdout)
    assert told == {"file": 0, "folder": 0, "link": 0} | dict.fromkeys(
        ("read", "remove", "fifo", "read outside", "write outside", "make outside", "climb", "run", "connect"), 13
    ) | {"signal": 1}


def test_limits_are_those_that_were_asked_for() -> None:
    """A second of computing more before there is no mercy; a core dump has no size."""
    code = """
import json, resource
from beeyard.adapters.archives import confine
confine.limit(2**30, 7, 12345)
print(json.dumps([resource.getrlimit(getattr(resource, "RLIMIT_" + name)) for name in ("AS", "CPU", "FSIZE", "CORE")]))
"""
    assert json.loads(python(code).stdout) == [[2**30] * 2, [7, 8], [12345] * 2, [0] * 2]


def test_the_child_holds_little() -> None:
    """It is there at once: nothing of ours but what it needs, and no library beside zstd."""
    code = "import sys; sys.path += sys.argv[1:]; import beeyard.adapters.archives.child; print(*sys.modules)"
    command = [sys.executable, "-I", "-S", "-c", code, *unpack._paths()]
    loaded = set(subprocess.run(command, capture_output=True, text=True, check=True, env={}).stdout.split())
    ours = {name.rpartition(".")[2] for name in loaded if name.startswith("beeyard.adapters.archives.")}
    assert ours == {"child", "codec", "confine", "differences", "headers", "tree"}
    assert not loaded & {"msgspec", "tarfile", "pathlib", "asyncio", "beeyard.domain"}


def test_an_orphan_ends() -> None:
    """When its parent is killed, it is; and it does not begin when that happened before."""
    child = (
        "import os, signal, sys; from beeyard.adapters.archives import confine; "
        "confine.die_with(int(sys.argv[1])); print(os.getpid(), flush=True); signal.pause()"
    )
    parent = "import os, subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1], str(os.getpid())])"
    with subprocess.Popen([sys.executable, "-c", parent, child], stdout=subprocess.PIPE) as process:
        assert process.stdout
        orphan = os.pidfd_open(int(process.stdout.readline()))
        process.kill()
        assert select.select([orphan], [], [], 30)[0]
        os.close(orphan)
    late = subprocess.run([sys.executable, "-c", child, "1"], capture_output=True, check=False)
    assert (late.returncode, late.stdout) == (1, b"")


async def test_cancelled_it_leaves_nothing(
    payload: Path, one: Description, into: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a process nor half a tree."""
    started: list[subprocess.Popen[bytes]] = []
    begun = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, begun.set)
    monkeypatch.setattr(unpack, "_CODE", TELLING)
    start = unpack._start

    def noted(*files: int) -> "subprocess.Popen[bytes]":
        started.append(start(*files))
        return started[0]

    monkeypatch.setattr(unpack, "_start", noted)
    task = asyncio.create_task(unpack.unpack(str(payload), one, str(into)))
    await begun.wait()
    assert list(into.iterdir()) == [into / "half"]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    asyncio.get_running_loop().remove_signal_handler(signal.SIGUSR1)
    assert started[0].returncode == -signal.SIGKILL
    assert not list(into.iterdir())


async def test_it_does_not_wait_for_ever(
    payload: Path, one: Description, into: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that takes nothing ends it, and the folder is as it was."""
    monkeypatch.setattr(unpack, "_CODE", HANGING)
    monkeypatch.setattr(unpack, "_PATIENCE", 0.5)
    with pytest.raises(Rejected) as slow:
        await unpack.unpack(str(payload), one, str(into))
    assert (slow.value.code, str(slow.value)) == (
        "archive_too_slow",
        "tool 1.0 could not be unpacked in 0 s: the disk is too slow",
    )
    assert not list(into.iterdir())


@pytest.mark.parametrize("name", ["SIGXCPU", "SIGSEGV"])
async def test_one_that_is_killed_was_hostile(
    name: str, payload: Path, one: Description, into: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It took more than it may, or broke what reads it."""
    monkeypatch.setattr(unpack, "_CODE", f"import os, signal; os.kill(os.getpid(), signal.{name})")
    with pytest.raises(Untrusted) as refused:
        await unpack.unpack(str(payload), one, str(into))
    text = f"tool 1.0: the archive took more than an archive may: its unpacking was ended by {name}"
    assert (refused.value.code, str(refused.value)) == ("archive_limits", text)


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM"])
async def test_one_that_somebody_ended_is_tried_again(
    name: str, payload: Path, one: Description, into: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shutdown, or a machine without memory, says nothing against the package."""
    monkeypatch.setattr(unpack, "_CODE", f"import os, signal; os.kill(os.getpid(), signal.{name})")
    with pytest.raises(Unavailable) as ended:
        await unpack.unpack(str(payload), one, str(into))
    text = f"tool 1.0: its unpacking was ended by {name}"
    assert (ended.value.code, str(ended.value)) == ("archive_interrupted", text)


@pytest.mark.parametrize("code", ["print('x' * 10**6)", "raise RuntimeError('broken')", ""])
async def test_nonsense_is_no_answer(
    code: str, payload: Path, one: Description, into: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much of it: nothing is taken for a success."""
    monkeypatch.setattr(unpack, "_CODE", code)
    with pytest.raises(RuntimeError, match=r"^the unpacking of tool 1.0 failed: "):
        await unpack.unpack(str(payload), one, str(into))


async def test_memory_has_a_bound(tmp_path: Path, into: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not fit is refused as hostile, not taken for a bug of ours."""
    content = bytes(2**20)
    plain = file("a", content) + END
    parameter = zstd.CompressionParameter
    squeeze = zstd.ZstdCompressor(options={parameter.compression_level: 1, parameter.window_log: 27})
    (tmp_path / "wide").write_bytes(squeeze.compress(plain) + squeeze.flush())
    wide = described((tmp_path / "wide").read_bytes(), [listed("a", content)])
    monkeypatch.setattr(unpack, "MEMORY", 100 * 2**20)
    with pytest.raises(Untrusted) as refused:
        await unpack.unpack(str(tmp_path / "wide"), wide, str(into))
    assert refused.value.code in ("archive_limits", "archive_malformed")
    monkeypatch.undo()
    await unpack.unpack(str(tmp_path / "wide"), wide, str(into))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """One of a megabyte."""
    with mounted(tmp_path / "disk", "size=1m") as folder:
        yield folder


async def test_a_full_disk_is_told(small_disk: Path, tmp_path: Path) -> None:
    """As what it is, with the file that found no room; what was written is gone again."""
    content = os.urandom(2**21)
    (tmp_path / "big").write_bytes(squeezed(file("a", b"") + file("b", content) + END))
    big = described((tmp_path / "big").read_bytes(), [listed("a"), listed("b", content)])
    with pytest.raises(Rejected) as full:
        await unpack.unpack(str(tmp_path / "big"), big, str(small_disk))
    text = "tool 1.0: no room for 'b': No space left on device"
    assert (full.value.code, str(full.value)) == ("archive_no_room", text)
    assert not list(small_disk.iterdir())


async def test_an_archive_that_is_not_there_is_told(tmp_path: Path, one: Description, into: Path) -> None:
    """Not as a mistake of the package."""
    with pytest.raises(NotFound) as missing:
        await unpack.unpack(str(tmp_path / "none"), one, str(into))
    assert str(missing.value) == f"{tmp_path / 'none'} can't be read: No such file or directory"


@pytest.mark.parametrize("content", [b"y", b"", b"xx", None])
def test_what_changes_meanwhile_is_not_packed(tmp_path: Path, content: bytes | None) -> None:
    """The archive always holds what its list says."""
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a").write_bytes(b"x")
    files = collect(str(folder)).files
    (folder / "a").unlink()
    if content is None:
        (folder / "a").symlink_to("/etc/passwd")
    else:
        (folder / "a").write_bytes(content)
    with pytest.raises(Refused) as refused:
        pack(str(folder), files, str(tmp_path / "out"))
    assert refused.value.code == "package_changed"
    assert str(refused.value).startswith("a changed while the package was made: ")


def test_an_archive_has_nothing_of_this_machine(tmp_path: Path) -> None:
    """Byte for byte: whoever changes it makes every package another one."""
    (tmp_path / "a").write_bytes(b"x")
    (tmp_path / "b").symlink_to("a")
    (tmp_path / "a").chmod(0o764)
    pack(str(tmp_path), collect(str(tmp_path)).files, str(tmp_path / "out"))
    assert zstd.decompress((tmp_path / "out").read_bytes()) == file("a", b"x", mode=0o555) + link("b", "a") + END
