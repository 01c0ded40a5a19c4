"""A patch can be as wrong as any archive, and start from something else: nothing comes of it but the signed files."""

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from beeyard.adapters.archives import unpack as unpacking
from beeyard.adapters.archives.aligning import against
from beeyard.adapters.archives.codec import zstd
from beeyard.adapters.archives.unpack import unpack
from beeyard.domain.errors import BeeyardError, Refused, Untrusted
from beeyard.ports.package_store import Base
from tests.corpora.tar import END, described, file, listed, squeezed

OLD = random.Random(7).randbytes(300_000)
NEW = OLD[:100_000] + b"and something new" + OLD[100_000:]
BEFORE, AFTER = file("data", OLD) + END, file("data", NEW) + END
PATCH = against(BEFORE, AFTER)


def wide() -> bytes:
    """What wants 2 GB of memory to be read."""
    squeeze = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 31})
    return squeeze.compress(AFTER) + squeeze.flush()


HOSTILE: dict[str, Callable[[], bytes]] = {
    "of another base": lambda: against(file("data", OLD[150_000:] + OLD[:150_000]) + END, AFTER),
    "cut short": lambda: PATCH[:-5],
    "random bytes": lambda: random.Random(9).randbytes(5000),
    "nothing": lambda: b"",
    "goes on": lambda: PATCH + b"more",
    "a bit changed": lambda: PATCH[:-1] + bytes([PATCH[-1] ^ 1]),
    "another file": lambda: against(BEFORE, file("data", NEW[::-1]) + END),
    "a file more": lambda: against(BEFORE, file("data", NEW) + file("evil", b"!") + END),
    "zeros without end": lambda: against(BEFORE, AFTER + bytes(40_000_000)),
    "a file without end": lambda: against(BEFORE, file("data", NEW + bytes(40_000_000)) + END),
    "a wider window than is allowed": wide,
}


def a_base(folder: Path, content: bytes = OLD) -> Base:
    """What is installed."""
    folder.mkdir()
    (folder / "data").write_bytes(content)
    return Base(str(folder), described(squeezed(BEFORE), [listed("data", OLD)]))


async def test_a_patch_makes_the_new_files_out_of_the_old(tmp_path: Path) -> None:
    """It is small, and what comes of it is what was signed."""
    into = tmp_path / "into"
    into.mkdir()
    (tmp_path / "patch").write_bytes(PATCH)
    await unpack(str(tmp_path / "patch"), described(PATCH, [listed("data", NEW)]), str(into), a_base(tmp_path / "old"))
    assert (into / "data").read_bytes() == NEW
    assert os.listdir(into) == ["data"]
    assert len(PATCH) < 1000


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_patch_is_refused(name: str, tmp_path: Path) -> None:
    """Whatever it holds: nothing of it is kept, and the old files are as they were."""
    into, base = tmp_path / "into", a_base(tmp_path / "old")
    into.mkdir()
    patch = HOSTILE[name]()
    (tmp_path / "patch").write_bytes(patch)
    signed = described(squeezed(AFTER), [listed("data", NEW)])
    with pytest.raises(Untrusted, match=r"^tool 1\.0: "):
        await unpack(str(tmp_path / "patch"), signed, str(into), base)
    assert os.listdir(into) == []
    assert (tmp_path / "old" / "data").read_bytes() == OLD


@pytest.mark.parametrize("content", [OLD[:-1], OLD + b"x", OLD[::-1]], ids=["shorter", "longer", "changed"])
async def test_what_is_not_whole_is_not_patched(content: bytes, tmp_path: Path) -> None:
    """The files that are there are compared with their own signed list before anybody reads them as more."""
    into = tmp_path / "into"
    into.mkdir()
    (tmp_path / "patch").write_bytes(PATCH)
    base = a_base(tmp_path / "old", content)
    with pytest.raises(Refused) as refused:
        await unpack(str(tmp_path / "patch"), described(PATCH, [listed("data", NEW)]), str(into), base)
    assert refused.value.code == "delta_base_changed"
    assert str(refused.value) == "tool 1.0: tool 1.0 is not whole, so it can't be patched: data is not as it was signed"
    assert os.listdir(into) == []


async def test_what_is_too_large_is_not_patched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The memory of who unpacks has a bound, so what a patch starts from has one."""
    into = tmp_path / "into"
    into.mkdir()
    (tmp_path / "patch").write_bytes(PATCH)
    monkeypatch.setattr(unpacking, "LARGEST", len(BEFORE) - 1)
    with pytest.raises(BeeyardError) as refused:
        await unpack(
            str(tmp_path / "patch"), described(PATCH, [listed("data", NEW)]), str(into), a_base(tmp_path / "old")
        )
    assert (refused.value.code, os.listdir(into)) == ("archive_limits", [])


async def test_the_largest_that_may_be_patched_fits_into_the_memory_there_is(tmp_path: Path) -> None:
    """Both at their bound: what is there, what comes, and the widest window, in the unpacker's address space."""
    old = bytes(unpacking.LARGEST - 4096)
    before, after = file("data", old) + END, file("data", old[:-1] + b"!") + END
    patch = against(before, after)
    into = tmp_path / "into"
    into.mkdir()
    (tmp_path / "patch").write_bytes(patch)
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "data").write_bytes(old)
    base = Base(str(tmp_path / "old"), described(before, [listed("data", old)]))
    swollen = described(after, [listed("data", old[:-1] + b"!")])  # of a payload that is no bomb
    await unpack(str(tmp_path / "patch"), swollen, str(into), base)
    assert (into / "data").stat().st_size == len(old)
