"""The `workers:` of a file into WorkerSpecs: defaults merged in, instances spread, spellings united, names checked."""

from collections.abc import Mapping
from typing import Any, Protocol

from msgspec import Struct, structs

from beeyard.domain.differences import SECTIONS
from beeyard.domain.master import unreachable
from beeyard.domain.spec import LogSpec, WorkerSpec
from beeyard.domain.values import WorkerId
from beeyard.entrypoints.settings import contained, instances, kinds, modules, tree
from beeyard.entrypoints.settings.decode import nearest, struct
from beeyard.entrypoints.settings.depends import Needs, depends_on, resolve
from beeyard.entrypoints.settings.endpoints import endpoints, no_fixed_ports
from beeyard.entrypoints.settings.execution import section, stop
from beeyard.entrypoints.settings.lifetimes import aging
from beeyard.entrypoints.settings.limits import limits, with_priority
from beeyard.entrypoints.settings.probes import probes
from beeyard.entrypoints.settings.restarts import restart_policy
from beeyard.entrypoints.settings.rollouts import rollout, side_by_side
from beeyard.entrypoints.settings.shape import LATER_VALUES, Global, Worker
from beeyard.entrypoints.settings.sources import package
from beeyard.entrypoints.settings.tree import Node, Scalar, below, empty, merge
from beeyard.entrypoints.settings.words import FAILED, Context, choice, text


class Provider(Protocol):
    """What reading a worker takes of its provider: the type of its section, of that of a worker from a package, and of
    that of one that runs a module. A section without fields is none: nothing of it is written."""

    @property
    def section(self) -> type[Struct]: ...

    @property
    def packaged(self) -> type[Struct] | None: ...

    @property
    def hosted(self) -> type[Struct] | None: ...


Providers = Mapping[str, Provider]

_kind = choice(kinds.KINDS)


def workers(
    node: Node, defaults: Node | None, older: Global, providers: Providers, origin: str, context: Context
) -> list[WorkerSpec]:
    """Every worker of the list, in its order. Of `older`, processes and modules have defaults of their own."""
    if not isinstance(node, tree.Sequence):
        context.report.wrong(node, "a list of workers")
        return []
    specs: dict[str, list[WorkerSpec]] = {}
    needs: dict[str, Needs] = {}
    lines: dict[str, int] = {}
    sections = [key for name, known in providers.items() for key in _keys(name, known)]
    for item in node.items:
        whole = _with_defaults(item, defaults, older)
        worker = struct(whole, Worker, context, sections)
        if worker is None or not isinstance(whole, tree.Mapping) or not isinstance(item, tree.Mapping):
            continue
        if "id" not in whole.entries or empty(whole.entries["id"]):
            context.report.missing(item, "id", "a name: 1 to 64 letters, digits, '_' or '-'")
        name = worker.id or item.path
        if name in lines:
            context.report.add(whole.entries["id"], f"'{name}' again, after line {lines[name]}", "an id of its own")
            name = item.path
        elif worker.id:
            lines[name] = whole.entries["id"].line
        needs[name] = depends_on(worker.depends_on, context)
        spec = _spec(item, whole, worker, providers, origin, context)
        specs[name] = instances.spread(name, worker.instances, spec, context)
        side_by_side(whole, specs[name][0], context)
    resolved = resolve(needs, {name: [spec.id for spec in group] for name, group in specs.items()}, context.report)
    instances.restart_none(needs, specs, context)
    return [
        structs.replace(spec, depends_on=resolved[name]) if resolved[name] else spec
        for name, group in specs.items()
        for spec in group
    ]


def _with_defaults(item: Node, defaults: Node | None, older: Global) -> Node:
    """The older ones yield to `defaults`, and all to what the worker says."""
    whole = merge(defaults, item)
    words = [whole.entries.get(key) for key in ("provider", "type")] if isinstance(whole, tree.Mapping) else []
    in_master = any(isinstance(word, Scalar) and word.text == "module" for word in words)
    return merge(older.module_defaults if in_master else older.process_defaults, whole)


def _keys(name: str, provider: Provider) -> list[str]:
    """The keys of a worker in which the section of this provider stands."""
    key = SECTIONS.get(name, name)
    return [key] if key else list(provider.section.__struct_encode_fields__)


def _section(node: tree.Mapping, name: str, provider: Provider) -> Node | None:
    """The section as written."""
    entries = {key: node.entries[key] for key in _keys(name, provider) if not empty(node.entries.get(key))}
    if SECTIONS.get(name, name):
        return next(iter(entries.values()), None)
    return structs.replace(node, entries=entries) if entries else None


def _spec(
    own: tree.Mapping, node: tree.Mapping, worker: Worker, providers: Providers, origin: str, context: Context
) -> WorkerSpec:
    """The worker, still without id and dependencies: `own` is what it says itself, `node` that with the defaults."""
    provider, kind = _provider(worker, providers, context)
    _only_never(worker, context)
    if worker.register and (problem := unreachable(context.listen)):
        context.report.add(node.entries["register"], problem.found, problem.expected, problem.hint)
    restricted, priority = limits(worker, context)
    if provider in modules.UNLIMITABLE:
        restricted = modules.unlimited(restricted, own, provider, context)
    ends = endpoints(worker.endpoints, context)
    if kind == "integrated":
        ends = kinds.with_port(ends)
    packaged = package(worker.package, context)
    plan = rollout(worker.rollout, packaged, ends, context)
    if instances.several(worker.instances) and not instances.two_colours(plan):
        no_fixed_ports(node, ends, context)
    module, steps = modules.of_worker(node, provider, kind, not empty(worker.package), context)
    run: dict[str, Any] = {}
    for name, known in providers.items():
        keys, written = _keys(name, known), _section(node, name, known)
        execution = node.entries.get(contained.KEY) if contained.understood(known.section) else None
        if name == provider and execution and not empty(execution):
            written = contained.joined(written, execution, below(node.path, keys[0]), known.section, context)
        if name == provider and written is None and keys:
            if (known.packaged and not empty(worker.package)) or (known.hosted and module is not None):
                written = tree.Mapping(node.file, node.line, below(node.path, keys[0]), {})  # Others say it all.
            else:
                context.report.missing(node, keys[0], f"what the provider {name} runs")
        if name == provider and written:
            if known.packaged and not empty(worker.package):
                run = section(written, known.packaged, kind, "", context)
            elif known.hosted and module is not None:
                run = section(written, known.hosted, kind, context.folder, context)
            else:
                run = section(written, known.section, kind, context.folder, context)
            if execution and not empty(execution):
                run = contained.assumed(known.section) | run
            if name == "process":
                run = with_priority(run, priority, worker.limits, context)
            if module is not None:
                modules.fits(written, context)
            steps = modules.steps(steps, stop(written, context), node, written, context)
        elif provider and name != provider:
            hint = modules.ELSEWHERE if provider == "module" and name == "process" else ""
            if provider in providers and contained.understood(providers[provider].section):
                keys = [key for key in keys if key != contained.KEY]
            for entry in (own.entries[key] for key in keys if not empty(own.entries.get(key))):
                context.report.add(
                    entry, f"a section of the provider {name}", f"none: the provider is {provider}", hint
                )
    asked = probes(node, worker, ends, module is not None, context)
    if kind == "integrated":
        asked = asked or kinds.asked_by_grpc(node, context)
    spec = WorkerSpec(
        id=WorkerId(""),
        provider=provider,
        run=run,
        enabled=worker.enabled,
        exit_on=worker.exit_on,
        register=worker.register,
        endpoints=ends,
        probes=asked,
        restart=restart_policy(worker, context),
        stop=steps or WorkerSpec(WorkerId(""), "", {}).stop,
        limits=restricted,
        logs=LogSpec(worker.logs.max_size, worker.logs.max_files),
        package=packaged,
        module=module,
        rollout=plan,
        origin=origin,
    )
    spec = aging(spec, worker.lifetime, node, context)
    if provider == "unmanaged":
        return kinds.unmanaged(spec, own, node, providers[provider].section, context)
    return spec


def _provider(worker: Worker, providers: Providers, context: Context) -> tuple[str, str]:
    """Provider and kind, from `provider`, its synonym `type`, and `kind`; a provider of "" was reported."""
    chosen: dict[str, tuple[str, Node]] = {}
    for written in (worker.provider, worker.type):
        word = text(written, context) if written else FAILED
        if word is FAILED or not written:
            continue
        _choose(chosen, "provider", "process" if word in kinds.KINDS else word, written, context)
        if word in kinds.KINDS:
            _choose(chosen, "kind", word, written, context)
    if worker.kind and (word := _kind(worker.kind, context)) is not FAILED:
        _choose(chosen, "kind", word, worker.kind, context)
    provider, place = chosen.get("provider", ("process", None))
    kind, kind_place = chosen.get("kind", ("managed", None))
    if kind_place and provider != "process":
        context.report.wrong(kind_place, f"no kind: the provider {provider} has none")
    elif kind == "unmanaged":
        provider = kind
    if provider in providers or not place:
        return provider, kind
    if provider in LATER_VALUES:
        context.report.later(place, LATER_VALUES[provider])
    else:
        context.report.wrong(place, "the name of a provider", nearest(provider, [*providers, *LATER_VALUES]))
    return "", kind


def _choose(chosen: dict[str, tuple[str, Node]], what: str, word: str, node: Node, context: Context) -> None:
    """Two spellings must agree."""
    first, place = chosen.setdefault(what, (word, node))
    if first != word:
        context.report.wrong(node, f"the {what} {first}, as line {place.line} says")


def _only_never(worker: Worker, context: Context) -> None:
    """Words of the format that this version can take only at rest."""
    if worker.schedule and not (isinstance(worker.schedule, Scalar) and worker.schedule.text == ""):
        context.report.later(worker.schedule, "schedules")
