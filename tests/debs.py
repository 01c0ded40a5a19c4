"""Debian packages and repositories of them, made for a test: with dpkg-deb, and an index as apt-ftparchive makes it."""

import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

TOOLS = ("apt-get", "dpkg", "dpkg-deb", "apt-ftparchive", "gpg", "gpgv", "gpg-agent", "reprepro")
"""What it takes."""


def deb(
    place: Path, name: str, version: str, files: Mapping[str, str], arch: str = "all", fields: Iterable[str] = ()
) -> Path:
    """A package file with these programs."""
    tree = place.parent / "trees" / f"{name}-{version.replace(':', '_')}-{arch}"
    shutil.rmtree(tree, ignore_errors=True)
    control = [f"Package: {name}", f"Version: {version}", f"Architecture: {arch}", "Maintainer: Ann <ann@example.org>"]
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN" / "control").write_text("\n".join([*control, *fields, f"Description: {name} of a test", ""]))
    for path, text in files.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(text)
        (tree / path).chmod(0o755)
    file = place / f"{tree.name}.deb"
    subprocess.run(
        ["dpkg-deb", "-Zgzip", "--root-owner-group", "--build", str(tree), str(file)], check=True, capture_output=True
    )
    return file


def index(place: Path, key: "Key | None" = None, until: str = "") -> None:
    """Say what lies there, as a flat repository; signed where there is a key. `until`: when it is out of date."""
    for left in ("Packages", "Release", "InRelease"):
        (place / left).unlink(missing_ok=True)
    for file in ("Packages", "Release"):
        argv = ["apt-ftparchive", "packages" if file == "Packages" else "release", "."]
        made = subprocess.run(argv, cwd=place, check=True, capture_output=True)
        said = f"Valid-Until: {until}\n" if until and file == "Release" else ""
        (place / file).write_bytes(said.encode() + made.stdout)
    if key is not None:
        key.sign(place / "Release", place / "InRelease")


class Key:
    """One that signs; its public half is the file `public`."""

    def __init__(self, home: Path) -> None:
        self._home = home
        home.mkdir(mode=0o700)
        self.public = home / "public.asc"
        self._gpg("--quick-generate-key", "Ann <ann@example.org>", "ed25519", "sign", "never")
        self._gpg("--armor", "--output", str(self.public), "--export")

    def sign(self, file: Path, into: Path) -> None:
        """In the clear."""
        self._gpg("--yes", "--clearsign", "--output", str(into), str(file))

    def detached(self, file: Path) -> None:
        """Beside it, as `.asc`."""
        self._gpg("--yes", "--armor", "--detach-sign", "--output", f"{file}.asc", str(file))

    def close(self) -> None:
        """End the helper that gpg started."""
        subprocess.run(["gpgconf", "--homedir", str(self._home), "--kill", "all"], check=True, capture_output=True)

    def _gpg(self, *argv: str) -> None:
        asking = ["gpg", "--homedir", str(self._home), "--batch", "--pinentry-mode", "loopback", "--passphrase", ""]
        subprocess.run([*asking, *argv], check=True, capture_output=True, env=dict(os.environ))
