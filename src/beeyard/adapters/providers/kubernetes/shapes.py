"""What is read of the API's answers, and nothing else of them: the rest is never kept in memory.

The names are the API's own (https://kubernetes.io/docs/reference/kubernetes-api/), in our way of writing.
"""

from datetime import datetime
from typing import Literal

from msgspec import Raw, Struct


class _Shape(Struct, frozen=True, rename="camel", gc=False):
    """Fields that are not listed are passed over."""


class Metadata(_Shape, frozen=True):
    """Of one object."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None


class Waiting(_Shape, frozen=True):
    """A container that does not run yet, or not at present."""

    reason: str = ""
    message: str = ""


class Terminated(_Shape, frozen=True):
    """A container that ended."""

    exit_code: int
    signal: int = 0
    reason: str = ""
    message: str = ""


class Running(_Shape, frozen=True):
    """A container that runs."""


class State(_Shape, frozen=True):
    """One of the three."""

    waiting: Waiting | None = None
    running: Running | None = None
    terminated: Terminated | None = None


class Container(_Shape, frozen=True):
    """What the kubelet says of one."""

    name: str = ""
    restart_count: int = 0
    state: State = State()
    last_state: State = State()


class Condition(_Shape, frozen=True):
    """One of a pod's."""

    type: str
    status: str
    reason: str = ""
    message: str = ""


class Status(_Shape, frozen=True):
    """Of a pod."""

    phase: Literal["Pending", "Running", "Succeeded", "Failed", "Unknown", ""] = ""
    reason: str = ""
    message: str = ""
    conditions: tuple[Condition, ...] = ()
    container_statuses: tuple[Container, ...] = ()
    init_container_statuses: tuple[Container, ...] = ()


class Spec(_Shape, frozen=True):
    """Of a pod: where it was put."""

    node_name: str = ""


class Pod(_Shape, frozen=True):
    """A pod, as far as it matters."""

    metadata: Metadata
    spec: Spec = Spec()
    status: Status = Status()


class Thing(_Shape, frozen=True):
    """Any object."""

    metadata: Metadata = Metadata()


class Event(_Shape, frozen=True):
    """Something that a controller had to say of an object."""

    type: str = ""
    reason: str = ""
    message: str = ""
    last_timestamp: datetime | None = None
    event_time: datetime | None = None


class Events(Struct, frozen=True):
    """What was said."""

    items: tuple[Event, ...] = ()


class Usage(Struct, frozen=True):
    """Of one container: quantities."""

    cpu: str = "0"
    memory: str = "0"


class Used(Struct, frozen=True):
    """One container."""

    usage: Usage = Usage()


class PodUsage(Struct, frozen=True):
    """What a pod used lately."""

    metadata: Metadata = Metadata()
    containers: tuple[Used, ...] = ()


class PodUsages(Struct, frozen=True):
    """Those of many."""

    items: tuple[PodUsage, ...] = ()


class Version(Struct, frozen=True):
    """Of the API server; the minor one may have a sign behind it."""

    major: str = ""
    minor: str = ""


class ListMarks(Struct, frozen=True, rename={"version": "resourceVersion", "token": "continue"}):
    """What a list says of itself: its version, and the token of the next page, if there is one."""

    version: str = ""
    token: str = ""


class Pods(Struct, frozen=True):
    """One page of a list."""

    metadata: ListMarks
    items: tuple[Pod, ...] = ()


class Line(Struct, frozen=True):
    """One line of a watch."""

    type: str
    object: Raw


class Cause(Struct, frozen=True):
    """One of a refusal's."""

    field: str = ""
    message: str = ""
    reason: str = ""


class Details(Struct, frozen=True, rename="camel"):
    """Of a refusal."""

    causes: tuple[Cause, ...] = ()
    retry_after_seconds: float = 0


class Answer(Struct, frozen=True):
    """A `Status` of the API: what it has to say instead of an object."""

    status: str = ""
    message: str = ""
    reason: str = ""
    code: int = 0
    details: Details = Details()
