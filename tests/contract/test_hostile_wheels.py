"""What wheels and indexes that were made to do harm can't do: fill memory, hold up others, end in a fault of ours."""

import io
import sys
import threading
import tracemalloc
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from beeyard.adapters.wheels import index
from beeyard.adapters.wheels.environment import Fetched, packed
from beeyard.adapters.wheels.interpreter import Interpreter
from beeyard.adapters.wheels.listing import LONGEST_NAME, Listing, Wheel, listing, page
from beeyard.domain.errors import Rejected, Untrusted
from beeyard.ports.package_manager import Installed
from tests.package_benches import Python, PythonIndex
from tests.wheels import a_wheel

PYTHON = Interpreter(sys.executable, "3.13", {}, {})


@pytest.fixture
def bench(tmp_path: Path) -> Python:
    """A folder of wheels."""
    return Python(tmp_path)


@pytest.fixture
def web(tmp_path: Path) -> Iterator[PythonIndex]:
    """An index."""
    made = PythonIndex(tmp_path)
    yield made
    made.close()


async def brought(bench: Python) -> Installed:
    """The only version there is."""
    (found,) = await bench.offered()
    return await bench.manager.install(bench.spec, found, lambda done: None)


def changed(path: Path, name: str, content: bytes, told: int = -1) -> Path:
    """With another file about itself, which says that it has so many bytes."""
    with zipfile.ZipFile(path) as wheel:
        held = {one: wheel.read(one) for one in wheel.namelist()} | {f"hello-1.0.dist-info/{name}": content}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for file, data in held.items():
            wheel.writestr(file, data)
        if told >= 0:
            wheel.getinfo(f"hello-1.0.dist-info/{name}").file_size = told
    return path


@pytest.mark.parametrize("told", [-1, 10], ids=["true", "false"])
@pytest.mark.parametrize("name", ["RECORD", "METADATA", "WHEEL"])
def test_what_a_wheel_says_of_itself_fills_no_memory(tmp_path: Path, name: str, told: int) -> None:
    """However well it is packed, and whatever it says of its size."""
    size = 96 * 2**20
    path = changed(a_wheel(tmp_path, "hello", "1.0", {}), name, b"," * size, told)
    wheel = Wheel("hello", "1.0", path.name, "", "")
    tracemalloc.start()
    try:
        with pytest.raises(Untrusted, match="is no wheel"):
            packed([Fetched(wheel, str(path))], PYTHON, io.BytesIO())
        assert tracemalloc.get_traced_memory()[1] < size / 2
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("record", ["hello\n", '"' + "x" * 200_000], ids=["short", "long"])
async def test_a_record_that_cant_be_read_is_refused_in_words(bench: Python, record: str) -> None:
    """It is a mistake of theirs, and not of ours."""
    changed(a_wheel(bench.place, "hello", "1.0", {}), "RECORD", record.encode())
    with pytest.raises(Untrusted, match="is no wheel"):
        await brought(bench)


@pytest.mark.parametrize("marker", ["os_name ~= 'a'", f"{'(' * 5000}os_name=='a'{')' * 5000}"], ids=["odd", "deep"])
async def test_a_need_that_nobody_can_read_is_refused_in_words(bench: Python, marker: str) -> None:
    """It is a mistake of theirs, and not of ours."""
    a_wheel(bench.place, "hello", "1.0", needs=[f"needed; {marker}"])
    with pytest.raises(Rejected, match="nobody can read that"):
        await bench.offered()


def test_a_name_that_stands_for_too_many_wheels_is_passed_over() -> None:
    """A few letters can say more than a host can hold."""
    many = "-".join(".".join(f"{kind}{number}" for number in range(20)) for kind in "abc")
    tags = (many, f"{'x' * LONGEST_NAME}-none-any", "py3-none-any")
    assert len(many) < LONGEST_NAME
    entries = [{"filename": f"hello-1.0-{tag}.whl", "hashes": {"sha256": "0" * 64}} for tag in tags]
    assert [one.file for one in listing("hello", entries).wheels] == ["hello-1.0-py3-none-any.whl"]


def test_a_digest_that_is_none_is_passed_over() -> None:
    """It is a mistake of theirs, and not of ours."""
    assert listing("hello", [{"filename": "hello-1.0-py3-none-any.whl", "hashes": "none"}]) == Listing()


async def test_a_list_that_never_ends_is_not_believed(web: PythonIndex) -> None:
    """Nobody can tell what is in it."""
    a_wheel(web.place, "hello", "1.0")
    web.index.form = "deep"
    with pytest.raises(Untrusted, match="what it says of hello can't be read"):
        await web.offered()
    with pytest.raises(Untrusted, match="what it says of its list can't be read"):
        await web.manager.catalog(web.spec)


async def test_others_go_on_while_a_long_list_is_read(web: PythonIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read beside them."""
    a_wheel(web.place, "hello", "1.0")
    readers = []

    def noting(name: str, data: bytes, url: str) -> Listing:
        readers.append(threading.current_thread())
        return page(name, data, url)

    monkeypatch.setattr(index, "page", noting)
    await web.offered()
    assert readers
    assert threading.main_thread() not in readers
