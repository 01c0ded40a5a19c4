"""Compression, the same bytes for the same input; decompression, bounded in memory and to one frame. Knows no archives.

For other bytes from the same input it takes another version of the zstd library; nothing else of the machine counts.
"""

import os
import sys
from abc import ABC, abstractmethod

if sys.version_info >= (3, 14):
    from compression import zstd as zstd
else:
    from backports import zstd as zstd

LEVEL = 12
"""Of a program of 40 MB a third is left, in a second; level 19 saves another tenth, in half a minute."""
WIDEST = 27
"""Bytes that a decompressor has to remember, as a power of two: 128 MB, as zstd's own program allows by itself."""
PIECE = 256 * 1024


class Malformed(Exception):
    """No archive that is written as it ought to be; the text says why."""


def compressor() -> zstd.ZstdCompressor:
    """With a checksum; workers would cut the input by their number."""
    parameter = zstd.CompressionParameter
    return zstd.ZstdCompressor(
        options={parameter.compression_level: LEVEL, parameter.checksum_flag: 1, parameter.nb_workers: 0}
    )


class Pieces(ABC):
    """Bytes that come in pieces, as many at a time as there happen to be."""

    @abstractmethod
    def some(self, most: int) -> bytes:
        """Up to so many bytes, and none only at the end. Raises Malformed."""

    def exactly(self, count: int) -> bytes:
        """So many bytes. Raises Malformed."""
        pieces = []
        while count:
            if not (piece := self.some(count)):
                raise Malformed("ends too early")
            pieces.append(piece)
            count -= len(piece)
        return b"".join(pieces)


class Content(Pieces):
    """What is compressed in a file, from its beginning to its end."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._frame = zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: WIDEST})
        self._ready = b""

    def some(self, most: int) -> bytes:
        """Up to so many bytes, and none only at the end. Raises Malformed."""
        while not self._ready and not self._frame.eof:
            packed = os.read(self._file, PIECE) if self._frame.needs_input else b""
            if self._frame.needs_input and not packed:
                raise Malformed("ends too early")
            try:
                self._ready = self._frame.decompress(packed, PIECE)
            except zstd.ZstdError as error:
                raise Malformed(f"is not compressed as it ought to be: {error}") from None
        taken, self._ready = self._ready[:most], self._ready[most:]
        return taken

    def finish(self) -> None:
        """Nothing may follow. Raises Malformed."""
        if self._ready or not self._frame.eof or self._frame.unused_data or os.read(self._file, 1):
            raise Malformed("goes on after its end")
