"""The pod that a template file holds, as plain values. What a worker's own section says is put upon it elsewhere."""

from pathlib import Path
from typing import Any

from beeyard.domain.errors import Problem

KINDS = ("Pod", "PodTemplate")


def read(path: str) -> dict[str, Any]:
    """The file's pod: `metadata` and `spec`. Raises ValueError with what is wrong."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        found = YAML(typ="safe").load(Path(path).read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(getattr(error, "strerror", "") or "no text") from None
    except YAMLError as error:
        raise ValueError("no YAML: " + " ".join(str(error).split())) from None
    kind = found.get("kind") if isinstance(found, dict) else None
    if kind not in KINDS:
        raise ValueError(f"no {' or '.join(KINDS)}")
    pod = found.get("template") if kind == "PodTemplate" else found
    if not isinstance(pod, dict) or not isinstance(pod.get("spec"), dict):
        raise ValueError("no pod's `spec`")
    containers = pod["spec"].get("containers") or []
    if not isinstance(containers, list) or not all(isinstance(one, dict) for one in containers):
        raise ValueError("`containers` are no list of mappings")
    if not isinstance(pod.get("metadata") or {}, dict):
        raise ValueError("`metadata` are no mapping")
    return {"metadata": pod.get("metadata") or {}, "spec": pod["spec"]}


def problems(path: str, image: str) -> list[Problem]:
    """What keeps this template from being a worker; `image`: the one that the section names."""
    try:
        pod = read(path)["spec"] if path else {}
    except ValueError as error:
        return [Problem("run.template", f"{path}: {error}", "a file with a pod, as Kubernetes writes it")]
    if pod.get("restartPolicy", "Never") != "Never":
        hint = "the worker's own `restart_policy` says when it is started again"
        return [Problem("run.template", f"restartPolicy: {pod['restartPolicy']}", "Never, or nothing", hint=hint)]
    if not image and not any(one.get("image") for one in pod.get("containers") or []):
        return [Problem("run.image", "no image", "the image that it runs, here or in its template")]
    return []
