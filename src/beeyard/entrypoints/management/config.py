"""Which provider, and how it is to run what it is given: plain values that are read as a part of a worker's section.

What a provider can't do that is asked of it here is an error, and never passed over.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from msgspec import Struct
from msgspec.structs import replace

from beeyard.adapters.providers import PROVIDERS
from beeyard.domain.errors import Invalid, Problem
from beeyard.domain.plain import shown

NAMESPACE = "default"
"""Where pods go unless somebody says otherwise."""


class ProviderType(str):
    """The word for a provider, as in a worker file: one of ours, or any that was registered where the master runs."""

    __slots__ = ()

    DOCKER: ClassVar["ProviderType"]
    KUBERNETES: ClassVar["ProviderType"]

    @staticmethod
    def registered() -> list["ProviderType"]:
        """All that are known in this program."""
        return [ProviderType(name) for name in PROVIDERS]


ProviderType.DOCKER = ProviderType("docker")
ProviderType.KUBERNETES = ProviderType("kubernetes")


class ProviderConfig(Struct, frozen=True):
    """One way to run workers; the `with_…` methods give another one.

    `name` is what workers of this configuration are told apart by. `pod_template` is the path of a file on the master's
    host, `kube_config` likewise; `namespace` and these are of clusters, `docker_host` is of a Docker Engine.
    """

    provider_type: str
    name: str
    image: str = ""
    namespace: str = ""
    docker_host: str = ""
    kube_config: str = ""
    pod_template: str = ""

    @classmethod
    def docker(cls, name: str) -> "ProviderConfig":
        """Containers of the engine that the `docker` command would take."""
        return cls(ProviderType.DOCKER, name)

    @classmethod
    def kubernetes(cls, name: str) -> "ProviderConfig":
        """Pods of the namespace `default`, in the cluster of the current context."""
        return cls(ProviderType.KUBERNETES, name, namespace=NAMESPACE)

    @classmethod
    def of(cls, provider_type: str, name: str) -> "ProviderConfig":
        """What any other provider runs."""
        return cls(provider_type, name)

    def with_image(self, image: str) -> "ProviderConfig":
        """What is run where no other image is named."""
        return replace(self, image=image)

    def with_namespace(self, namespace: str) -> "ProviderConfig":
        """Pods go there."""
        return replace(self, namespace=namespace)

    def with_docker_host(self, docker_host: str) -> "ProviderConfig":
        """Containers are of that engine: `unix://…`, `tcp://…` or `ssh://…`."""
        return replace(self, docker_host=docker_host)

    def with_kube_config(self, kube_config: str) -> "ProviderConfig":
        """The cluster is that of this file."""
        return replace(self, kube_config=kube_config)

    def with_pod_template(self, pod_template: str) -> "ProviderConfig":
        """Pods are made from this file, as Kubernetes writes it, in YAML or JSON."""
        return replace(self, pod_template=pod_template)

    def section(
        self, image: str, command: Sequence[str], environment: Mapping[str, str], more: Mapping[str, Any]
    ) -> dict[str, Any]:
        """A worker's section, in the provider's own words. Raises Invalid: `provider_config`."""
        asked: dict[str, Any] = {
            "image": image or self.image,
            "command": list(command),
            "environment": dict(environment),
            "namespace": self.namespace,
            "host": self.docker_host,
            "kubeconfig": self.kube_config,
            "template": self.pod_template,
        }
        known = self._words()
        if known is not None and "command" not in known and "executable_path" in known and command:
            del asked["command"]
            asked |= {"executable_path": command[0], "args": list(command[1:])}
        found = {word: value for word, value in asked.items() if value}
        if wrong := [
            Problem(word, shown(value), f"nothing: the provider {self.provider_type} has no {word}")
            for word, value in found.items()
            if known is not None and word not in known
        ]:
            raise Invalid("provider_config", "{text}", text="\n".join(map(str, wrong)), problems=wrong)
        return found | dict(more)

    def _words(self) -> tuple[str, ...] | None:
        """The keys of the provider's section; None for one that is not known in this program."""
        provider = PROVIDERS.get(self.provider_type)
        return None if provider is None else provider.section.__struct_fields__
