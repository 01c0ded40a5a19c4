"""One figure out of a page in Prometheus' text form. Knows nothing of types, help and times that stand there too."""

import re
from math import isfinite

_LINE = re.compile(r'^([A-Za-z_:][A-Za-z0-9_:]*)(?:\{(?:[^"}]|"(?:[^"\\]|\\.)*")*\})?[ \t]+(\S+)', re.MULTILINE)
"""A name, perhaps with labels, and a value (https://prometheus.io/docs/instrumenting/exposition_formats)."""


def total(page: str, name: str) -> float | None:
    """The sum of all samples of this name, whatever their labels; None where there is none that is a number."""
    values = [value for found, text in _LINE.findall(page) if found == name and (value := _number(text)) is not None]
    return sum(values) if values else None


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if isfinite(value) else None
