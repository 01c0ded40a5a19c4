"""Finds where new bytes were before: what was moved, and what was moved and changed a little here and there.

Programs are so: what is put in shifts all that follows it, and every address that leads there is another one. It is
good enough that most is found; whoever makes something of it compares each byte.
"""

from collections.abc import Iterator

from beeyard.adapters.archives.codec import compressor
from beeyard.adapters.archives.differences import Run, differences

STEP = 64
"""Bytes that are compared at once."""
ENOUGH, LITTLE = 48, 24
"""Of these: so many that are the same leave nothing to look for, and so few are as good as none."""
FAR = 4096
"""Bytes around where something is expected, in which it is looked for first: what was put in is mostly small."""
NEEDLE, ANCHOR = 12, 32
"""Bytes that have to be the same near there, and anywhere; of all old bytes every `ANCHOR`th begins what is known."""
LEAP = 4096
"""Bytes that are compared at once where all were the same."""


def against(old: bytes, new: bytes) -> bytes:
    """A patch: the differences, compressed. Of programs of 50 MB it takes ten seconds."""
    squeeze = compressor()
    return squeeze.compress(differences(old, new, aligned(old, new))) + squeeze.flush()


def aligned(old: bytes, new: bytes) -> Iterator[Run]:
    """In the order of the new bytes; what is in none of them is new."""
    known = _known(old)
    at, begin, shift, end = 0, 0, 0, len(new)
    while at < end:
        same = _same(old, new, at, shift, STEP)
        if same == STEP:
            at += STEP
            while at < end and new[at : at + LEAP] == old[at + shift : at + shift + LEAP]:
                at += LEAP
            continue
        if same >= ENOUGH:
            at += STEP
            continue
        found = _near(old, new, at, shift) or (_anywhere(known, old, new, at, shift) if same < LITTLE else None)
        if found is not None:
            if found[0] > begin:
                yield Run(begin, found[0] - begin, begin + shift)
            begin, shift = found
            at = begin + NEEDLE
            continue
        if same < LITTLE:
            if at > begin:
                yield Run(begin, at - begin, begin + shift)
            begin = at + STEP
        at += STEP
    if end > begin:
        yield Run(begin, end - begin, begin + shift)


def _known(old: bytes) -> dict[bytes, int]:
    """Where what begins at some places is; of what is there twice, the first place."""
    known: dict[bytes, int] = {}
    for place in range(0, len(old) - ANCHOR, ANCHOR):
        known.setdefault(old[place : place + ANCHOR], place)
    return known


def _near(old: bytes, new: bytes, at: int, shift: int) -> tuple[int, int] | None:
    """A place not far on from which another shift fits clearly better, and that shift."""
    low = max(0, at + shift - FAR)
    for place in range(at, at + STEP, NEEDLE):
        needle = new[place : place + NEEDLE]
        if needle == old[place + shift : place + shift + NEEDLE] or needle.count(needle[:1]) == len(needle):
            continue
        was = old.find(needle, max(0, at + shift - STEP), at + shift + FAR)
        if was < 0:
            was = old.rfind(needle, low, at + shift)
        if was >= 0 and _better(old, new, place, was - place, shift):
            return place, was - place
    return None


def _anywhere(known: dict[bytes, int], old: bytes, new: bytes, at: int, shift: int) -> tuple[int, int] | None:
    ahead = new[at : at + STEP + ANCHOR]
    if ahead.count(ahead[:1]) == len(ahead):  # Zeros are everywhere, and next to nothing once they are compressed.
        return None
    for place in range(at, at + STEP):
        was = known.get(new[place : place + ANCHOR])
        if was is not None and was - place != shift and _better(old, new, place, was - place, shift):
            return place, was - place
    return None


def _better(old: bytes, new: bytes, at: int, shift: int, before: int) -> bool:
    return _same(old, new, at, shift, 2 * STEP) > _same(old, new, at, before, 2 * STEP) + STEP // 4


def _same(old: bytes, new: bytes, at: int, shift: int, size: int) -> int:
    """How many of so many bytes are the same."""
    if at + shift < 0:
        return 0
    one, other = new[at : at + size], old[at + shift : at + shift + size]
    if one == other:
        return size
    size = min(len(one), len(other))
    mixed = int.from_bytes(one[:size], "little") ^ int.from_bytes(other[:size], "little")
    return mixed.to_bytes(size, "little").count(0)
