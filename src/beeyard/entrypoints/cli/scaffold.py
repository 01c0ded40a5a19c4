"""`new module`: a project with one service, its tests and both ways of running it, out of the files in `templates`.

Knows names and files; what a module is, the templates say.
"""

import builtins
import keyword
import os
import re
import sys
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from beeyard.domain.errors import Invalid, Refused, Unavailable

SUFFIX = ".tmpl"
"""Of every template, so that no tool takes one for what it is to become."""
TAKEN = frozenset({"aiohttp", "beeyard", "msgspec", "pytest", "src", "tests"})
"""What the project itself means by these names."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_HIDDEN = {"gitignore": ".gitignore"}


def module(name: str, folder: str) -> list[str]:
    """Write the project; the paths of its files, relative to the folder.

    Raises:
        Invalid: `module_name_unfit`, Python can't import what has this name.
        Refused: `file_exists`, something would be written over; nothing was written then.
        Unavailable: `output_unwritable`.
    """
    require(name)
    words = {"@NAME@": name, "@CLASS@": class_name(name)}
    texts = {
        _filled(path, words): _filled(text, words) for path, text in _templates(files(__package__) / "templates/module")
    }
    _require_free(folder, texts)
    for path, text in texts.items():
        target = Path(folder, path)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("x", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            reason = error.strerror or str(error)
            raise Unavailable(
                "output_unwritable", "{file} can't be written: {reason}", file=str(target), reason=reason
            ) from None
    return sorted(texts)


def require(name: str) -> None:
    """Raises Invalid for what is no good name for a package of Python, a package of Beeyard and a worker at once."""
    near = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    if name in TAKEN or name in sys.stdlib_module_names or keyword.iskeyword(name) or hasattr(builtins, name):
        text, near = "{name} means something else in Python or in the project", f"{near}_service"
    elif not _NAME.fullmatch(name):
        text = "{name} is no name that Python can import: small letters, digits and _, a letter first, 63 at most"
        near = near if near[:1].isalpha() else f"service_{near}".rstrip("_")
    else:
        return
    hint = f"beeyard new module {near[:63]}"
    raise Invalid("module_name_unfit", text, hint=hint, name=repr(name))


def class_name(name: str) -> str:
    """Of its contract: word_count is WordCount."""
    return "".join(word.title() for word in name.split("_"))


def _require_free(folder: str, paths: dict[str, str]) -> None:
    there = [path for path in sorted(paths) if os.path.lexists(os.path.join(folder, path))]
    if there:
        text, hint = "{folder} has {files} already", "name another folder: --folder DIR; nothing is written over"
        raise Refused("file_exists", text, hint=hint, folder=folder, files=", ".join(there))


def _templates(folder: Traversable, above: str = "") -> Iterator[tuple[str, str]]:
    """Path and text of each, as they are."""
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _templates(entry, f"{above}{entry.name}/")
        elif entry.name.endswith(SUFFIX):
            name = entry.name.removesuffix(SUFFIX)
            yield above + _HIDDEN.get(name, name), entry.read_text(encoding="utf-8")


def _filled(text: str, words: dict[str, str]) -> str:
    for place, word in words.items():
        text = text.replace(place, word)
    return text
