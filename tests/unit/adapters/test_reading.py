"""Tools of the host that read a package file are held, and what they can't read is told."""

from pathlib import Path

import pytest

from beeyard.adapters.system.reading import tarred
from beeyard.domain.errors import NotFound, Untrusted
from tests.unit.adapters.test_confined import needs_landlock


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """One that came."""
    (tmp_path / "dl").mkdir()
    (tmp_path / "dl/package").write_bytes(b"0123456789" * 100)
    return tmp_path / "dl/package"


async def test_what_a_tool_prints_is_the_archive(file: Path, tmp_path: Path) -> None:
    """Nothing else is left of it; what it complains about is no part of that."""
    await tarred('sh -c \'echo "odd" >&2; cat "$1"\' sh "$1"', file, tmp_path / "made.tar", 2000)
    assert (tmp_path / "made.tar").read_bytes() == file.read_bytes()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["dl", "made.tar"]


@pytest.mark.parametrize(
    ("command", "most", "told"),
    [
        ('cat "$1"', 999, "package can't be unpacked: it wrote a file of more than 999 B"),
        ("sh -c 'echo E: no package >&2; exit 2'", 1000, "package can't be unpacked: no package"),
    ],
    ids=["too big", "none"],
)
async def test_what_holds_too_much_or_is_no_package_is_not_trusted(
    file: Path, tmp_path: Path, command: str, most: int, told: str
) -> None:
    """In the words of the tool, where it has any; and nothing is left."""
    with pytest.raises(Untrusted) as caught:
        await tarred(command, file, tmp_path / "made.tar", most)
    assert str(caught.value) == told
    assert [one.name for one in tmp_path.iterdir()] == ["dl"]


@needs_landlock
async def test_a_tool_reads_nothing_else(file: Path, tmp_path: Path) -> None:
    """And so could tell nobody, whatever the file makes it do."""
    (tmp_path / "secret").write_text("hidden")
    with pytest.raises(Untrusted, match=r"Permission denied|No such file"):
        await tarred(f"cat {tmp_path}/secret", file, tmp_path / "made.tar", 1000)


async def test_a_tool_that_is_not_there_is_named(file: Path, tmp_path: Path) -> None:
    """It is for the host to have it."""
    with pytest.raises(NotFound, match="no-such-tool is not on this host"):
        await tarred('no-such-tool "$1"', file, tmp_path / "made.tar", 1000)
