"""Where things lie in the folder of a package store. Makes the folders, and looks into none of them.

    store/NAME/VERSION-DIGEST12/   a package's files, never changed: 0444 and 0555, folders 0555
    receipts/DIGEST.json           exists exactly as long as the folder above is complete and durable
    staging/TXID/                  what is being unpacked
    trash/TXID                     what is being deleted
    quarantine/                    what was found damaged: the last one of each package
    roots/PID.json                 what a process uses, and would be the worse for losing
    locks/{gc,uses,pkg-NAME}       made once, never unlinked: else two could hold one

A tree gets from one place to another by rename, so all of this has to be on one filesystem.
"""

import os
import secrets
from pathlib import Path

from beeyard.adapters.package_store.disk import loosen, make_folder, sync
from beeyard.domain.errors import Invalid
from beeyard.domain.packages import Description


class Layout:
    """One store's folders, made where they are missing."""

    def __init__(self, root: Path) -> None:
        root.parent.mkdir(parents=True, exist_ok=True)
        make_folder(root)
        self.root = root = root.resolve()
        """As the kernel spells it when it tells what a process runs."""
        self.store, self.receipts = root / "store", root / "receipts"
        self.staging, self.trash, self.quarantine = root / "staging", root / "trash", root / "quarantine"
        self.roots, self.locks = root / "roots", root / "locks"
        for folder in (self.store, self.receipts):
            make_folder(folder)
        for folder in (self.staging, self.trash, self.quarantine, self.roots, self.locks):
            make_folder(folder, 0o700)
        sync(root)
        sync(root.parent)
        self._check_one_filesystem()

    def entry(self, description: Description) -> Path:
        """Where the files of this package lie once it is installed."""
        return self.store / description.manifest.name / description.folder

    def draft(self) -> Path:
        """A new place in staging, not made yet."""
        return self.staging / secrets.token_hex(8)

    def damaged(self, description: Description) -> Path:
        """Where a damaged tree of this package is kept."""
        return self.quarantine / f"{description.manifest.name}-{description.folder}"

    def discard(self, path: Path) -> None:
        """Into the trash in one step. Nothing happens where nothing is."""
        try:
            loosen(path)
            os.rename(path, self.trash / secrets.token_hex(8))
        except FileNotFoundError:
            return
        sync(path.parent)

    def _check_one_filesystem(self) -> None:
        home = os.stat(self.store).st_dev
        for folder in (self.receipts, self.staging, self.trash, self.quarantine):
            if os.stat(folder).st_dev != home:
                raise Invalid(
                    "package_store_split",
                    "{folder} lies on another filesystem than {store}",
                    hint="Packages are moved between them in one step. Mount the whole folder, not a part of it.",
                    folder=str(folder),
                    store=str(self.store),
                )
