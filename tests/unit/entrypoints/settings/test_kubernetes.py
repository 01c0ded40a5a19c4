"""A worker of a cluster, as files say it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

WORKER = """
secrets: {token: {env: TOKEN}}
workers:
  - id: w
    provider: kubernetes
    kubernetes:
      image: busybox:1.36
      command: [sleep, 1000]
      environment: {TOKEN: "${secret:token}", PRICE: $5}
      kubeconfig: config
      namespace: bees
      tolerations: [{key: gpu, operator: Exists}]
      affinity:
        nodeAffinity:
          preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, preference: {matchExpressions: []}}]
      resources: {limits: {cpu: 500m, nvidia.com/gpu: 1}}
      start_timeout: 2m
      workload: job
"""


def test_a_worker_of_a_cluster_is_read_as_it_is_written(load: Callable[..., Any], tmp_path: Path) -> None:
    """Files are found from the worker file on, and what only Kubernetes knows is kept as it is."""
    (tmp_path / "config").touch()
    (spec,) = load(WORKER).workers
    assert spec.provider == "kubernetes"
    weighed = [{"weight": 1, "preference": {"matchExpressions": []}}]
    assert spec.run == {
        "image": "busybox:1.36",
        "command": ["sleep", "1000"],
        "environment": {"TOKEN": "${secret:token}", "PRICE": "$5"},
        "kubeconfig": str(tmp_path / "config"),
        "namespace": "bees",
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": weighed}},
        "resources": {"limits": {"cpu": "500m", "nvidia.com/gpu": "1"}},
        "start_timeout": 120.0,
        "workload": "job",
    }


def test_what_a_section_can_not_have_is_told_with_its_line(errors: Callable[..., list[str]]) -> None:
    """As of every section."""
    text = (
        "workers:\n- id: w\n  provider: kubernetes\n  kubernetes:\n    image: i\n    affinity: near\n    workload: x\n"
    )
    assert errors(text) == [
        "beeyard.yaml:6: workers[0].kubernetes.affinity: found 'near', expected a mapping",
        "beeyard.yaml:7: workers[0].kubernetes.workload: found 'x', expected pod or job",
    ]
