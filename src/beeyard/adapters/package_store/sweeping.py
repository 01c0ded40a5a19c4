"""Sweeps what processes that died left half done, and empties the trash.

Tolerant: what can't be swept now is told to the log and stays for the next time; nothing here keeps a master from
starting. Nothing is repaired, for nothing that counts can be broken: only what has no receipt is swept.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from beeyard.adapters.package_store import uses
from beeyard.adapters.package_store.changing import remove_if_empty
from beeyard.adapters.package_store.disk import delete
from beeyard.adapters.package_store.layout import Layout
from beeyard.adapters.package_store.locks import held
from beeyard.adapters.package_store.receipts import Receipts
from beeyard.domain.errors import BeeyardError

_log = logging.getLogger(__name__)


def sweep(layout: Layout, receipts: Receipts) -> None:
    """Into the trash with it. Only for who has the `gc` lock alone: then it is nobody's work."""
    for path in _listed(layout.staging):
        with _tolerant(path):
            layout.discard(path)
    with _tolerant(layout.receipts):
        for path in list(receipts.rubbish()):
            layout.discard(path)
    with _tolerant(layout.store):
        _sweep_store(layout, receipts)
    with _tolerant(layout.roots), held(layout.locks / "uses"):
        for path in uses.dead(layout.roots):
            delete(path)


def empty_trash(layout: Layout) -> None:
    """Slowly, and with no lock: nothing points there any more, and several may do it at once."""
    for path in _listed(layout.trash):
        with _tolerant(path):
            delete(path)


def _sweep_store(layout: Layout, receipts: Receipts) -> None:
    """Folders that nobody vouches for; but not from under a process that runs there all the same."""
    vouched = {layout.entry(receipt.description) for receipt in receipts.all()}
    for home in _listed(layout.store):
        orphans = [path for path in (_listed(home) if home.is_dir() else [home]) if path not in vouched]
        running = uses.running_from(layout.store) if orphans else {}
        for path in orphans:
            with _tolerant(path):
                if pid := running.get(str(path.relative_to(layout.store))):
                    _log.warning("%s has no receipt, but process %d runs from it: it stays", path, pid)
                else:
                    layout.discard(path)
        remove_if_empty(home)


def _listed(folder: Path) -> list[Path]:
    try:
        return [folder / name for name in os.listdir(folder)]
    except OSError as error:
        _tell(folder, error)
        return []


@contextmanager
def _tolerant(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, BeeyardError) as error:
        _tell(path, error)


def _tell(path: Path, error: Exception) -> None:
    _log.warning("%s can't be swept now: %s", path, error)
