"""No hostile archive is unpacked, none leaves anything behind, and each is refused with its own words."""

import os
from pathlib import Path

import pytest

from beeyard.adapters.archives.unpack import unpack
from beeyard.domain.errors import Untrusted
from tests.corpora.hostile import CASES
from tests.corpora.tar import described


def everything(folder: Path) -> list[tuple[str, int, bytes]]:
    """Whatever lies below a folder: its path, its mode and what it holds."""
    found = []
    for path in sorted(folder.rglob("*")):
        content = os.readlink(path).encode() if path.is_symlink() else path.read_bytes() if path.is_file() else b""
        found.append((str(path), path.lstat().st_mode, content))
    return found


@pytest.mark.parametrize("name", CASES)
async def test_a_hostile_archive_is_refused(name: str, tmp_path: Path) -> None:
    """It is told which entry is wrong, and how; beside it and in its folder all is as before."""
    case = CASES[name]()
    payload, into = tmp_path / "tool.tar.zst", tmp_path / "around" / "into"
    into.mkdir(parents=True)
    (tmp_path / "around" / "outside").write_text("untouched")
    payload.write_bytes(case.payload)
    before = everything(tmp_path)
    with pytest.raises(Untrusted) as refused:
        await unpack(str(payload), described(case.payload, case.files), str(into))
    assert (refused.value.code, str(refused.value)) == (case.code, case.text)
    assert everything(tmp_path) == before
    assert not os.path.lexists("/tmp/evil")
