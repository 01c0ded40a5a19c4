"""What the author of a package leaves out of it: `.packageignore` in its folder, a pattern a line, as git reads them.

Knows no package: only which paths of a folder are meant.
"""

import os
import re

from pathspec import GitIgnoreSpec

from beeyard.adapters.archives.collect import Ignored
from beeyard.domain.errors import Invalid, Problem

NAME = ".packageignore"


def ignored(folder: str) -> Ignored:
    """What the file says, which itself is left out; nothing else, if there is none.

    Raises Invalid: `ignore_invalid`, with each line that is no pattern.
    """
    path = os.path.join(folder, NAME)
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
    except FileNotFoundError:
        lines = []
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise Invalid("ignore_invalid", "{file} can't be read: {reason}", file=path, reason=reason) from None
    if problems := [problem for number, line in enumerate(lines, 1) for problem in _wrong(path, number, line)]:
        raise Invalid("ignore_invalid", "{file} has lines that are no patterns", problems=problems, file=path)
    return GitIgnoreSpec.from_lines([*lines, f"/{NAME}"]).match_file


def _wrong(path: str, number: int, line: str) -> list[Problem]:
    try:
        GitIgnoreSpec.from_lines([line])
    except (ValueError, re.error):
        return [Problem("pattern", f"'{line}'", "a pattern as in a .gitignore", path, number)]
    return []
