"""What others made and somebody put into a package, and where in it that lies. Knows no format that tells of it."""

from msgspec import Struct


class Part(Struct, frozen=True):
    """`purl` names it for everybody; `licenses` are in the words of who made it, `expression` in those of SPDX."""

    name: str
    version: str
    purl: str
    places: tuple[str, ...]
    licenses: tuple[str, ...] = ()
    expression: str = ""
