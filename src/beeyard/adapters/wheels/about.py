"""What a wheel says of itself: what it needs, which commands it brings. Read from its end alone where that is enough.

Nothing of it is run, and nothing is believed for good: what was read before a wheel was verified is read again after.
"""

import csv
import io
import re
import zipfile
import zlib
from configparser import ConfigParser
from configparser import Error as Unreadable
from email.parser import HeaderParser
from typing import IO

from msgspec import Struct

MOST = 4 * 2**20
"""Bytes of one of its files about itself."""
MODULES = "beeyard.modules"
"""The entry points that are modules."""
_SCRIPT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_TARGET = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)\s*:\s*([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)\s*(?:\[.*\])?")
WRONG = (
    zipfile.BadZipFile,
    zlib.error,
    ValueError,
    KeyError,
    NotImplementedError,
    RuntimeError,
    EOFError,
    Unreadable,
    csv.Error,
)
"""What reading a file raises that is no wheel."""

Target = tuple[str, str]
"""A module and what in it is called."""


class About(Struct, frozen=True):
    """One wheel. `requires`: as it is written; `scripts`: the commands that call something in it, and `modules`: the
    modules that it brings; `programs`: all that it puts into `bin`."""

    summary: str
    python: str
    requires: tuple[str, ...]
    scripts: dict[str, Target]
    modules: dict[str, Target]
    programs: tuple[str, ...] = ()


class Beyond(Exception):
    """More of the file is needed than is there."""


class End(io.BytesIO):
    """The end of a file of this size, read as if it were the whole."""

    def __init__(self, data: bytes, size: int) -> None:
        super().__init__(data)
        self._before = size - len(data)
        self._size = size

    def seek(self, offset: int, whence: int = 0) -> int:
        if whence == 2:
            offset += self._size
        elif whence == 1:
            offset += self.tell()
        if offset < 0:
            raise ValueError("before the beginning")
        if offset < self._before:
            raise Beyond
        return super().seek(offset - self._before) + self._before

    def tell(self) -> int:
        return super().tell() + self._before


def about(file: IO[bytes]) -> About:
    """Of a wheel, or of the end of one. Raises one of WRONG, with what is wrong; Beyond."""
    with zipfile.ZipFile(file) as wheel:
        inner = own_folder(wheel)
        said = HeaderParser().parsestr(small_text(wheel, f"{inner}/METADATA"))
        has = f"{inner}/entry_points.txt" in wheel.NameToInfo
        points = _points(small_text(wheel, f"{inner}/entry_points.txt")) if has else {}
        own = f"{inner.removesuffix('.dist-info')}.data/scripts/"
        programs = [name.removeprefix(own) for name in wheel.namelist() if name.startswith(own)]
    scripts = points.get("gui_scripts", {}) | points.get("console_scripts", {})
    return About(
        summary=" ".join((said.get("Summary") or "").split())[:1000],
        python=said.get("Requires-Python") or "",
        requires=tuple(" ".join(one.split()) for one in said.get_all("Requires-Dist") or ()),
        scripts=scripts,
        modules=points.get(MODULES, {}),
        programs=tuple(sorted({*scripts, *filter(_SCRIPT.fullmatch, programs)})),
    )


def own_folder(wheel: zipfile.ZipFile) -> str:
    """Where it speaks of itself. Raises ValueError."""
    found = {name.partition("/")[0] for name in wheel.namelist() if name.partition("/")[0].endswith(".dist-info")}
    if len(found) != 1:
        raise ValueError(f"it has {len(found)} folders about itself")
    return found.pop()


def small_text(wheel: zipfile.ZipFile, name: str, most: int = MOST) -> str:
    """One of its files. Raises one of WRONG."""
    return small(wheel, wheel.getinfo(name), most).decode()


def small(wheel: zipfile.ZipFile, info: zipfile.ZipInfo, most: int) -> bytes:
    """A file that is read into memory. Raises one of WRONG, before there is more of it than that."""
    check_packing(info)
    if info.file_size > most:
        raise ValueError(f"{info.filename} is longer than {most} bytes")
    with wheel.open(info) as file:
        return file.read(most)  # What it says of its size need not be true.


def check_packing(info: zipfile.ZipInfo) -> None:
    """Raises ValueError."""
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{info.filename} is compressed in a way that takes what memory it wants")


def _points(said: str) -> dict[str, dict[str, Target]]:
    reader = ConfigParser(delimiters=("=",), interpolation=None)
    reader.optionxform = str  # type: ignore[assignment, method-assign]
    reader.read_string(said)
    found: dict[str, dict[str, Target]] = {}
    for group in ("console_scripts", "gui_scripts", MODULES):
        for name, value in reader.items(group) if reader.has_section(group) else ():
            target = _TARGET.fullmatch(value.strip())
            if not _SCRIPT.fullmatch(name) or target is None:
                raise ValueError(f"the entry point {name!r} is not as it ought to be")
            found.setdefault(group, {})[name] = target[1], target[2]
    return found
