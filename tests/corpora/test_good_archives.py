"""Every package that ought to be taken is taken: whatever was packed comes out as it was, and only that."""

import asyncio
import io
import os
import random
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies

from beeyard.adapters.archives.codec import zstd
from beeyard.adapters.archives.collect import collect
from beeyard.adapters.archives.pack import pack
from beeyard.adapters.archives.unpack import unpack
from beeyard.domain.packages import Description, Manifest
from tests.corpora.tar import END, file, gnu, link, linked, listed, padded, pax, squeezed

Fill = Callable[[Path], None]


def write(path: Path, content: bytes = b"", *, executable: bool = False) -> None:
    """A file, and the folders that it is in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(0o755 if executable else 0o644)


def plain(folder: Path) -> None:
    """What most packages are like."""
    write(folder / "bin" / "tool", b"\x7fELF", executable=True)
    write(folder / "package.yaml", b"name: tool\n")
    write(folder / ".hidden")


def nothing(folder: Path) -> None:
    """Not one file."""


def long_names(folder: Path) -> None:
    """As long as they may be, in one part and in all."""
    write(folder / ("n" * 255))
    write(folder / "/".join(["n" * 150] * 6) / "a", b"x")
    write(folder / "/".join(["d"] * 63) / "deepest", b"x")
    write(folder / ("p" * 150) / ("n" * 100), b"x")
    os.symlink("n" * 200 + "/../" + "n" * 255, folder / "long")


def unicode_names(folder: Path) -> None:
    """Of any script; only twins are refused."""
    for name in ("é", "straße", "数据", "🐝", "İ", "a b", "-rf", "%41", "a\\b", "x" * 99 + "é", "..."):
        write(folder / name / name, name.encode())


def many(folder: Path) -> None:
    """Two thousand, in twenty folders."""
    for number in range(2000):
        write(folder / f"{number % 20}" / f"{number}", b"x" * (number % 1030))


def inner_links(folder: Path) -> None:
    """To files and folders, up and down, over each other, and to nothing."""
    write(folder / "lib" / "tool.so.1.2", b"so")
    for place, target in {
        "lib/tool.so.1": "tool.so.1.2",
        "lib/tool.so": "tool.so.1",
        "bin": "./lib/",
        "share/doc": "../lib/../lib",
        "root": ".",
        "most": "root/" * 39,
        "over": "share/doc/tool.so",
        "nowhere": "lib/gone/../../either",
    }.items():
        (folder / place).parent.mkdir(exist_ok=True)
        os.symlink(target, folder / place)


def big(folder: Path) -> None:
    """Beyond every buffer, and compressed to next to nothing."""
    write(folder / "zeros", bytes(48 * 2**20))
    write(folder / "noise", random.Random(7).randbytes(3 * 2**20 + 1))


def sizes(folder: Path) -> None:
    """Around the block of an archive, and around our own pieces."""
    for size in (0, 1, 511, 512, 513, 1024, 256 * 1024 - 1, 256 * 1024, 256 * 1024 + 1):
        write(folder / f"{size:07}", b"x" * size)


GOOD: dict[str, Fill] = {
    made.__name__: made for made in (plain, nothing, long_names, unicode_names, many, inner_links, big, sizes)
}


def packed(folder: Path, payload: Path) -> Description:
    """The folder as a package."""
    found = collect(str(folder))
    assert not found.faults
    return Description(Manifest("tool", "1.0"), found.files, pack(str(folder), found.files, str(payload)))


@pytest.mark.parametrize("name", GOOD)
async def test_what_was_packed_comes_out_again(name: str, tmp_path: Path) -> None:
    """Names, contents, links; files that nobody can write to, and folders likewise."""
    folder, into = tmp_path / "folder", tmp_path / "into"
    folder.mkdir()
    into.mkdir(0o700)
    GOOD[name](folder)
    described = packed(folder, tmp_path / "tool.tar.zst")
    await unpack(str(tmp_path / "tool.tar.zst"), described, str(into))
    found = collect(str(into))
    assert (found.files, found.empty, found.faults) == (described.files, (), ())
    for path in into.rglob("*"):
        if not path.is_symlink():
            runs = path.is_dir() or (folder / path.relative_to(into)).stat().st_mode & 0o100
            assert stat.S_IMODE(path.stat().st_mode) == (0o555 if runs else 0o444)
    assert stat.S_IMODE(into.stat().st_mode) == 0o700


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
async def test_archives_of_other_programs_are_taken(form: int, tmp_path: Path) -> None:
    """With folders, owners and times in them, unsorted, in each form that tar has."""
    folder, into, payload = tmp_path / "folder", tmp_path / "into", tmp_path / "tool.tar.zst"
    for made in (folder, into):
        made.mkdir()
    plain(folder)
    write(folder / ("p" * 100) / ("n" * 90), b"x")
    os.symlink("../package.yaml", folder / "bin" / "link")
    found = collect(str(folder))
    with zstd.open(payload, "wb") as stream, tarfile.open(fileobj=stream, mode="w", format=form) as archive:
        for path in sorted(folder.rglob("*"), reverse=True):
            archive.add(path, str(path.relative_to(folder)), recursive=False)
    described = Description(Manifest("tool", "1.0"), found.files, packed(folder, tmp_path / "other").payload)
    await unpack(str(payload), described, str(into))
    assert collect(str(into)).files == found.files


async def test_every_way_to_say_a_name_is_understood(tmp_path: Path) -> None:
    """By GNU's long names, by pax, and with a size that only pax tells."""
    members = [
        gnu(b"L", "long/gnu"),
        gnu(b"K", "pax"),
        link("short", "short"),
        pax(path="long/pax", mtime="1.5", LIBARCHIVE_creationtime="2"),
        file("short", b"x"),
        pax(size="1"),
        file("long/size", b"")[:512],
        padded(b"y"),
    ]
    (tmp_path / "payload").write_bytes(squeezed(b"".join(members) + END + bytes(9216)))
    into = tmp_path / "into"
    into.mkdir()
    files = (linked("long/gnu", "pax"), listed("long/pax", b"x"), listed("long/size", b"y"))
    payload = packed(into, tmp_path / "none").payload
    await unpack(str(tmp_path / "payload"), Description(Manifest("tool", "1.0"), files, payload), str(into))
    assert collect(str(into)).files == files


LETTERS = strategies.characters(exclude_categories=["Cc", "Cs"], exclude_characters="/")
NAMES = strategies.text(LETTERS, min_size=1, max_size=90)
PATHS = strategies.lists(NAMES.filter(lambda name: name not in (".", "..")), min_size=1, max_size=4).map("/".join)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(strategies.dictionaries(PATHS, strategies.binary(max_size=600) | PATHS, max_size=6))
def test_any_folder_survives(tmp_path_factory: pytest.TempPathFactory, tree: dict[str, bytes | str]) -> None:
    """Whatever names there are: it comes out as it went in, and the standard library reads the same in it."""
    base = tmp_path_factory.mktemp("any")
    folder, into = base / "folder", base / "into"
    folder.mkdir()
    into.mkdir()
    for path, content in tree.items():
        try:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, bytes):
                (folder / path).write_bytes(content)
            else:
                (folder / path).symlink_to(content)
        except OSError:
            continue  # too long, or in the place of another
    found = collect(str(folder))
    if found.faults:
        return
    payload = pack(str(folder), found.files, str(base / "payload"))
    asyncio.run(unpack(str(base / "payload"), Description(Manifest("tool", "1.0"), found.files, payload), str(into)))
    assert collect(str(into)).files == found.files
    with tarfile.open(fileobj=io.BytesIO(zstd.decompress((base / "payload").read_bytes()))) as archive:
        assert [(entry.name, entry.linkname) for entry in archive] == [(file.path, file.link) for file in found.files]
