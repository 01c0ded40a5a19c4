"""The part of a worker file that says which pod to run, and in which cluster: the provider kubernetes's own.

Plain values, checked by whoever read the file. The words beside a type say what the value names on this host, so that
a loader can look it up without knowing this provider. What a cluster takes as it is (an affinity, a quantity) is left
for the cluster to judge.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from beeyard.adapters.execution import said
from beeyard.domain.spec import Line, Path, Text
from beeyard.domain.values import Duration

Named = Annotated[
    str,
    Meta(
        pattern=r"^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?)?(?!\n)$",
        description="a name of Kubernetes: lower case letters, digits, '-' and '.'; or nothing",
        examples=["workers"],
    ),
]
Image = Annotated[
    str, Meta(pattern=r"^[^\x00-\x20]*(?!\n)$", max_length=512, description="an image", examples=["busybox:1.36"])
]
Variable = Annotated[
    str, Meta(pattern=r"^[^\x00=]+$", max_length=4096, description="the name of an environment variable")
]
Value = Annotated[Text, Meta(extra={"hidden": True})]
Arguments = Annotated[tuple[Text, ...], Meta(max_length=10_000, examples=[["60"]])]
InnerFolder = Annotated[
    str,
    Meta(pattern=r"^(/[^\x00\n]*)?(?!\n)$", max_length=4096, description="an absolute path within the container"),
]
File = Annotated[Path, Meta(min_length=1), "file"]
Quantities = dict[Line, Line]
Wait = Annotated[Duration, Meta(ge=1, le=86_400, description="seconds, from 1 to a day of them")]


class Toleration(Struct, frozen=True, omit_defaults=True):
    """A taint of nodes that the pod does not mind; `seconds`: for how long, of those that drive pods away."""

    key: Line = ""
    operator: Literal["Equal", "Exists"] = "Equal"
    value: Line = ""
    effect: Literal["", "NoSchedule", "PreferNoSchedule", "NoExecute"] = ""
    seconds: Annotated[int, Meta(ge=0, le=2**31, description="a whole number of seconds")] | None = None


class Resources(Struct, frozen=True, omit_defaults=True):
    """Quantities as Kubernetes writes them, by name: `cpu: 500m`, `nvidia.com/gpu: 1`. What the worker's own `limits:`
    say of memory and cores stands above these."""

    requests: Quantities = field(default_factory=dict)
    limits: Quantities = field(default_factory=dict)


class KubernetesSection(Struct, frozen=True, omit_defaults=True):
    """One pod, or with `workload: job` the job that makes it.

    `kubeconfig` and `context`: the cluster; KUBECONFIG, the usual file, or the cluster we run in ourselves if there are
    none. `template`: a file with a pod as Kubernetes writes it, to which all this is added; its container `worker`, or
    else its first one, is the worker. `start_timeout`: how long it may wait for a place and its image.
    """

    image: Image = ""
    command: Annotated[Arguments, said("executable_path")] = ()
    args: Annotated[Arguments, said("args")] = ()
    environment: Annotated[dict[Variable, Value], "environment", Meta(max_length=10_000), said("environment")] = field(
        default_factory=dict
    )
    env_file: Annotated[tuple[File, ...], Meta(max_length=100), said("env_file")] = ()
    working_directory: Annotated[InnerFolder, said("working_directory")] = ""
    resources: Resources = Resources()
    namespace: Named = ""
    service_account: Named = ""
    node_selector: Annotated[dict[Line, Line], Meta(max_length=100)] = field(default_factory=dict)
    tolerations: Annotated[tuple[Toleration, ...], Meta(max_length=100)] = ()
    affinity: Annotated[dict[str, Any], "plain"] = field(default_factory=dict)
    pull_policy: Literal["", "Always", "IfNotPresent", "Never"] = ""
    pull_secrets: Annotated[tuple[Named, ...], Meta(max_length=100)] = ()
    labels: Annotated[dict[Line, Line], Meta(max_length=100)] = field(default_factory=dict)
    template: Annotated[Path, "file"] = ""
    workload: Literal["pod", "job"] = "pod"
    start_timeout: Wait = Duration(300.0)
    kubeconfig: Annotated[Path, "file"] = ""
    context: Line = ""
