"""Packages of Fedora's kind and repositories of them, made for a test with rpmbuild and createrepo_c."""

import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.debs import Key

TOOLS = ("dnf", "rpm", "rpm2archive", "rpmbuild", "createrepo_c", "gpg", "gpg-agent")
"""What it takes."""


def rpm(
    place: Path, name: str, version: str, files: Mapping[str, str], arch: str = "noarch", fields: Iterable[str] = ()
) -> Path:
    """A package file with these programs; `version` may have an epoch and a release."""
    epoch, _, rest = version.rpartition(":")
    upstream, _, release = rest.partition("-")
    top = place.parent / "top" / f"{name}-{rest}-{arch}"
    top.mkdir(parents=True, exist_ok=True)
    lines = [f"Name: {name}", f"Version: {upstream}", f"Release: {release or 0}", f"Epoch: {epoch or 0}"]
    lines += [f"Summary: {name} of a test", "License: MIT", "AutoReqProv: no", *fields, "%description", "%install"]
    for path, text in files.items():
        (top / path.replace("/", "_")).write_text(text)
        lines.append(f"install -D -m 755 {top / path.replace('/', '_')} %{{buildroot}}/{path}")
    lines += ["%files", *(f"/{path}" for path in files)]
    (top / "a.spec").write_text("\n".join([*lines, ""]))
    named = "%%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm"
    defined = {"_topdir": str(top), "_rpmdir": str(place), "_rpmfilename": named}
    options = [part for key, value in defined.items() for part in ("--define", f"{key} {value}")]
    argv = ["rpmbuild", "-bb", "--target", arch, *options, str(top / "a.spec")]
    subprocess.run(argv, check=True, capture_output=True)
    return place / f"{name}-{upstream}-{release or 0}.{arch}.rpm"


def index(place: Path, key: Key | None = None) -> None:
    """Say what lies there; signed where there is a key."""
    subprocess.run(["createrepo_c", "-q", str(place)], check=True, capture_output=True)
    signature = place / "repodata" / "repomd.xml.asc"
    signature.unlink(missing_ok=True)
    if key is not None:
        key.detached(place / "repodata" / "repomd.xml")
