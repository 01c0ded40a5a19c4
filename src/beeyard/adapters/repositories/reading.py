"""Small files of a repository, from a folder; and what is said, wherever they come from, when they can't be had.

Whoever serves them is believed in nothing, not even to send an end. What the files say is judged elsewhere.
"""

import asyncio
import os
import stat

from beeyard.domain.errors import BeeyardError, Rejected, Unavailable, Untrusted


class Reader:
    """Reads what lies below a folder; `base` ends with a slash."""

    def __init__(self, repository: str, base: str) -> None:
        self._repository = repository
        self._base = base

    async def read(self, path: str, most: int) -> bytes | None:
        """A file, or None if it is not there.

        Raises:
            Unavailable: it could not be read, or not fast enough.
            Rejected: who we are was not enough.
            Untrusted: there was more of it than `most` bytes.
        """
        return await asyncio.to_thread(self._read, path, most)

    def _read(self, path: str, most: int) -> bytes | None:
        try:
            handle = os.open(self._base + path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with open(handle, "rb") as file:
                if not stat.S_ISREG(os.fstat(handle).st_mode):
                    raise self._unreachable(path, "it is no file")
                data = file.read(most + 1)
        except (FileNotFoundError, NotADirectoryError):
            if not os.path.isdir(self._base):
                raise self._moved() from None
            return None
        except PermissionError:
            raise self._denied(path, "permission denied") from None
        except OSError as error:
            raise self._unreachable(path, error.strerror or "") from None
        if len(data) > most:
            raise self._endless(path, most)
        return data

    def _moved(self) -> BeeyardError:
        text, hint = (
            "{repository}: there is no folder {folder}",
            "look at its `path`; what is installed works without it",
        )
        folder = self._base.rstrip("/")
        return Unavailable("repository_unreachable", text, hint=hint, repository=self._repository, folder=folder)

    def _unreachable(self, path: str, reason: str, advice: str = "") -> BeeyardError:
        text = "{repository}: {file} can't be had: {reason}"
        hint = advice or "packages that are installed work without it"
        fields = {"repository": self._repository, "file": path, "reason": reason}
        return Unavailable("repository_unreachable", text, hint=hint, **fields)

    def _slow(self, path: str) -> BeeyardError:
        text, hint = "{repository}: {file} came too slowly and was cut off", "try again, or from elsewhere"
        return Unavailable("repository_slow", text, repository=self._repository, file=path, hint=hint)

    def _denied(self, path: str, answer: str) -> BeeyardError:
        text, hint = (
            "{repository} does not let us read {file}: {answer}",
            "look at whom it lets in, and at what the worker file has it shown",
        )
        return Rejected("repository_denied", text, hint=hint, repository=self._repository, file=path, answer=answer)

    def _endless(self, path: str, most: int) -> BeeyardError:
        text, hint = "{repository}: {file} is longer than the {most} bytes it may have", "somebody tampers with it"
        return Untrusted("repository_endless", text, hint=hint, repository=self._repository, file=path, most=most)
