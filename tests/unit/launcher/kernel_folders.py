"""Plain folders that behave like cgroups as far as files go; the kernel's own rules only a host can show."""

import io
import os
from pathlib import Path
from typing import Any

import pytest

from beeyard.launcher import hierarchies


def proc(monkeypatch: pytest.MonkeyPatch, mounts: str, own: str) -> None:
    """Have /proc/self tell of these hierarchies, and of these cgroups."""
    files = {"/proc/self/mountinfo": mounts, "/proc/self/cgroup": own}
    monkeypatch.setattr(hierarchies, "open", lambda path: io.StringIO(files[path]), raising=False)


def removable(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let rmdir take the kernel's files with the folder, as it does with a cgroup; returns what was removed."""
    real, removed = os.rmdir, []

    def rmdir(path: str) -> None:
        for file in Path(path).iterdir() if os.path.isdir(path) else ():
            if file.is_file():
                file.unlink()
        real(path)
        removed.append(path)

    monkeypatch.setattr(os, "rmdir", rmdir)
    return removed


def cgroup(folder: Path, **files: str) -> Path:
    """A cgroup with these files, whose dots are written as two underscores."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


def texts(folder: Path) -> dict[str, Any]:
    """What its files say."""
    return {file.name: file.read_text() for file in folder.iterdir() if file.is_file()}
