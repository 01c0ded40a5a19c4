"""Finds and reads the files a configuration is made of, and lays one over the other."""

import os
from collections.abc import Mapping as Environ
from pathlib import Path

from msgspec import structs

from beeyard.domain.errors import Invalid, NotFound
from beeyard.entrypoints.settings import toml_tree, tree, yaml_tree
from beeyard.entrypoints.settings.tree import Mapping, Node, Report, Scalar, Sequence, merge
from beeyard.entrypoints.settings.variables import replace

NAMES = ("beeyard.yaml", "beeyard.yml", "beeyard.toml")
ENVIRONMENT = "BEEYARD_ENVIRONMENT"
_LARGEST = 4 * 1024 * 1024


def find(folder: str) -> str:
    """The worker file of a folder.

    Raises:
        NotFound: `config_missing`, there is none.
        Invalid: `config_ambiguous`, there are several.
    """
    here = [name for name in NAMES if os.path.lexists(Path(folder, name))]
    if not here:
        raise NotFound(
            "config_missing",
            "no worker file in {folder}",
            folder=folder,
            hint=f"write a {NAMES[0]}, or name the file",
        )
    if len(here) > 1:
        raise Invalid(
            "config_ambiguous",
            "{folder} has {files}",
            folder=folder,
            files=" and ".join(here),
            hint="keep one, or name the file",
        )
    return str(Path(folder, here[0]))


def read(file: str, environ: Environ[str, str], report: Report) -> Node | None:
    """The tree of one file, variables replaced; None when it can't be read, which is reported.

    Raises:
        NotFound: `config_missing`, there is no such file.
    """
    content = text(file, report)
    if content is None:
        return None
    parse = toml_tree.read if file.endswith(".toml") else yaml_tree.read
    return parse(file, content, report, lambda scalar: replace(scalar, environ, report))


def text(file: str, report: Report, kind: str = "worker file") -> str | None:
    """What stands in a file of this kind; None when it can't be read, which is reported.

    Raises:
        NotFound: `config_missing`, there is no such file.
    """
    place = Scalar(file, 1, "file", "")
    try:
        with Path(file).open("rb") as stream:
            content = stream.read(_LARGEST + 1)
    except FileNotFoundError:
        raise NotFound(
            "config_missing", "no {kind} {file}", kind=kind, file=file, hint="check its name and this folder"
        ) from None
    except IsADirectoryError:
        report.add(place, "a directory", f"a {kind}")
        return None
    except OSError as error:
        report.add(place, (error.strerror or str(error)).lower(), "a file that can be read")
        return None
    if len(content) > _LARGEST:
        report.add(place, "more than 4MB", f"a {kind} of at most 4MB")
        return None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place.line += content.count(b"\n", 0, error.start)
        report.add(place, f"the byte 0x{content[error.start]:02x}", "text in UTF-8")
        return None


def overlay(file: str, environ: Environ[str, str], report: Report) -> Node | None:
    """The file for the environment that BEEYARD_ENVIRONMENT names, or None when it names none."""
    name = environ.get(ENVIRONMENT, "")
    if not name:
        return None
    path = Path(file)
    stems = dict.fromkeys((path.stem, "beeyard", "workers"))
    wanted = [path.parent / f"{stem}-{name}{end}" for stem in stems for end in (".yaml", ".yml", ".toml")]
    here = [str(candidate) for candidate in wanted if candidate.is_file()]
    if len(here) == 1:
        return read(here[0], environ, report)
    report.add(
        Scalar(file, 1, ENVIRONMENT, ""),
        " and ".join(here) if here else f"'{name}', but no file for it",
        f"one overlay beside {path.name}",
        f"such as {path.stem}-{name}{path.suffix}",
    )
    return None


def lay_over(base: Node, over: Node, report: Report) -> Node:
    """`over` on `base`, key by key; workers meet by their id, and new ones come last; a secret has one source."""
    if not (isinstance(base, Mapping) and isinstance(over, Mapping)):
        report.wrong(over, "a mapping")
        return base
    merged = merge(base, over)
    secrets, others = base.entries.get("secrets"), over.entries.get("secrets")
    if isinstance(merged, Mapping) and isinstance(secrets, Mapping) and isinstance(others, Mapping):
        merged.entries["secrets"] = structs.replace(secrets, entries={**secrets.entries, **others.entries})
    old, new = base.entries.get("workers"), over.entries.get("workers")
    if isinstance(merged, Mapping) and isinstance(old, Sequence) and isinstance(new, Sequence):
        merged.entries["workers"] = structs.replace(old, items=_by_id(old.items, new.items))
    return merged


def _by_id(old: list[Node], new: list[Node]) -> list[Node]:
    items = list(old)
    places = {name: at for at, item in enumerate(items) if (name := _id(item))}
    for item in new:
        at = places.get(_id(item))
        if at is None:
            items.append(item)
        else:
            items[at] = merge(items[at], item)
    return items


def _id(item: Node) -> str:
    written = item.entries.get("id") if isinstance(item, Mapping) else None
    return written.text if isinstance(written, tree.Scalar) else ""
