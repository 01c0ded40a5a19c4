"""How far it is known who made a package, in words: nobody is to overlook that nothing was signed."""

from collections.abc import Mapping

from beeyard.domain.packages import Trust
from beeyard.ports.package_store import Depth

TRUSTED: Mapping[Trust, str] = {
    "none": "unsigned",
    "checksum": "unsigned (checksum)",
    "signature": "signed",
    "tuf": "signed (TUF)",
}
SIGNED: frozenset[Trust] = frozenset({"signature", "tuf"})
AS_IT_WAS: Mapping[Trust, str] = {
    "none": "can be run; nobody says how its files should be",
    "checksum": "as its repository describes it, unsigned",
    "signature": "as it was signed",
    "tuf": "as it was signed",
}
"""What it means that nothing is wrong with a package: it can't be more than somebody vouches for."""
LOOKED: Mapping[Depth, str] = {
    "receipt": "there; nobody looked at its files",
    "sizes": "{whole}, by sizes, modes and links",
    "digests": "{whole}",
}
"""Nor more than somebody has looked."""
