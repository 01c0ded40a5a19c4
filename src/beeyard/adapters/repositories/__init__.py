"""The kinds of repository. A new one is one entry here and one file or package beside it."""

from pathlib import Path

from beeyard.adapters.repositories.directory import DirectoryRepository
from beeyard.adapters.repositories.tuf import TufRepository
from beeyard.domain.sources import RepositorySpec
from beeyard.ports.repository import Repository

REPOSITORIES: dict[str, type[TufRepository | DirectoryRepository]] = {
    "tuf": TufRepository,
    "unsigned": DirectoryRepository,
}
"""The word for `trust` in the worker file -> the repository."""


def repository(spec: RepositorySpec, folder: Path) -> Repository:
    """As the worker file has it, its secrets resolved; `folder` is for what it keeps. Raises Invalid."""
    return REPOSITORIES[spec.trust].of(spec, folder)
