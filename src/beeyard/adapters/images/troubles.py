"""What goes wrong with a registry, in words. All of it is of the registry as a whole, or of a file of it; nothing of
what it was shown is told."""

import ssl

import aiohttp

from beeyard.adapters.repositories import access
from beeyard.domain.errors import BeeyardError, Limited, Rejected, Unavailable, Untrusted
from beeyard.domain.sources import RepositorySpec

BUSY = 60.0
"""Seconds that a registry is left alone that does not say how many."""
_GOES_ON = "packages that are installed work without it"


def unreachable(repository: str, file: str, reason: str, hint: str = "") -> Unavailable:
    """Something that has to be there can't be had."""
    text = "{repository}: {file} can't be had: {reason}"
    return Unavailable(
        "repository_unreachable", text, hint=hint or _GOES_ON, repository=repository, file=file, reason=reason
    )


def stopped(repository: str, file: str, status: int) -> BeeyardError:
    """It answered, and not with what it was asked for."""
    if status not in (401, 403, 407):
        return unreachable(repository, file, f"it answered {status}")
    text = "{repository} does not let us read {file}: it answered {status}"
    hint = "look at whom it lets in, and at what the worker file or Docker's config has it shown"
    return Rejected("repository_denied", text, hint=hint, repository=repository, file=file, status=status)


def limited(repository: str, after: str) -> Limited:
    """It was asked too often; `after` is what it says of when it may be asked again."""
    seconds = float(after) if after.isdecimal() and len(after) < 6 else BUSY
    text, hint = "{repository} wants to be asked again later, not now", "with a login many registries let in more"
    return Limited("repository_limited", text, hint=hint, retry_after=seconds, repository=repository)


def slow(repository: str, file: str) -> Unavailable:
    """It took too long."""
    text, hint = "{repository}: {file} came too slowly and was cut off", "try again, or from elsewhere"
    return Unavailable("repository_slow", text, hint=hint, repository=repository, file=file)


def endless(repository: str, file: str, most: int) -> Untrusted:
    """It sends more than anything of its kind has."""
    text, hint = "{repository}: {file} is longer than the {most} bytes it may have", "somebody tampers"
    return Untrusted("repository_endless", text, hint=hint, repository=repository, file=file, most=most)


def uncertified(repository: str, error: aiohttp.ClientConnectorCertificateError) -> Untrusted:
    """Somebody else may be answering."""
    seen = error.certificate_error
    reason = seen.verify_message if isinstance(seen, ssl.SSLCertVerificationError) else str(seen)
    text = "{repository} was asked for nothing: {host} can't prove who it is: {reason}"
    hint = "whoever runs it renews its certificate; if its authority is your own, this system has to trust that"
    host = f"{error.host}:{error.port}"
    return Untrusted("repository_uncertified", text, hint=hint, repository=repository, host=host, reason=reason)


def broken(spec: RepositorySpec, file: str, error: Exception) -> Unavailable:
    """The connection was not made, or broke off: a server that does not like our certificate says no more than that."""
    if isinstance(error, aiohttp.ClientConnectorError):
        reason = f"no connection to {error.host}:{error.port}: {access.words(error.os_error)}"
        return unreachable(spec.name, file, reason)
    off = isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError)
    reason = "it broke the connection off" if off else str(error) or type(error).__name__
    hint = ""
    if spec.url.startswith("https:"):
        hint = "if it stays so: does it want a client certificate, `certificate` and `key` of the repository?"
        if shown := spec.credentials.certificate:
            hint = f"if it stays so: does it take the client certificate {shown}?"
    return unreachable(spec.name, file, reason, hint)
