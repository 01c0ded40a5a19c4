"""Layers, good and hostile: what of an image becomes a package's files, and that what is hostile is refused."""

import gzip
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest
from backports import zstd

from beeyard.adapters.images.unpacking import LayerFile, survey, unpack, write_plan
from beeyard.domain.errors import Untrusted
from beeyard.domain.packages import Description, Manifest, Payload
from tests.registries import bare_layer, entry, layer

MANIFEST, PAYLOAD = Manifest("hello", "1.0"), Payload("hello", 1, "0" * 64)


def layers(folder: Path, *packed: bytes, kind: str = "gzip") -> list[LayerFile]:
    """In files, the lowest first."""
    found = []
    for number, data in enumerate(packed):
        path = folder / f"layer-{number}"
        path.write_bytes(data)
        found.append(LayerFile(str(path), kind, len(data)))
    return found


async def unpacked(folder: Path, *packed: bytes, kind: str = "gzip") -> tuple[Description, Path]:
    """What it would be, and what it is."""
    description, plan = await survey(MANIFEST, PAYLOAD, layers(folder, *packed, kind=kind))
    into = folder / "into"
    into.mkdir()
    await unpack(write_plan(plan, folder / "plan"), description, str(into))
    return description, into


def tree(folder: Path) -> dict[str, str]:
    """All files and links, with what they hold or where they lead."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            found[str(path.relative_to(folder))] = f"-> {os.readlink(path)}"
        elif path.is_file():
            found[str(path.relative_to(folder))] = path.read_text()
    return found


async def refused(folder: Path, *packed: bytes, kind: str = "gzip") -> Untrusted:
    """Before anything is written."""
    with pytest.raises(Untrusted) as untrusted:
        await survey(MANIFEST, PAYLOAD, layers(folder, *packed, kind=kind))
    return untrusted.value


async def test_upper_layers_hide_what_lies_below(tmp_path: Path) -> None:
    """By the same name, by a whiteout, by an opaque folder, by a file where a folder was and a folder where a file
    was; what is hidden is not there, and a whiteout hides nothing of its own layer."""
    low = layer(
        *(entry(name, b"low") for name in ("same", "gone", "dir/a", "dir/b", "was-dir/x", "was-file", "kept")),
        entry("dead/deep/x", b"low"),
    )
    high = layer(
        entry("same", b"high"),
        entry(".wh.gone"),
        entry("gone/new", b"high"),
        entry("dir/.wh..wh..opq"),
        entry("dir/c", b"high"),
        entry("was-dir", b"high"),
        entry("was-file/x", b"high"),
        entry(".wh.dead"),
        entry(".wh..wh.plnk/", b""),
    )
    _, into = await unpacked(tmp_path, low, high)
    expected = {"same": "high", "gone/new": "high", "dir/c": "high", "was-dir": "high", "was-file/x": "high"}
    assert tree(into) == expected | {"kept": "low"}


async def test_a_layer_hides_only_what_lies_below_it(tmp_path: Path) -> None:
    """What was taken away may come again, above; and what is taken away below was never there for those above."""
    low = layer(*(entry(name, b"low") for name in ("back", "gone", "dir/back", "dir/gone", "dir/deep/gone")))
    middle = layer(
        entry(".wh.back"), entry(".wh.gone"), entry(".wh.high"), entry("dir/.wh..wh..opq"), entry("dir/new", b"middle")
    )
    high = layer(entry("back", b"high"), entry("high", b"high"), entry("dir/back", b"high"))
    _, into = await unpacked(tmp_path, low, middle, high)
    assert tree(into) == {"back": "high", "high": "high", "dir/back": "high", "dir/new": "middle"}


async def test_what_only_images_hold_is_made_harmless(tmp_path: Path) -> None:
    """Hard links are copies, also of what an upper layer hides; links from the root stay within; setuid goes."""
    low = layer(
        entry("./bin/", mode=0o1777),
        entry("./bin/busy", b"box", mode=0o4755),
        entry("./bin/ls", link="./bin/busy", kind=tarfile.LNKTYPE),
        entry("./bin/sh", link="/bin/busy"),
        entry("./usr/lib", link="../../../lib"),
        entry("./etc/deep/mtab", link="/proc/mounts"),
    )
    description, into = await unpacked(tmp_path, low, layer(entry("bin/busy", b"new", mode=0o755)))
    assert tree(into) == {
        "bin/busy": "new",
        "bin/ls": "box",
        "bin/sh": "-> ../bin/busy",
        "etc/deep/mtab": "-> ../../proc/mounts",
        "usr/lib": "-> ../lib",
    }
    assert [os.stat(into / f"bin/{name}").st_mode & 0o7777 for name in ("ls", "busy")] == [0o555, 0o555]
    assert os.stat(into / "bin/ls").st_nlink == 1
    assert [file.path for file in description.files] == ["bin/busy", "bin/ls", "bin/sh", "etc/deep/mtab", "usr/lib"]


@pytest.mark.parametrize("kind", ["tar", "gzip", "zstd"])
async def test_layers_come_in_every_packing(tmp_path: Path, kind: str) -> None:
    """Also in several pieces, one behind another, as tools write them that want to read them in parts."""
    plain = bare_layer(entry("big", bytes(3_000_000)), entry("small", b"end"))
    pieces = [plain[:1_000_000], plain[1_000_000:]]
    pack: dict[str, Any] = {"tar": bytes, "gzip": gzip.compress, "zstd": zstd.compress}
    description, _ = await unpacked(tmp_path, b"".join(pack[kind](piece) for piece in pieces), kind=kind)
    assert {file.path: file.size for file in description.files} == {"big": 3_000_000, "small": 3}


async def test_attributes_and_names_in_other_letters_stay_no_obstacle(tmp_path: Path) -> None:
    """Capabilities of files are passed over; Linux tells `Pod` and `pod` apart, and images have both."""
    header, content = entry("usr/bin/ping", b"ping", mode=0o755)
    header.pax_headers = {"SCHILY.xattr.security.capability": "\1\0\0\2\0"}
    _, into = await unpacked(tmp_path, layer((header, content), entry("Pod", b"P"), entry("pod", b"p")))
    assert tree(into) == {"Pod": "P", "pod": "p", "usr/bin/ping": "ping"}


HOSTILE = {
    "a way up": (entry("../x"), "archive_name"),
    "a way up within": (entry("a/../../x"), "archive_name"),
    "an absolute path": (entry("/etc/passwd"), "archive_name"),
    "a whiteout of what is above": (entry("a/.wh..."), "archive_name"),
    "a whiteout of nothing": (entry("a/.wh."), "archive_name"),
    "a device": (entry("dev/sda", kind=tarfile.BLKTYPE), "archive_kind"),
    "a FIFO": (entry("fifo", kind=tarfile.FIFOTYPE), "archive_kind"),
    "a device that some write as a whiteout": (entry("x", kind=tarfile.CHRTYPE), "archive_kind"),
    "a contiguous file": (entry("x", kind=tarfile.CONTTYPE), "archive_kind"),
    "a sparse file": (entry("x", kind=tarfile.GNUTYPE_SPARSE), "archive_kind"),
    "a hard link out": (entry("x", link="../../etc/shadow", kind=tarfile.LNKTYPE), "archive_name"),
    "a hard link to nothing": (entry("x", link="etc/shadow", kind=tarfile.LNKTYPE), "archive_link"),
    "a control character": (entry("a\nb"), "archive_name"),
}


@pytest.mark.parametrize("case", HOSTILE)
async def test_what_leads_out_or_is_no_file_is_refused(tmp_path: Path, case: str) -> None:
    """By name, before anything is written."""
    hostile, code = HOSTILE[case]
    error = await refused(tmp_path, layer(entry("fine", b"x"), hostile))
    assert (error.code, "hello 1.0" in str(error)) == (code, True)


async def test_a_hard_link_to_another_layer_is_refused(tmp_path: Path) -> None:
    """A layer brings what it links to along; engines make nothing of one that does not."""
    error = await refused(tmp_path, layer(entry("low", b"x")), layer(entry("high", link="low", kind=tarfile.LNKTYPE)))
    assert error.code == "archive_link"
    assert str(error).endswith("is a hard link to what is not before it in its layer")


async def test_twins_are_refused(tmp_path: Path) -> None:
    """One name twice in a layer, or a file with others within it, would be read differently by two programs."""
    assert (await refused(tmp_path, layer(entry("x", b"1"), entry("x", b"2")))).code == "archive_repeated"
    through = layer(entry("x", link="/etc"), entry("x/passwd", b"root"))
    assert (await refused(tmp_path, through)).code == "archive_twins"


async def test_nothing_is_written_through_a_link_of_a_lower_layer(tmp_path: Path) -> None:
    """The upper layer's folder takes the link's place."""
    outside = tmp_path / "outside"
    outside.mkdir()
    _, into = await unpacked(tmp_path, layer(entry("x", link=str(outside))), layer(entry("x/passwd", b"root")))
    assert (tree(into), list(outside.iterdir())) == ({"x/passwd": "root"}, [])


async def test_a_circle_of_links_is_refused(tmp_path: Path) -> None:
    """It would lead nowhere."""
    error = await refused(tmp_path, layer(entry("a", link="b"), entry("b", link="/a")))
    assert error.code == "archive_link"


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
async def test_a_bomb_is_refused(tmp_path: Path, kind: str) -> None:
    """It would fill the disk."""
    zeros = bare_layer(entry("zeros", bytes(80_000_000)))
    error = await refused(tmp_path, gzip.compress(zeros, 9) if kind == "gzip" else zstd.compress(zeros), kind=kind)
    assert (error.code, "bomb" in str(error)) == ("archive_malformed", True)


@pytest.mark.parametrize("cut", [10, 200, -1])
async def test_a_layer_that_ends_too_early_is_refused(tmp_path: Path, cut: int) -> None:
    """Whatever of it is missing."""
    whole = layer(entry("x", os.urandom(5000)))
    assert (await refused(tmp_path, whole[:cut])).code == "archive_malformed"


async def test_what_follows_the_end_is_refused(tmp_path: Path) -> None:
    """Another archive behind the first would be seen by some programs only."""
    twice = bare_layer(entry("x", b"1")) + bare_layer(entry("y", b"2"))
    assert (await refused(tmp_path, gzip.compress(twice))).code == "archive_malformed"


async def test_too_many_names_of_one_content_are_refused(tmp_path: Path) -> None:
    """They would be written all at once, and are a bomb of another kind."""
    twins = [entry(f"l{number}", link="x", kind=tarfile.LNKTYPE) for number in range(600)]
    assert (await refused(tmp_path, layer(entry("x", b"1"), *twins))).code == "archive_limits"
