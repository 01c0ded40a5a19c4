"""The listening sockets that workers are given: opened here, so that what knocks while no attempt runs waits.

One belongs to its `owner`, a worker or a group, under the name of an endpoint; it is open as long as some worker of
that owner wants it so. The pump keeps a duplicate of each for the launcher that follows (`shelf`); if both are killed
at once, the next one takes it back out of a process that was given it.

Where a group shares a port and connections are to be led to those that are ready (`led`), each worker is the owner of
its own (`leading`); where the kernel can't do that, or one that all share is open already, they go on with one.

What a wish is, and how one is opened: `opening`.
"""

import os
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from beeyard.launcher.held import Held, group_of
from beeyard.launcher.leading import Leading
from beeyard.launcher.opening import Wish, inherited, opened, place
from beeyard.launcher.refusals import SpawnFailed
from beeyard.launcher.shelf import Entry

SILENT = 1
"""Seconds for which a connection is nobody's while nothing was said on it, where who connects speaks first. So whoever
ends has hardly any that it accepted and did not read: Go's servers close those without an answer."""


class Sockets:
    """All that this launcher holds.

    Args:
        keep, lose: tell who keeps the duplicates.
        heirs: the pids of living attempts of an owner.
    """

    def __init__(
        self,
        keep: Callable[[Entry, int], None],
        lose: Callable[[str, str], None],
        heirs: Callable[[str], Iterable[int]],
    ) -> None:
        self._keep = keep
        self._lose = lose
        self._heirs = heirs
        self._table: dict[tuple[str, str], Held] = {}
        self._said: dict[str, set[tuple[str, str]]] = {}
        self._recalled = False
        self.leading = Leading(keep, heirs)

    def __iter__(self) -> Iterator[Held]:
        return iter(self._table.values())

    def want(self, worker: str, wishes: Sequence[Wish]) -> list[Held]:
        """Have these open for a worker, and nothing else; harmless twice. Raises SpawnFailed."""
        keys = {self._key(worker, wish) for wish in wishes}
        if not self._recalled:
            self._said[worker] = keys
        for key, held in list(self._table.items()):
            if key not in keys:
                self._part(worker, held)
        return [self._wanted(worker, wish) for wish in wishes]

    def release(self, worker: str) -> None:
        """The worker was removed."""
        self.want(worker, ())

    def take(self, entries: Iterable[tuple[Entry, int]]) -> None:
        """Go on with all that a predecessor left, but for what there is by now and what nobody wants any more."""
        for entry, fd in entries:
            sock, key = socket.socket(fileno=fd), (entry["owner"], entry["name"])
            if key in self._table:
                sock.close()
                if (group := self._table[key].group) is not None:
                    self.leading.doubt(group)
                continue
            held = self._table[key] = Held(entry, sock)
            held.users = {user for user in held.users if key in self._said.get(user, {key})}
            if held.group is not None:
                self.leading.add(held.group, held, opened=False)
            if not held.users:
                self._close(held)
        self._recalled = True
        self._said.clear()
        for owner in {held.owner for held in self}:
            self.leading.stirred(owner)

    def close(self) -> None:
        """There is nobody left who could want them."""
        for held in list(self):
            self._close(held)

    def ports(self, worker: str, wishes: Iterable[Wish]) -> dict[str, int]:
        """Where a worker's listen, by name; those that have a port."""
        found = (self._table[self._key(worker, wish)] for wish in wishes)
        return {held.name: held.sock.getsockname()[1] for held in found if "path" not in held.wish}

    def dump(self) -> list[dict[str, Any]]:
        """For the next incarnation of this very process; the descriptors are made to survive an exec."""
        for held in self:
            held.sock.set_inheritable(True)
        return [{**held.entry(), "fd": held.sock.fileno()} for held in self]

    def load(self, entries: Iterable[Entry]) -> None:
        """Take over from `dump`."""
        found = [(entry, int(entry["fd"])) for entry in entries]
        for _, fd in found:
            os.set_inheritable(fd, False)
        self.take(found)

    def _wanted(self, worker: str, wish: Wish) -> Held:
        key = self._key(worker, wish)
        held = self._table.get(key)
        if held is not None and not held.fits(wish):
            self._close(held)
            held = None
        if held is None:
            self._make_way(wish)
            held = self._table[key] = self._opened(key[0], wish)
        _defer(held.sock, SILENT if wish.get("asked") else 0)
        if worker not in held.users:
            held.users.add(worker)
            self._keep(held.entry(), held.sock.fileno())
        return held

    def _opened(self, owner: str, wish: Wish) -> Held:
        entry = {"owner": owner, "name": wish["name"], "wish": dict(wish), "users": ()}
        heirs, group = list(self._heirs(owner)), group_of(owner, wish)
        sock = inherited(wish, heirs)
        if group is None:
            return Held(entry, sock or opened(wish))
        if sock is None and heirs:  # Nobody would accept from a second one.
            raise SpawnFailed(f"listen at {place(wish)}: {owner} runs, and its socket can't be taken back out of it")
        held = Held(entry, sock or opened(wish, alone=not self.leading.joins(group, wish)))
        self.leading.add(group, held, opened=True)
        return held

    def _make_way(self, wish: Wish) -> None:
        """What others of its owner have under that name from before it got another address, and nobody uses now."""
        of = wish["owner"], wish["name"]
        for held in list(self):
            if (held.wish["owner"], held.name) == of and not held.fits(wish) and not any(self._heirs(held.owner)):
                self._close(held)

    def _key(self, worker: str, wish: Wish) -> tuple[str, str]:
        shared = self._table.get((wish["owner"], wish["name"]))
        led = wish.get("led") and not (shared is not None and shared.fits(wish)) and self.leading.possible()
        return (worker if led else wish["owner"]), wish["name"]

    def _part(self, worker: str, held: Held) -> None:
        if worker in held.users:
            held.users.discard(worker)
            if held.users:
                self._keep(held.entry(), held.sock.fileno())
            else:
                self._close(held)

    def _close(self, held: Held) -> None:
        del self._table[held.owner, held.name]
        self._lose(held.owner, held.name)
        if path := held.wish.get("path"):
            with suppress(OSError):
                os.unlink(path)
        if held.group is not None:
            self.leading.remove(held.group, held)
        held.sock.close()


def _defer(sock: socket.socket, seconds: int) -> None:
    """Where the kernel does that at all."""
    if sock.family != socket.AF_UNIX:
        with suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, seconds)
