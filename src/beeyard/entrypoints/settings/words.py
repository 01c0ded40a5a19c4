"""How single values are written in a file. What names something on this host is in `host`.

Each reader takes a node and gives a value, or reports what is wrong and gives FAILED. Quotes change nothing: `port:
"80"` is `port: 80`. Only where text is expected a bare `true` or nothing at all is refused, since neither says what
text was meant.
"""

import re
import resource
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from math import isfinite
from typing import Any, Final

from msgspec import Meta, Struct

from beeyard.domain import values
from beeyard.domain.address import host
from beeyard.domain.master import ListenSpec
from beeyard.domain.secrets import literal, references
from beeyard.domain.sources import RepositorySpec
from beeyard.entrypoints.settings import tree
from beeyard.entrypoints.settings.tree import Node, Report, Scalar

FAILED: Final[Any] = object()
"""Reported already; the field takes its default."""


class Context(Struct, frozen=True):
    """What readers need beside the node: relative paths start at `folder`, bare programs are looked up in `path`,
    `secrets` are the names that the file gives to some, `repositories` those where packages come from, and `listen` is
    where the master does."""

    report: Report
    folder: str
    path: str
    secrets: frozenset[str] = frozenset()
    repositories: tuple[RepositorySpec, ...] = ()
    listen: ListenSpec = ListenSpec()


Read = Callable[[Node, Context], Any]


class _TooMuch(ValueError):
    """Well written, but out of bounds; the text says which."""


def text(node: Node, context: Context) -> Any:
    """A text; a number counts as the text it was written as."""
    return FAILED if _is_secret(node, context) else _text(node, context)


def _is_secret(node: Node, context: Context) -> bool:
    """Whether it refers to a secret, which is reported: only those fields may that ask `known_secrets`."""
    if not isinstance(node, Scalar) or not node.secret:
        return False
    hint = "everyone on this host can read arguments, and more; let the worker take it from a variable"
    expected = "a secret nowhere but in an `environment`, a module's `config`, a `password` or a `token`"
    context.report.wrong(node, expected, hint)
    return True


def _text(node: Node, context: Context) -> Any:
    if not isinstance(node, Scalar) or node.kind in ("bool", "null"):
        hint = "" if not isinstance(node, Scalar) else f'quote it: "{node.text}"' if node.text else 'or "" for none'
        context.report.wrong(node, "text", hint)
        return FAILED
    if "\0" in node.text or not (node.text.isascii() or _is_unicode(node.text)):
        context.report.add(node, "text with a NUL byte or broken Unicode", "text")
        return FAILED
    return node.text


def _is_unicode(written: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in written)


def parsed(parse: Callable[[str], Any], expected: str) -> Read:
    """A value that `parse` makes of its text, or else raises ValueError."""

    def read(node: Node, context: Context) -> Any:
        if _is_secret(node, context):
            return FAILED
        if isinstance(node, Scalar) and node.kind != "null":
            try:
                return parse(node.text)
            except _TooMuch as error:
                context.report.wrong(node, str(error))
                return FAILED
            except ValueError:
                pass
        context.report.wrong(node, expected)
        return FAILED

    return read


def choice(options: Sequence[str]) -> Read:
    """One of some words."""

    def read(node: Node, context: Context) -> Any:
        if _is_secret(node, context):
            return FAILED
        if isinstance(node, Scalar) and node.text in options:
            return node.text
        near = get_close_matches(node.text, options, 1) if isinstance(node, Scalar) else []
        *most, last = options
        expected = f"{', '.join(most)} or {last}" if most else last
        context.report.wrong(node, expected, f"did you mean '{near[0]}'?" if near else "")
        return FAILED

    return read


def bounded(read: Read, bounds: Meta) -> Read:
    """What `read` gives, if it lies within the bounds; their description is what was expected."""

    def within(node: Node, context: Context) -> Any:
        value = read(node, context)
        if value is not FAILED and (
            (bounds.ge is not None and value < bounds.ge)
            or (bounds.gt is not None and value <= bounds.gt)
            or (bounds.le is not None and value > bounds.le)
            or (bounds.min_length is not None and len(value) < bounds.min_length)
        ):
            context.report.wrong(node, bounds.description or "a value within bounds")
            return FAILED
        return value

    return within


def _boolean(written: str) -> bool:
    if written.lower() in ("true", "false"):
        return written.lower() == "true"
    raise ValueError(written)


def _whole(written: str) -> int:
    if re.fullmatch(r"[-+]?[0-9_]{1,20}|0[ox][0-9a-fA-F_]{1,16}", written):
        value = int(written, 0 if written[:2] in ("0o", "0x") else 10)  # zeros in front make no octal
        if abs(value) < 2**63:
            return value
    raise ValueError(written)


def _percent(written: str) -> float:
    return _number(written.removesuffix("%"))


def _number(written: str) -> float:
    if isfinite(value := float(written)):
        return value
    raise ValueError(written)


def _duration(written: str) -> values.Duration:
    if (value := values.duration(written)) <= 10 * 365 * 86400:
        return value
    raise _TooMuch("a duration of at most ten years")


def _memory(written: str) -> values.Memory:
    if (value := values.memory(written)) < 2**60:
        return value
    raise _TooMuch("a size below 1048576TB")


def _retries(written: str) -> int | None:
    if written == "unlimited":
        return None
    if 0 <= (value := _whole(written)) <= 1000:
        return value
    raise ValueError(written)


def _port(written: str) -> int:
    if written == "auto":
        return 0
    if 0 <= (value := _whole(written)) <= 65535:
        return value
    raise ValueError(written)


def _call(written: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9_.]{1,512}/[A-Za-z0-9_]{1,256}", written):
        return written
    raise ValueError(written)


def _pattern(written: str) -> str:
    if re.fullmatch(r"[a-z0-9_-]{0,63}\*|[a-z0-9][a-z0-9_-]{0,62}", written):
        return written
    raise ValueError(written)


def _account(written: str) -> str:
    if re.fullmatch(r"[^:\x00-\x1f\x7f\ud800-\udfff]{1,256}", written):
        return written
    raise ValueError(written)


def _octal(written: str) -> int:
    if re.fullmatch(r"(0o?)?[0-7]{1,3}", written):
        return int(written.replace("o", ""), 8)
    raise ValueError(written)


def _resource(written: str) -> str:
    if written in _RESOURCES:
        return written
    raise ValueError(written)


def _amount(written: str) -> int:
    if written == "unlimited":
        return resource.RLIM_INFINITY
    if (value := _whole(written)) >= 0:
        return value
    raise ValueError(written)


_RESOURCES = sorted(name[7:].lower() for name in dir(resource) if name.startswith("RLIMIT_"))
_amount_of = parsed(_amount, "a whole number, `unlimited`, or [soft, hard]")


def _resource_limit(node: Node, context: Context) -> Any:
    if not isinstance(node, tree.Sequence):
        value = _amount_of(node, context)
        return value if value is FAILED else (value, value)
    if len(node.items) != 2:
        context.report.add(node, f"a list of {len(node.items)}", "[soft, hard]")
        return FAILED
    soft, hard = (_amount_of(item, context) for item in node.items)
    if soft is FAILED or hard is FAILED:
        return FAILED
    if hard != resource.RLIM_INFINITY and not 0 <= soft <= hard:
        context.report.add(node, "a soft limit above the hard one", "[soft, hard]")
        return FAILED
    return soft, hard


def _environment(node: Node, context: Context) -> Any:
    """A mapping, or the list `[K=V]` of older files."""
    if isinstance(node, tree.Mapping):
        pairs: list[tuple[str, Node]] = list(node.entries.items())
    elif isinstance(node, tree.Sequence):
        pairs = []
        for item in node.items:
            name, equals, value = item.text.partition("=") if isinstance(item, Scalar) else ("", "", "")
            if not equals or not isinstance(item, Scalar):
                context.report.wrong(item, "NAME=value")
            else:
                secret = item.secret.partition("=")[2]
                pairs.append((name, Scalar(item.file, item.line, item.path, value, secret=secret)))
    else:
        context.report.wrong(node, "a mapping or a list of NAME=value")
        return FAILED
    for name, value_node in pairs:
        if not name or "=" in name or "\0" in name or "${secret:" in name:
            context.report.add(value_node, f"the name '{name}'", "the name of an environment variable")
    return {name: value for name, node in pairs if (value := _variable(node, context)) is not FAILED}


def _variable(node: Node, context: Context) -> Any:
    """A value as specs write it: they may refer to secrets in it."""
    value = _text(node, context)
    if value is FAILED or not isinstance(node, Scalar):
        return FAILED
    known_secrets(node, context)
    return node.secret or literal(value)


def known_secrets(node: Scalar, context: Context) -> None:
    """Report each secret that it refers to and nobody defined."""
    for name in references(node.secret):
        if name not in context.secrets:
            near = get_close_matches(name, context.secrets, 1)
            known = f"known: {', '.join(sorted(context.secrets)) or 'none'}"
            hint = f"did you mean '{near[0]}'?" if near else known
            context.report.add(node, f"the secret '{name}'", "one that `secrets:` names", hint)


boolean = parsed(_boolean, "true or false")
whole_number = parsed(_whole, "a whole number")
number = parsed(_number, "a number")
duration = parsed(_duration, "a duration such as 250ms, 30s, 5m, 1h or 1h30m")
memory = parsed(_memory, "a size such as 64KB, 512MB or 1GB")
signal = parsed(values.signal_number, "a signal such as SIGTERM, HUP or 15")

WORDS: Mapping[str, Read] = {
    "account": parsed(_account, "the name of an account, without ':'"),
    "call": parsed(_call, "a method such as proto.CoreService/Ping"),
    "environment": _environment,
    "host": parsed(host, "the name of a host, or an IP address, without port"),
    "mode": parsed(_octal, 'an octal mode such as "660"'),
    "name": parsed(values.worker_name, "1 to 64 letters, digits, '_' or '-'"),
    "percent": parsed(_percent, "a percentage such as 70%"),
    "pattern": parsed(_pattern, "a package's name, or its beginning and '*'"),
    "port": parsed(_port, "a port from 0 to 65535, or `auto`"),
    "resource": parsed(_resource, f"one of {', '.join(_RESOURCES)}"),
    "resource limit": _resource_limit,
    "retries": parsed(_retries, "0 to 1000, or `unlimited`"),
    "umask": parsed(_octal, 'an octal mask such as "027"'),
}
"""The word beside a field's type -> how it is read."""
