"""Reads from system calls what a power cut may take: what was not synced when it was renamed, or vouched for."""

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

TRACED = (
    "openat,write,pwrite64,chmod,fchmod,fchmodat,fsync,fdatasync,syncfs,rename,renameat,renameat2,mkdir,unlink,rmdir,"
    "unlinkat,symlink,symlinkat,mkdirat,link,truncate,ftruncate"
)


SYNCS = ("fsync", "fdatasync", "syncfs")
BY_NUMBER = ("write", "pwrite64", "fchmod", "ftruncate", *SYNCS)


class Call(NamedTuple):
    """A system call that succeeded, the paths it is about, and how it was told."""

    name: str
    paths: list[str]
    told: str


class Disk:
    """What is on it for sure, as the system calls go by."""

    def __init__(self, root: Path) -> None:
        self.root = str(root)
        self.unsynced: dict[str, str] = {}  # path: what was done to it
        self.wrong: list[str] = []

    def call(self, name: str, paths: list[str], told: str) -> None:
        """What this one changes, or makes sure of."""
        match name:
            case "openat" if "O_CREAT" in told and "/locks/" not in told:
                self._change(paths[-1], name)
                self._change(os.path.dirname(paths[-1]), name)
            case "write" | "pwrite64" | "chmod" | "fchmod" | "fchmodat" | "truncate" | "ftruncate":
                self._change(paths[0], name)
            case "mkdir" | "mkdirat":
                self._change(paths[0], name)
                self._change(os.path.dirname(paths[0]), name)
            case "symlink" | "symlinkat" | "link":
                self._change(os.path.dirname(paths[-1]), name)
            case "unlink" | "unlinkat" | "rmdir":
                self.unsynced.pop(paths[0], None)
                self._change(os.path.dirname(paths[0]), name)
            case "fsync" | "fdatasync":
                self.unsynced.pop(paths[0], None)
            case "syncfs":
                self.unsynced.clear()
            case "rename" | "renameat" | "renameat2":
                self._rename(*paths, both="EXCHANGE" in told)

    def unsure(self, *inside: str) -> list[str]:
        """What a power cut now might take, in these folders."""
        folders = [f"{self.root}/{folder}" for folder in inside]
        return [path for path in self.unsynced if any(_within(path, folder) for folder in folders)]

    def _change(self, path: str, how: str) -> None:
        if _within(path, self.root) and not self._given_up(path):
            self.unsynced[path] = how

    def _given_up(self, path: str) -> bool:
        """In the trash, or damaged: what becomes of that does not matter."""
        return _within(path, f"{self.root}/trash") or path.startswith(f"{self.root}/quarantine/")

    def _rename(self, old: str, new: str, *, both: bool) -> None:
        if self.unsynced.get(os.path.dirname(old)) == "exchange":
            self.wrong.append(f"{old} was exchanged, is not synced and is renamed")
        if not self._given_up(new):
            self.wrong += [f"{path} is not synced and is renamed" for path in self.unsynced if _within(path, old)]
        if _within(new, f"{self.root}/receipts"):
            self.wrong += [f"{path} is not synced and vouched for" for path in self.unsure("store")]
        if _within(old, f"{self.root}/store"):
            self.wrong += [f"{path} is not synced and may still vouch" for path in self.unsure("receipts")]
        moved = {path: how for path, how in self.unsynced.items() if _within(path, old)}
        back = {path: how for path, how in self.unsynced.items() if _within(path, new)} if both else {}
        for path in (*moved, *[path for path in self.unsynced if _within(path, new)]):
            self.unsynced.pop(path, None)
        for path, how in moved.items():
            self._change(new + path.removeprefix(old), how)
        for path, how in back.items():
            self._change(old + path.removeprefix(new), how)
        for path in (old, new):
            self._change(os.path.dirname(path), "exchange" if both else "rename")


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder + "/")


def calls(trace: Iterable[str]) -> Iterator[Call]:
    """Those that succeeded, in the order of their ends."""
    begun: dict[str, str] = {}
    for line in trace:
        pid, _, rest = line.partition(" ")
        rest = rest.strip()
        if rest.endswith("<unfinished ...>"):
            begun[pid] = rest.removesuffix("<unfinished ...>")
            continue
        if resumed := re.match(r"<\.\.\. \w+ resumed>(.*)", rest):
            rest = begun.pop(pid) + resumed[1]
        if found := re.match(r"(\w+)\((.*)\) += \d+", rest):
            name, told = found[1], found[2]
            if name in BY_NUMBER:
                yield Call(name, re.findall(r"^\d+<([^>]*)>", told), told)
                continue
            named = re.findall(r'(?:(?:AT_FDCWD|\d+)<([^>]*)>, )?"([^"]*)"', told)
            yield Call(name, [os.path.join(folder, path) for folder, path in named], told)


def watched(program: str, folder: Path, scenario: str) -> list[Call]:
    """What it asks of the system, and what the processes do that it starts."""
    subprocess.run([sys.executable, program, "ready", scenario, folder], check=True)
    trace = str(folder / "trace")
    strace = ["strace", "-f", "-y", "-s", "0", "-e", "signal=none", "-e", f"trace={TRACED}", "-o", trace]
    subprocess.run([*strace, sys.executable, program, "once", scenario, str(folder)], check=True)
    with open(trace) as lines:
        return list(calls(lines))


def unsafe(folder: Path, made: Iterable[Call]) -> list[str]:
    """What a power cut could do, had the system been asked this."""
    disk = Disk(folder / "packages")
    for call in made:
        disk.call(*call)
    left = disk.unsure("store", "receipts", "staging", "quarantine")
    return disk.wrong + [f"{path} is not synced in the end" for path in left]
