"""What apt is told of one repository, in a folder of its own, and how the index is read that it verified there."""

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

from beeyard.domain.errors import Unavailable
from beeyard.domain.sources import RepositorySpec

_ELSEWHERE = (
    *(f"Dir::Etc::{one}" for one in ("main", "sourcelist", "preferences", "trusted", "netrc")),
    *(f"Dir::Etc::{one}" for one in ("parts", "sourceparts", "preferencesparts", "trustedparts", "netrcparts")),
)


def write(spec: RepositorySpec, folder: Path) -> None:
    """apt.conf, and what it points to. A repository without a place is the host's own sources, with its own keys and
    configuration; its index is kept apart all the same."""
    own = bool(spec.url or spec.path)
    for below in ("lists/partial", "cache/archives/partial", *(_folder(one) for one in _ELSEWHERE if "parts" in one)):
        (folder / below).mkdir(parents=True, exist_ok=True)
    (folder / "status").touch()
    said = {
        "Dir::State::lists": folder / "lists",
        "Dir::Cache": folder / "cache",
        "Acquire::Languages": "none",
        "Acquire::http::Timeout": 30,
        "Acquire::https::Timeout": 30,
        "Acquire::AllowInsecureRepositories": "false",
        "Acquire::AllowDowngradeToInsecureRepositories": "false",
        "APT::Sandbox::User": "root"
        if os.geteuid() == 0
        else "",  # It reads what only we may: keys, the folder itself.
        "APT::Install-Recommends": "false",
    }
    if own:
        said |= {option: folder / _folder(option) for option in _ELSEWHERE}
        _sources(spec, folder)
    if authority := os.environ.get("SSL_CERT_FILE"):
        said["Acquire::https::CaInfo"] = authority
    if spec.credentials.certificate:
        said |= {
            "Acquire::https::SslCert": spec.credentials.certificate,
            "Acquire::https::SslKey": spec.credentials.key,
        }
    _private(folder / "apt.conf", "".join(f'{option} "{value}";\n' for option, value in said.items()))


def stanzas(index: str, package: str) -> Iterator[dict[str, str]]:
    """Those of one package; of what goes on over several lines the first one counts."""
    index = f"\n{index}"
    wanted = f"\nPackage: {package}\n"
    at = index.find(wanted)
    while at >= 0:
        start = index.rfind("\n\n", 0, at + 1) + 2 if at else 1
        end = index.find("\n\n", at)
        lines = index[start : end if end >= 0 else None].splitlines()
        yield {key: value.strip() for key, _, value in (line.partition(":") for line in lines if line[:1] != " ")}
        at = index.find(wanted, at + len(wanted) - 1)


def names(index: str) -> set[str]:
    """Of all packages."""
    return {line[9:] for line in index.splitlines() if line.startswith("Package: ")}


def _sources(spec: RepositorySpec, folder: Path) -> None:
    place = spec.url or f"copy:{quote(spec.path)}"  # `file:` would leave the index where others can change it.
    suite = spec.suite or "./"
    components = spec.components or (() if suite.endswith("/") else ("main",))
    said = {"Types": "deb", "URIs": place, "Suites": suite, "Components": " ".join(components)}
    if spec.trust == "gpg":
        said["Signed-By"] = str(_key(spec, folder))
    else:
        said["Trusted"] = "yes"
    text = "".join(f"{key}: {value}\n" for key, value in said.items() if value)
    (folder / _folder("Dir::Etc::sourceparts") / "beeyard.sources").write_text(text)
    shown, site = spec.credentials, urlsplit(spec.url)
    account = f"machine {site.scheme}://{site.netloc}{site.path} login {shown.username} password {shown.password}\n"
    _private(folder / _folder("Dir::Etc::netrc"), account if shown.username else _noted(spec))


def _noted(spec: RepositorySpec) -> str:
    return Path(spec.credentials.netrc).read_text() if spec.credentials.netrc else ""


def _key(spec: RepositorySpec, folder: Path) -> Path:
    """A copy, under a name by which apt tells how it is written."""
    try:
        data = Path(spec.root).read_bytes()
    except OSError as error:
        text = "{repository}: the key {file} can't be read: {reason}"
        fields = {"repository": spec.name, "file": spec.root, "reason": str(error.strerror)}
        raise Unavailable("no_root", text, hint="look at its `root`", **fields) from None
    copy = folder / ("key.asc" if data.lstrip().startswith(b"-----BEGIN") else "key.gpg")
    copy.write_bytes(data)
    return copy


def _folder(option: str) -> str:
    return f"etc/{option.rpartition(':')[2]}"


def _private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
