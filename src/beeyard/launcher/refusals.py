"""Why the system would not start a program: a line for people, a code for programs. Knows errno, and no process.

What each code means to an operator stands in domain/refusals.py; the launcher only tells them apart.
"""

import errno
import os

ELSE = "refused"
_ANYWHERE = {
    **dict.fromkeys((errno.EACCES, errno.EPERM), "permission_denied"),
    **dict.fromkeys(
        (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EDQUOT), "resource_exhausted"
    ),
    errno.EADDRINUSE: "address_in_use",
    errno.EADDRNOTAVAIL: "address_not_here",
    **dict.fromkeys((errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN), "storage_failed"),
}
_FOLDER = _ANYWHERE | dict.fromkeys((errno.ENOENT, errno.ENOTDIR), "folder_not_found")
_PROGRAM = _ANYWHERE | {
    **dict.fromkeys((errno.ENOENT, errno.ENOTDIR), "executable_not_found"),
    **dict.fromkeys((errno.ENOEXEC, errno.ELIBBAD), "not_executable"),
    errno.ETXTBSY: "executable_busy",
    errno.E2BIG: "arguments_too_long",
}


class SpawnFailed(Exception):
    """Raised when the system refused; the text says what was being done, `code` what kind of refusal it was."""

    def __init__(self, text: str, code: str = ELSE) -> None:
        super().__init__(text)
        self.code = code

    def report(self) -> bytes:
        """For the pipe by which a child tells its parent; short enough to be written at once."""
        return f"{self.code} {self}".encode("utf-8", "replace")[:4000]

    @classmethod
    def reported(cls, report: bytes) -> "SpawnFailed":
        """What a child told."""
        code, _, text = report.decode("utf-8", "replace").partition(" ")
        return cls(text, code)


def in_folder(folder: str, error: OSError) -> SpawnFailed:
    """The working directory could not be entered."""
    return SpawnFailed(f"working directory {folder}: {error.strerror}", _FOLDER.get(error.errno or 0, ELSE))


def of_program(program: str, error: BaseException) -> SpawnFailed:
    """The system's reason, with what it leaves out: which of the two files a ENOENT is about."""
    if not isinstance(error, OSError):
        return SpawnFailed(f"{program}: {error}")
    if isinstance(error, FileNotFoundError) and os.path.exists(program):
        text = f"{program}: the interpreter named in its first line does not exist"
        return SpawnFailed(text, "interpreter_not_found")
    return SpawnFailed(f"{program}: {error.strerror}", _PROGRAM.get(error.errno or 0, ELSE))


def in_preparation(doing: str, error: BaseException) -> SpawnFailed:
    """Something that has to be done before the program starts. ValueError: a limit above what we may give."""
    if isinstance(error, ValueError):
        return SpawnFailed(f"{doing}: {error}", "permission_denied")
    return SpawnFailed(f"{doing}: {error}", code_of(error))


def code_of(error: BaseException) -> str:
    """The code for an error of any kind."""
    if isinstance(error, SpawnFailed):
        return error.code
    return _ANYWHERE.get(error.errno or 0, ELSE) if isinstance(error, OSError) else ELSE


CODES = {*_FOLDER.values(), *_PROGRAM.values(), "interpreter_not_found", ELSE}
