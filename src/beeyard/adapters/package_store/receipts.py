"""The receipts of a store: a file each, whole and durable or not there. Knows nothing of the folders they vouch for.

A file that is no receipt, or not the one its name says, vouches for nothing.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from beeyard.adapters.package_store.disk import sync, write
from beeyard.domain.packages import Receipt, version

_SUFFIX = ".json"
_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Receipt)


class Receipts:
    """One folder of receipts. Others write there too; what was read once is read again when it changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: dict[str, tuple[tuple[int, int, int], Receipt | None]] = {}

    def all(self) -> list[Receipt]:
        """All that are there now, in the order of their names and versions."""
        found = [receipt for name in self._names() if (receipt := self._read(name))]
        return sorted(found, key=lambda one: (one.description.manifest.name, version(one.description.manifest.version)))

    def find(self, digest: str) -> Receipt | None:
        """That of the package with this digest."""
        return self._read(digest + _SUFFIX)

    def put(self, receipt: Receipt) -> None:
        """Write it, in place of an older one of the same package."""
        write(self._folder / (receipt.description.digest + _SUFFIX), _ENCODER.encode(receipt))

    def remove(self, digests: list[str]) -> None:
        """Once this returns they are gone for good. Nothing happens where nothing is."""
        for digest in digests:
            (self._folder / (digest + _SUFFIX)).unlink(missing_ok=True)
        sync(self._folder)

    def rubbish(self) -> Iterator[Path]:
        """What lies here and is no receipt: drafts, damaged ones, anything else."""
        for name in os.listdir(self._folder):
            if self._read(name) is None:
                yield self._folder / name

    def _names(self) -> list[str]:
        return [name for name in os.listdir(self._folder) if name.endswith(_SUFFIX)]

    def _read(self, name: str) -> Receipt | None:
        path = self._folder / name
        try:
            seen = os.stat(path)
            mark = (seen.st_ino, seen.st_mtime_ns, seen.st_size)
            if (known := self._seen.get(name)) is None or known[0] != mark:
                known = self._seen[name] = mark, _decode(name, path.read_bytes())
            return known[1]
        except FileNotFoundError:
            self._seen.pop(name, None)
            return None
        except IsADirectoryError:
            return None


def _decode(name: str, data: bytes) -> Receipt | None:
    try:
        receipt = _DECODER.decode(data)
        version(receipt.description.manifest.version)
    except (msgspec.DecodeError, ValueError):
        return None
    return receipt if name == receipt.description.digest + _SUFFIX else None
