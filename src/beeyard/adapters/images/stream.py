"""What a layer holds, from its beginning to its end, however it was compressed; never more than was agreed.

Standard library and zstd only: this runs in the child. Knows no archives.
"""

import os
import zlib
from typing import Protocol

from beeyard.adapters.archives.codec import PIECE, WIDEST, Malformed, Pieces, zstd

_GZIP = 31
"""The widest window, and a header of gzip's."""


class _Frame(Protocol):
    """One of those that a compressed file consists of."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    @property
    def needs_input(self) -> bool: ...
    def decompress(self, data: bytes, most: int) -> bytes: ...


class Layer(Pieces):
    """One layer. `kind`: how it is compressed, `gzip`, `zstd` or `tar` for not at all; `most` bytes may come of it."""

    def __init__(self, file: int, kind: str, most: int) -> None:
        self._file = file
        self._kind = kind
        self._left = most
        self._packed = b""
        self._ready = b""
        self._frame: _Frame | None = None

    def some(self, most: int) -> bytes:
        """Up to so many bytes, and none only at the end. Raises Malformed."""
        while not self._ready:
            frame = self._frame
            if not self._packed and (frame is None or frame.needs_input):
                self._packed = os.read(self._file, PIECE)
            ended = not self._packed and (frame is None or frame.needs_input)
            if ended and (frame is None or frame.eof):
                return b""
            if ended:
                raise Malformed("ends too early")
            self._ready = self._more()
        taken, self._ready = self._ready[:most], self._ready[most:]
        self._left -= len(taken)
        if self._left < 0:
            raise Malformed("holds so many bytes in so few that it is a bomb and no image")
        return taken

    def skip(self, count: int) -> None:
        """Pass over so many bytes. Raises Malformed."""
        while count:
            if not (piece := self.some(min(count, PIECE))):
                raise Malformed("ends too early")
            count -= len(piece)

    def skip_rest(self) -> None:
        """What follows the end of an archive are zeros, however many. Raises Malformed."""
        while piece := self.some(PIECE):
            if piece.strip(b"\0"):
                raise Malformed("goes on after its end")

    def _more(self) -> bytes:
        """What the next packed bytes make; perhaps nothing. Files may consist of several frames, one after another."""
        if self._kind == "tar":
            data, self._packed = self._packed, b""
            return data
        if self._frame is None or self._frame.eof:
            self._frame = _Gzip() if self._kind == "gzip" else _Zstd()
        data, self._packed = self._packed, b""
        try:
            made = self._frame.decompress(data, PIECE)
        except (zlib.error, zstd.ZstdError) as error:
            raise Malformed(f"is not compressed as it ought to be: {error}") from None
        if self._frame.eof:
            self._packed = self._frame.unused_data
        return made


class _Gzip:
    """With what `zlib` did not take yet, or has not given yet."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(_GZIP)
        self._full = False

    @property
    def eof(self) -> bool:
        return self._inflate.eof

    @property
    def unused_data(self) -> bytes:
        return self._inflate.unused_data

    @property
    def needs_input(self) -> bool:
        return self.eof or not (self._full or self._inflate.unconsumed_tail)

    def decompress(self, data: bytes, most: int) -> bytes:
        made = self._inflate.decompress(self._inflate.unconsumed_tail + data, most)
        self._full = len(made) == most
        return made


class _Zstd:
    """It keeps by itself what it did not take yet."""

    def __init__(self) -> None:
        self._frame = zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: WIDEST})

    @property
    def eof(self) -> bool:
        return self._frame.eof

    @property
    def unused_data(self) -> bytes:
        return self._frame.unused_data

    @property
    def needs_input(self) -> bool:
        return self.eof or self._frame.needs_input

    def decompress(self, data: bytes, most: int) -> bytes:
        return self._frame.decompress(data, most)
