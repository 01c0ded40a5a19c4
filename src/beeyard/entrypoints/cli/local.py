"""Worker files and command lines as specs, read here and not by the master: its folder is not ours, nor its PATH."""

import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from beeyard.domain.errors import BeeyardError, Invalid, NotFound
from beeyard.domain.spec import WorkerSpec
from beeyard.entrypoints import settings
from beeyard.entrypoints.settings import Settings
from beeyard.entrypoints.settings.files import ENVIRONMENT
from beeyard.entrypoints.settings.workers import Providers

CLI = "cli"
"""The origin of what no file names."""


def load(file: str | None, environ: Mapping[str, str] = os.environ) -> Settings:
    """The worker file, or the one of this folder. Raises Invalid with all of its problems."""
    return settings.load(file or settings.find("."), environ=environ, providers=_providers())


def specs_of_file(file: str, names: Sequence[str]) -> list[WorkerSpec]:
    """Workers of a file, all or the named ones, as if they had been given here. Raises NotFound."""
    from beeyard.domain.values import instance_of

    specs = load(file).workers
    if names:
        known = {name for spec in specs for name in (spec.id, instance_of(spec.id))}
        for name in names:
            if name not in known:
                text, hint = "{file} names no worker {name}", f"it names {', '.join(sorted(known)) or 'none'}"
                raise NotFound("no_such_worker", text, file=file, name=name, hint=hint)
        specs = [spec for spec in specs if spec.id in names or instance_of(spec.id) in names]
    return [replace(spec, origin=CLI) for spec in specs]


def specs_of_command(
    name: str, command: Sequence[str], env: Sequence[str], cwd: str | None, policy: str | None, ports: Sequence[str]
) -> list[WorkerSpec]:
    """One worker from a command line, by the same rules as one in a file. Raises Invalid."""
    program, *args = command
    execution = {
        "executable_path": str(Path(program).absolute()) if "/" in program else program,
        "args": args,
        "environment": _pairs(env, "--env", "NAME=VALUE"),
        "working_directory": str(Path(cwd or ".").absolute()),
    }
    worker: dict[str, Any] = {"id": name, "execution": execution}
    if policy:
        worker["restart_policy"] = policy
    if ports:
        found = _pairs(ports, "--port", "NAME=NUMBER or NAME=auto")
        worker["endpoints"] = {key: _endpoint(key, port) for key, port in found.items()}
    folder = tempfile.mkdtemp(prefix="beeyard-")
    try:
        file = Path(folder, "beeyard.yaml")
        # What a shell has expanded already is not expanded again. JSON is YAML.
        text = json.dumps({"workers": [worker]}, ensure_ascii=False).replace("${", "$${")
        file.write_text(text, "utf-8", "surrogateescape")
        environ = {key: value for key, value in os.environ.items() if key != ENVIRONMENT}
        specs = settings.load(str(file), environ=environ, providers=_providers()).workers
    except Invalid as error:
        raise _without_file(error) from None
    except UnicodeEncodeError:
        raise Invalid("not_text", "the command line is no valid UTF-8") from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return [replace(spec, origin=CLI) for spec in specs]


def _endpoint(name: str, port: str) -> dict[str, Any]:
    protocol = name if name in {"http", "https", "grpc"} else "tcp"
    return {"protocol": protocol, "port": int(port) if port.isdecimal() else port}


def _pairs(given: Sequence[str], option: str, form: str) -> dict[str, str]:
    pairs = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise Invalid("usage", "{option} {text}: expected {form}", option=option, text=text, form=form)
        pairs[key] = value
    return pairs


def _without_file(error: Invalid) -> BeeyardError:
    problems = [
        replace(found, file="", line=0, path=found.path.removeprefix("workers[0].").removeprefix("execution."))
        for found in error.problems
    ]
    return Invalid(error.code, "this is no worker; nothing was changed", hint=error.hint, problems=problems)


def summary(loaded: Settings) -> Mapping[str, Any]:
    """What `config check` has to say of a file without problems."""
    return {
        "file": loaded.path,
        "forms": {str(Path(file).absolute()): form for file, form in loaded.forms.items()},
        "workers": [
            {
                "id": spec.id,
                "provider": spec.provider,
                "enabled": spec.enabled,
                "endpoints": {
                    name: f"unix:{end.unix}"
                    if end.unix
                    else f"{end.protocol}://{end.host}:{end.port or 'auto'}{end.path}"
                    for name, end in spec.endpoints.items()
                },
            }
            for spec in loaded.workers
        ],
    }


def _providers() -> Providers:
    from beeyard.adapters.providers import PROVIDERS

    return PROVIDERS
