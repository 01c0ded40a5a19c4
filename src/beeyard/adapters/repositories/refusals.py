"""What python-tuf refuses, in sentences for who runs a host: what was found, in whose file, and what to do about it.

Verifies nothing. What python-tuf tells in the text of its errors alone is taken from there; where another version of it
says that otherwise, the sentence is shorter and as true.
"""

import re
from typing import NamedTuple

from tuf.api import exceptions
from tuf.api.serialization import DeserializationError

from beeyard.domain.errors import Untrusted

_OWNER = "ask its owner by another way"


class _Kind(NamedTuple):
    """The first one that fits: an error of this class, with this in its text."""

    error: type[Exception]
    said: str
    code: str
    text: str
    hint: str


_ROLLED_BACK = f"somebody serves an old state, or it was restored from a backup: {_OWNER}"
_MIXED = f"somebody mixes old and new, or a copy of it is not whole: try again, then {_OWNER}"
_OLDER = "{repository}: {file} leads to what is older than what was there before: "
_BELONGS = "{repository}: {file} does not belong to the state that was signed: "
_SIGNED = "{repository}: {file} is not signed by enough of those who may"
_KEY = f"don't go on: a key was taken, or this is another repository: {_OWNER}, and look at the file under `root`"
_REFUSALS = (
    _Kind(
        exceptions.ExpiredMetadataError,
        r"root(\.json)? is expired",
        "repository_expired",
        "{repository} is out of date: its root was good until {until}",
        "its owner signs the next one with its keys and publishes: beeyard repo sign --key, beeyard repo publish",
    ),
    _Kind(
        exceptions.ExpiredMetadataError,
        r"(?P<role>timestamp|snapshot)\.json is expired",
        "repository_expired",
        "{repository} is out of date: {role}.json was good until {until}",
        "its owner publishes: beeyard repo publish; a mirror or a bundle is made anew after that, as it was made first;"
        " if all that was done, somebody holds back what is newer",
    ),
    _Kind(
        exceptions.ExpiredMetadataError,
        r"(?P<role>\S+) is expired",
        "repository_expired",
        "{repository}: what {role} signed is out of date: it was good until {until}",
        "its owner signs it anew and publishes: beeyard repo sign, beeyard repo publish",
    ),
    _Kind(
        exceptions.UnsignedMetadataError,
        r"by (?P<found>\d+)/(?P<known>\d+) keys",
        "repository_signature",
        _SIGNED + ": {found} of {known} signatures are right",
        _KEY,
    ),
    _Kind(exceptions.UnsignedMetadataError, "", "repository_signature", _SIGNED, _KEY),
    _Kind(
        exceptions.BadVersionNumberError,
        r"New timestamp version (?P<found>\d+) must be >= (?P<known>\d+)",
        "repository_rolled_back",
        "{repository}: {file} is older than what was there before: it is number {found}, and number {known} was seen",
        _ROLLED_BACK,
    ),
    _Kind(
        exceptions.BadVersionNumberError,
        r"New snapshot version must be >= (?P<known>\d+), got version (?P<found>\d+)",
        "repository_rolled_back",
        _OLDER + "snapshot {found}, and snapshot {known} was seen",
        _ROLLED_BACK,
    ),
    _Kind(
        exceptions.BadVersionNumberError,
        r"Expected (?P<role>\S+)\.json version (?P<found>\d+), got (?P<known>\d+)",
        "repository_rolled_back",
        _OLDER + "what {role} signed as number {found}, and number {known} was seen",
        _ROLLED_BACK,
    ),
    _Kind(
        exceptions.BadVersionNumberError,
        r"Expected root version (?P<known>\d+) instead got version (?P<found>\d+)",
        "repository_wrong",
        "{repository}: {file} is root {found}, where root {known} has to be",
        f"a root can't be left out: {_OWNER}",
    ),
    _Kind(
        exceptions.BadVersionNumberError,
        r"Expected \S+ (version |v)(?P<known>\d+), got v?(?P<found>\d+)",
        "repository_mixed",
        _BELONGS + "it is number {found}, and {known} was named there",
        _MIXED,
    ),
    _Kind(
        exceptions.LengthOrHashMismatchError,
        r"length (?P<found>\d+) does not match expected length (?P<known>\d+)",
        "repository_mixed",
        _BELONGS + "it has {found} bytes, and {known} were named there",
        _MIXED,
    ),
    _Kind(
        exceptions.LengthOrHashMismatchError,
        "",
        "repository_mixed",
        _BELONGS + "it holds something else than the file that was named there",
        _MIXED,
    ),
    _Kind(
        DeserializationError,
        "",
        "repository_unreadable",
        "{repository}: {file} is no metadata",
        "the page of a proxy or of a login in its place, or a damaged file: look at it as this host gets it",
    ),
    _Kind(
        exceptions.RepositoryError,
        r"missing info for '(?P<role>\S+)\.json'",
        "repository_wrong",
        "{repository}: {file} leaves out {role}, which was there before",
        f"what was signed once is never taken away: {_OWNER}",
    ),
    _Kind(
        exceptions.RepositoryError,
        r"Role (?P<role>\S+) was delegated but is not part of snapshot",
        "repository_incomplete",
        "{repository}: the state that was signed leaves out {role}",
        "its owner publishes anew: beeyard repo publish",
    ),
    _Kind(
        exceptions.RepositoryError,
        r"Expected '(?P<known>\S+)', got '(?P<found>\S+)'",
        "repository_wrong",
        "{repository}: {file} is a file of {found} in the place of one of {known}",
        f"somebody put another in its place: {_OWNER}",
    ),
    _Kind(
        exceptions.RepositoryError,
        "",
        "repository_wrong",
        "{repository}: {file} contradicts the rest ({reason})",
        f"nothing of it is taken: {_OWNER}",
    ),
)


def refusal(repository: str, file: str, error: exceptions.RepositoryError, until: str = "") -> Untrusted:
    """`file`: the one that was read last; `until`: when what is out of date ended."""
    for kind in _REFUSALS:
        if isinstance(error, kind.error) and (found := re.search(kind.said, str(error))):
            fields = {"repository": repository, "file": file, "until": until, "reason": str(error)}
            return Untrusted(kind.code, kind.text, hint=kind.hint, **fields, **found.groupdict())
    raise AssertionError(error)  # the last kind fits all


def expired(error: Exception) -> str:
    """The role that an error says is out of date; empty: it says something else."""
    found = re.search(r"(\S+?)(\.json)? is expired", str(error))
    return found[1] if found and isinstance(error, exceptions.ExpiredMetadataError) else ""
