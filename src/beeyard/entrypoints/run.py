"""`beeyard run`: one module in the foreground, hosted as it is by a master's process, but for someone who watches it.

Reads a configuration as the worker file's `module.config` is read, chooses ports that nobody gave, and says how the
module is. No master takes part.
"""

import os
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from beeyard.adapters.modules import filled_in
from beeyard.domain.errors import Invalid
from beeyard.entrypoints.settings import files, toml_tree, tree, yaml_tree
from beeyard.entrypoints.settings.any_value import any_mapping
from beeyard.entrypoints.settings.variables import replace
from beeyard.entrypoints.settings.words import Context
from beeyard.sdk import run
from beeyard.sdk.notify import Spoken
from beeyard.sdk.report import Report
from beeyard.sdk.terms import Terms

Say = Callable[[str, str], None]
"""(event, text)"""


def foreground(
    factory: str, config: str | None, changes: Sequence[str], ports: Sequence[str], folder: str, say: Say
) -> int:
    """Until it ends, or is ended. Returns the exit code.

    Args:
        config: a file.
        changes: `key=value`, `a.b=value` for what is further inside.
        ports: `name=port`; any other that the module asks for is chosen then.

    Raises:
        NotFound: there is no such file.
        Invalid: the configuration or an argument can't be read.
    """
    written = _file(config) if config else {}
    for change in changes:
        _set(written, change)
    terms = Terms(
        factory=factory,
        worker=factory.replace(":", "."),
        folder=os.path.abspath(folder),
        config=written,
        ports=_Ports(_given(ports), say),
    )
    code = run.host(terms, _Told(say))
    run.part(code)
    return code


class _Ports(dict[str, int]):
    """Chooses a port for each endpoint that was given none, when it is asked for."""

    def __init__(self, given: Mapping[str, int], say: Say) -> None:
        super().__init__(given)
        self._say = say

    def __missing__(self, name: str) -> int:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            self[name] = taken.getsockname()[1]
        self._say("port", f"endpoint {name}: port {self[name]}")
        return self[name]


class _Told(Spoken):
    """Says to people what a master hears; to a service manager as well, if one listens."""

    def __init__(self, say: Say) -> None:
        super().__init__()
        self._say = say
        self._last = Report()

    def ready(self, report: Report) -> None:
        super().ready(report)
        self._say("ready", "ready; Ctrl-C stops it")

    def report(self, report: Report) -> None:
        super().report(report)
        before, self._last = self._last, report
        for name, offer in report.offers.items():
            if before.offers.get(name) != offer:
                self._say("offer", f"offers {name}: {offer.protocol} {offer.address}")
        if report.healthy is False and before.reason != report.reason:
            self._say("unhealthy", f"unhealthy: {report.reason}")
        elif report.healthy and before.healthy is False:
            self._say("healthy", "healthy again")

    def stopping(self) -> None:
        super().stopping()
        self._say("stopping", "stopping; Ctrl-C ends it at once")


def _file(path: str) -> dict[str, Any]:
    found = tree.Report()
    text = files.text(path, found, "configuration")
    parse = toml_tree.read if path.endswith(".toml") else yaml_tree.read
    node = None if text is None else parse(path, text, found, lambda scalar: replace(scalar, os.environ, found))
    config = any_mapping(node, Context(found, "", "")) if node is not None else {}
    if problems := list(found.problems):
        count = "one problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise Invalid("config_invalid", "{count} in {file}", problems=problems, count=count, file=path)
    plain: dict[str, Any] = filled_in(config, {})
    return plain


def _set(config: dict[str, Any], change: str) -> None:
    """A value that is JSON means that; any other is a text."""
    path, equals, text = change.partition("=")
    *above, last = path.split(".")
    if not equals or not all((*above, last)):
        raise Invalid("usage", "--set {text}: expected KEY=VALUE", text=path)
    for key in above:
        config = config.setdefault(key, {})
        if not isinstance(config, dict):
            raise Invalid("usage", "--set {path}: {key} is no mapping", path=path, key=key)
    try:
        config[last] = msgspec.json.decode(text)
    except msgspec.DecodeError:
        config[last] = text


def _given(ports: Sequence[str]) -> dict[str, int]:
    found = {}
    for text in ports:
        name, _, port = text.partition("=")
        if not name or not port.isdecimal() or not 0 < int(port) < 65536:
            raise Invalid("usage", "--port {text}: expected NAME=PORT, a port from 1 to 65535", text=text)
        found[name] = int(port)
    return found
