"""How the store changes: an unpacked tree becomes an installed one, or takes a damaged one's place; another goes.

Each ends with the store as it was or as it should be, wherever it is cut off; what is left over then is swept. The
rule behind the order: a receipt is written when all it vouches for is on the disk, and is gone from there before the
first of it is touched.
"""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from beeyard.adapters.package_store import trees, uses
from beeyard.adapters.package_store.disk import exchange, loosen, make_folder, rename_new, sync
from beeyard.adapters.package_store.layout import Layout
from beeyard.adapters.package_store.locks import held
from beeyard.adapters.package_store.receipts import Receipts
from beeyard.adapters.package_store.refusals import in_use, not_installed
from beeyard.domain.packages import Receipt


def publish(layout: Layout, receipts: Receipts, tree: Path, receipt: Receipt) -> Receipt:
    """Move a sealed tree to its place and vouch for it. The receipt that counts: another may have been faster."""
    entry = layout.entry(receipt.description)
    make_folder(entry.parent)
    try:
        rename_new(tree, entry)
    except FileExistsError:
        if there := receipts.find(receipt.description.digest):
            return there
        layout.discard(entry)  # nobody vouches for it
        rename_new(tree, entry)
    try:
        _settle(layout, entry)
        receipts.put(receipt)
    except OSError:  # On a full disk nobody can do with what nobody vouches for.
        receipts.remove([receipt.description.digest])
        layout.discard(entry)
        raise
    return receipt


def replace(layout: Layout, receipts: Receipts, tree: Path, receipt: Receipt) -> None:
    """Put a sealed tree where a damaged one is, or none; that goes to quarantine, and is never written to."""
    if receipts.find(receipt.description.digest) is None:
        raise not_installed(receipt)
    entry = layout.entry(receipt.description)
    make_folder(entry.parent)
    if not os.path.lexists(entry):
        rename_new(tree, entry)
        _settle(layout, entry)
        return
    beside = entry.with_name(f".{tree.name}")  # beneath one parent even a read-only folder can be exchanged
    rename_new(tree, beside)
    trees.close(beside)
    exchange(beside, entry)
    sync(entry.parent)
    kept = layout.damaged(receipt.description)
    layout.discard(kept)
    loosen(beside)
    os.rename(beside, kept)
    for folder in (entry.parent, layout.quarantine, layout.staging):
        sync(folder)


def take_away(
    layout: Layout, receipts: Receipts, chosen: Callable[[dict[str, str]], Iterable[Receipt]]
) -> list[Receipt]:
    """Those `chosen`, told who uses what, are installed no more when this returns; their files are in the trash."""
    with held(layout.locks / "uses"):
        gone = list(chosen(uses.users(layout, receipts.all())))
        receipts.remove([receipt.description.digest for receipt in gone])
    for receipt in gone:
        entry = layout.entry(receipt.description)
        layout.discard(entry)
        layout.discard(layout.damaged(receipt.description))
        remove_if_empty(entry.parent)
    return gone


def unused(receipt: Receipt, users: dict[str, str]) -> list[Receipt]:
    """Just this one. Raises Refused."""
    if user := users.get(receipt.description.digest):
        raise in_use(receipt, user)
    return [receipt]


def remove_if_empty(home: Path) -> None:
    """The folder of a package of which no version is left."""
    try:
        os.rmdir(home)
    except OSError:
        return
    sync(home.parent)


def _settle(layout: Layout, entry: Path) -> None:
    """What was just renamed to here is here after a power cut, and read-only."""
    trees.close(entry)
    for folder in (entry.parent, layout.store, layout.staging):
        sync(folder)
