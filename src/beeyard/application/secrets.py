"""Which secrets there are: what each worker file says of where to fetch them, saved, so that the next master knows.

The values are none of our business. A name that several files define means the same in all of them, and one that is
still referred to can't be dropped: its workers would not survive their next restart.
"""

import difflib
from collections.abc import Mapping, Set
from os.path import isabs

import msgspec

from beeyard.domain.errors import Invalid, Problem, Refused
from beeyard.domain.master import SecretSource
from beeyard.domain.secrets import secret_name
from beeyard.ports.secrets import Secrets
from beeyard.ports.store import Commit, Document, Store

KIND = "secrets"

Sources = dict[str, SecretSource]


class Definitions:
    """The secrets of one master, by the files that define them."""

    def __init__(self, store: Store, secrets: Secrets) -> None:
        self._store = store
        self._secrets = secrets
        self._by_origin: dict[str, Sources] = {}

    async def wake(self) -> None:
        """Load them."""
        for document in await self._store.documents(KIND):
            self._by_origin[document.key] = msgspec.json.decode(document.body or b"{}", type=Sources)
        self._secrets.define(self._all())

    def of(self, origin: str) -> Sources:
        """What this file defines."""
        return self._by_origin.get(origin, {})

    def known(self, origin: str = "", sources: Mapping[str, SecretSource] | None = None) -> set[str]:
        """All names; with `sources` as if this were what the file `origin` defines."""
        others = {name: of for name, of in self._by_origin.items() if sources is None or name != origin}
        return {name for of in (*others.values(), sources or {}) for name in of}

    def require(self, origin: str, sources: Mapping[str, SecretSource]) -> None:
        """Raises Invalid for what is no source, Refused when another file says otherwise."""
        if problems := [problem for name, source in sources.items() for problem in _problems(name, source)]:
            raise Invalid("secrets_invalid", "{text}", text="\n".join(map(str, problems)), problems=problems)
        for other, theirs in self._by_origin.items():
            for name in sources:
                if other != origin and name in theirs and theirs[name] != sources[name]:
                    raise Refused(
                        "secret_conflict",
                        "{other} takes the secret {name} from elsewhere than {origin} does",
                        name=name,
                        other=other,
                        origin=origin,
                        hint="make them the same, or give one of them another name",
                    )

    async def define(self, origin: str, sources: Mapping[str, SecretSource]) -> None:
        """From now on this is what the file defines; saved when this returns. Raises Unavailable."""
        if sources == self.of(origin):
            return
        body = msgspec.json.encode(sources) if sources else None
        commit = Commit([], [], [], [], {}, documents=[Document(KIND, origin, body)])
        await self._store.commit(commit, durable=True)
        self._by_origin.pop(origin, None)
        if sources:
            self._by_origin[origin] = dict(sources)
        self._secrets.define(self._all())

    def _all(self) -> Sources:
        return {name: source for of in self._by_origin.values() for name, source in of.items()}


def unknown(found: Mapping[str, str], known: Set[str]) -> list[Problem]:
    """A problem for each name of `found`, which tells where it stands, that is not among the known ones."""
    names = sorted(known)
    problems = []
    for name in sorted(found.keys() - known):
        near = difflib.get_close_matches(name, names, 1)
        hint = f"did you mean '{near[0]}'?" if near else "`beeyard up` of the file that names it makes it known"
        problems.append(Problem(found[name], f"the secret '{name}'", "one that a worker file names", hint=hint))
    return problems


def _problems(name: str, source: SecretSource) -> list[Problem]:
    path = f"secrets.{name}"
    try:
        secret_name(name)
    except ValueError as error:
        return [Problem("secrets", "another name", str(error))]
    given = [word for word in ("file", "env", "command") if getattr(source, word)]
    if len(given) != 1:
        return [Problem(path, " and ".join(given) or "no source", "one of file, env or command")]
    if source.file and not isabs(source.file):
        return [Problem(f"{path}.file", "a relative path", "an absolute one")]
    return []
