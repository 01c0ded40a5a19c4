"""What stands against a request, found before anything is changed, and all of it at once where that helps."""

import difflib
from collections.abc import Mapping, Sequence, Set

from msgspec.structs import asdict, replace

from beeyard.application.dependencies import Dependencies
from beeyard.application.listening import Listening
from beeyard.application.secrets import Definitions, unknown
from beeyard.application.supervisor import Supervisor
from beeyard.domain import order
from beeyard.domain.errors import Invalid, NotFound, Problem, Refused
from beeyard.domain.lifetime import ENDLESS
from beeyard.domain.master import ListenSpec, unreachable
from beeyard.domain.secrets import references
from beeyard.domain.sources import PackagesSpec
from beeyard.domain.spec import WorkerSpec, check
from beeyard.domain.values import instance_of
from beeyard.ports.provider import Act, Capabilities, Provider


def find(supervisors: Mapping[str, Supervisor], name: str) -> list[Supervisor]:
    """The worker of this name, or all instances of the group. Raises NotFound, naming the nearest."""
    if name in supervisors:
        return [supervisors[name]]
    if group := [found for found in supervisors.values() if instance_of(found.worker.id) == name]:
        return group
    raise missing(supervisors, name)


def missing(supervisors: Mapping[str, Supervisor], name: str) -> NotFound:
    """The error for a name that nobody has."""
    names = [*supervisors, *map(instance_of, supervisors)]
    near = difflib.get_close_matches(name, names, 1)
    hint = f"did you mean {near[0]}?" if near else "beeyard ps lists all"
    return NotFound("no_such_worker", "there is no worker {worker}", worker=name, hint=hint)


class Obstacles:
    """Looks at the workers of one master."""

    def __init__(
        self,
        supervisors: Mapping[str, Supervisor],
        providers: Mapping[str, Provider],
        dependencies: Dependencies,
        secrets: Definitions,
        listening: Listening,
    ) -> None:
        self._supervisors = supervisors
        self._providers = providers
        self._dependencies = dependencies
        self._secrets = secrets
        self._listening = listening

    def require_possible(
        self,
        specs: Sequence[WorkerSpec],
        without: Sequence[str] = (),
        secrets: Set[str] | None = None,
        listen: ListenSpec | None = None,
    ) -> None:
        """Refuse early what can't work; `secrets` are the names there will be, `listen` where the master will. Raises
        Invalid with all it found."""
        names = self._secrets.known() if secrets is None else secrets
        wished: dict[str, WorkerSpec] = {spec.id: spec for spec in specs}
        stay = {name: s.worker.spec for name, s in self._supervisors.items() if name not in without}
        known = stay | wished
        problems = []
        for spec in specs:
            provider = self._providers.get(spec.provider)
            if provider is None:
                raise Invalid("unknown_provider", "no provider {name} here", name=spec.provider)
            wrong = check(spec) or provider.check(spec) or _unaging(spec, provider.capabilities())
            wrong = wrong or _unscaled(spec, provider.capabilities()) or unknown(provider.secrets(spec), names)
            wrong = wrong or _unpassed(spec, provider.capabilities())
            wrong = wrong or self._unregistered(spec, provider, listen or self._listening.wish)
            problems += [replace(found, path=f"{spec.id}.{found.path}") for found in wrong]
        for spec in known.values():
            for need in spec.depends_on:
                if need not in known and (spec.id in wished or need in without):
                    text = "{worker} depends on {need}, which is no worker"
                    raise Invalid("unknown_dependency", text, worker=spec.id, need=need)
        if problems:
            raise Invalid("spec_invalid", "{text}", text="\n".join(map(str, problems)), problems=problems)
        order.levels({name: list(spec.depends_on) for name, spec in known.items()})

    def _unregistered(self, spec: WorkerSpec, provider: Provider, listen: ListenSpec) -> list[Problem]:
        """Why it could not register, if it is to."""
        if not spec.register:
            return []
        if not provider.capabilities().registers:
            return [Problem("register", "true", f"nothing: what {spec.provider} runs says how it is in another way")]
        problem = unreachable(listen)
        return [] if problem is None else [problem]

    def require_secrets(self, packages: PackagesSpec, names: Set[str]) -> None:
        """Raises Invalid when a repository is to be shown a secret that nobody knows."""
        found = {
            name: f"package_manager.repositories.{repository.name}.{field}"
            for repository in packages.repositories
            for field, text in asdict(repository.credentials).items()
            for name in references(text)
        }
        if problems := unknown(found, names):
            raise Invalid("secrets_invalid", "{text}", text="\n".join(map(str, problems)), problems=problems)

    def require_allowed(self, asked: Sequence[Supervisor], act: Act) -> None:
        """Raises Refused for what is not to be done to a worker that lives."""
        for supervisor in asked:
            if supervisor.attempt() is not None:
                spec = supervisor.worker.spec
                self._providers[spec.provider].require_allowed(spec, act)

    def require_removable(self, names: Sequence[str]) -> None:
        """Raises Refused while one of these lives, or is needed by one that is not among them; NotFound."""
        for name in names:
            if name not in self._supervisors:
                raise missing(self._supervisors, name)
            self._supervisors[name].require_down("removed")
            if needed := [other for other in self._dependencies.on(name) if other not in names]:
                raise Refused(
                    "worker_needed",
                    "{worker} can't be removed: it is needed by {others}",
                    worker=name,
                    others=", ".join(needed),
                    hint="remove those first, or change their depends_on",
                )

    def require_unused(self, secrets: Set[str], without: Set[str]) -> None:
        """Raises Refused when one of these secrets is needed by a worker that is not among those `without`."""
        for supervisor in self._supervisors.values() if secrets else ():
            spec = supervisor.worker.spec
            if spec.id not in without and (needed := secrets & self._providers[spec.provider].secrets(spec).keys()):
                raise Refused(
                    "secret_needed",
                    "the secret {name} can't be dropped: it is needed by {worker}",
                    name=min(needed),
                    worker=spec.id,
                    hint="change or remove that worker first",
                )


def _unaging(spec: WorkerSpec, provider: Capabilities) -> list[Problem]:
    """A lifetime where nobody may end the worker for it."""
    if not provider.owns and spec.lifetime != ENDLESS:
        return [Problem("lifetime", "a lifetime", "none", hint="the worker is not Beeyard's, which only watches it")]
    return []


def _unpassed(spec: WorkerSpec, provider: Capabilities) -> list[Problem]:
    """Listening sockets for what can't be given one."""
    listening = [name for name, endpoint in spec.endpoints.items() if endpoint.listen is not None]
    hint = "`provider: process` does"
    expected = f"none: {spec.provider} passes no sockets on"
    return [
        Problem(f"endpoints.{name}.listen", "a socket", expected, hint=hint)
        for name in listening
        if not provider.listens
    ]


def _unscaled(spec: WorkerSpec, provider: Capabilities) -> list[Problem]:
    """A group of which some are on standby, where nobody may start and stop its instances."""
    if not provider.owns and spec.varies:
        found = "a group that scales" if spec.half == 0 else "a group that goes over blue-green"
        return [Problem("instances", found, "none", hint="the workers are not Beeyard's to stop")]
    return []
