"""How an attempt gets into its cluster: its pod or job, and its secret, made once, whoever tried before."""

import asyncio
from collections.abc import Mapping

from msgspec.structs import replace

from beeyard.adapters.execution import read_env_file
from beeyard.adapters.providers.kubernetes import ending, template
from beeyard.adapters.providers.kubernetes.place import Place
from beeyard.adapters.providers.kubernetes.pods import Object, Order, secret, workload
from beeyard.adapters.providers.kubernetes.section import KubernetesSection
from beeyard.adapters.surroundings import invited
from beeyard.domain.errors import NotFound, Rejected, Unavailable
from beeyard.domain.secrets import filled, references
from beeyard.domain.spec import WorkerSpec
from beeyard.ports.invitations import Invitations
from beeyard.ports.secrets import Secrets


async def order(
    spec: WorkerSpec,
    section: KubernetesSection,
    attempt: int,
    ports: Mapping[str, int],
    owner: str,
) -> Order:
    """What is to be made. Raises Rejected where one of its files is not what it was."""
    pod, variables = await asyncio.to_thread(_files, section)
    return Order(spec, section, attempt, ports, owner, pod, variables)


def _files(section: KubernetesSection) -> tuple[Object, dict[str, str]]:
    variables: dict[str, str] = {}
    for path in section.env_file:
        variables |= read_env_file(path)
    try:
        return template.read(section.template) if section.template else {}, variables
    except ValueError as error:
        text = "{path}: {reason}"
        raise Rejected("kubernetes_template", text, path=section.template, reason=str(error)) from None


async def make(place: Place, asked: Order, secrets: Secrets, invitations: Invitations) -> str:
    """Returns the uid of what was made, now or before. Raises Rejected and Unavailable."""
    await _require_alone(place, asked.spec.id, asked.attempt)
    # Only now, for it is written down: while the cluster is out of reach there is a try a second.
    invitation = await invited(asked.spec, asked.attempt, invitations, asked.section.start_timeout)
    asked = replace(asked, invitation=invitation)
    texts = await _texts(asked, secrets)
    uid = await _made(place, asked)
    if texts:
        await _kept(place, asked, secret(asked, texts, uid))
    return uid


async def _texts(asked: Order, secrets: Secrets) -> dict[str, str]:
    """What the variables are to hold that nobody is to read in the pod."""
    own = asked.section.environment
    names = {name for variable in asked.secret_variables for name in references(own.get(variable, ""))}
    known = {name: await secrets.fetch(name) for name in sorted(names)}
    return {name: asked.invitation.get(name) or filled(own[name], known) for name in asked.secret_variables}


async def _require_alone(place: Place, worker: str, attempt: int) -> None:
    for pod in (await place.pods(worker)).values():
        if pod.attempt == attempt or pod.state == "ended":
            continue
        if pod.going:
            text = "attempt {attempt} of {worker} has yet to go (pod {pod})"
            raise Unavailable("kubernetes_going", text, attempt=pod.attempt, worker=worker, pod=pod.name)
        text = "attempt {attempt} of {worker} still runs (pod {pod})"
        raise Rejected("worker_doubled", text, attempt=pod.attempt, worker=worker, pod=pod.name)


async def _made(place: Place, asked: Order) -> str:
    """One of this name is ours, whoever was told so: a create that timed out may have worked."""
    kind = asked.section.workload
    try:
        made = await place.create(kind, workload(asked))
        found = made or await place.look(kind, asked.name)
    except NotFound as error:
        raise Rejected("kubernetes_not_found", "{reason}", reason=str(error)) from None
    if made is None and not asked.labels.items() <= found.metadata.labels.items():
        text, hint = "there is a {kind} {name} that is not this worker's", "rename or delete it"
        raise Rejected("kubernetes_name_taken", text, kind=kind, name=asked.name, hint=hint)
    return found.metadata.uid


async def _kept(place: Place, asked: Order, body: Object) -> None:
    """What it is for can't begin without: it does not stay where that is refused."""
    try:
        await place.keep(body)
    except (Rejected, NotFound) as error:
        await ending.end(place, asked.owner, asked.spec.id, asked.attempt, ending.KILLING)
        if isinstance(error, NotFound):
            raise Rejected("kubernetes_not_found", "{reason}", reason=str(error)) from None
        raise
