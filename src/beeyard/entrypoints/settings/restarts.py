"""`restart_policy`, `context_aware_restart` and `profile_type` into one RestartPolicy. Knows both spellings, and that
they may not say different things.
"""

from typing import get_args

from beeyard.domain.spec import Backoff, RestartPolicy, RestartWhen, Trigger
from beeyard.domain.values import Duration
from beeyard.entrypoints.settings.decode import struct
from beeyard.entrypoints.settings.shape import Attempts, ContextAwareRestart, Restart, Worker
from beeyard.entrypoints.settings.tree import Mapping, Node, found
from beeyard.entrypoints.settings.words import FAILED, Context, choice

_PROFILES = {"batch": 3.0, "web": 1.0, "database": 5.0, "worker": 2.0, "scheduler": 2.5, "default": 1.0}
"""What a profile multiplies by where the file does not say."""

_SAME = {"delay": "retry_delay", "factor": "backoff_rate", "max_retries": "max_retries"}
_when = choice(get_args(RestartWhen))


def restart_policy(worker: Worker, context: Context) -> RestartPolicy:
    """The policy of a worker, with defaults for what is not said or was reported as wrong."""
    written = _written(worker.restart_policy, context)
    backoff = Backoff(written.delay, written.factor, written.max_delay, written.max_retries)
    overrides: dict[Trigger, Backoff] = {}
    older = ContextAwareRestart()
    if worker.context_aware_restart:
        older = struct(worker.context_aware_restart, ContextAwareRestart, context) or older
        if older.default:
            _agree(worker, written, older.default, context)
            backoff = _backoff(older.default, written)
        if older.health_failures:
            overrides["health"] = _backoff(older.health_failures, written)
        if older.resource_violations:
            overrides["resource"] = _backoff(older.resource_violations, written)
    return RestartPolicy(
        policy=written.policy,
        backoff=backoff,
        jitter=written.jitter,
        window=written.window,
        cool_down=written.cool_down,
        reset_after=written.reset_after,
        overrides=overrides,
        severity=older.severity_multipliers,
        profile=_profile(worker, older, context),
        startup_grace=older.startup_grace_period,
    )


def _written(node: Node | None, context: Context) -> Restart:
    """A word, or a mapping."""
    if not isinstance(node, Mapping):
        word = _when(node, context) if node else FAILED
        return Restart() if word is FAILED else Restart(policy=word)
    written = struct(node, Restart, context) or Restart()
    if written.delay > written.max_delay:
        if "max_delay" in node.entries:
            context.report.wrong(node.entries["max_delay"], "no less than `delay`")
        written.max_delay = written.delay
    return written


def _backoff(attempts: Attempts, written: Restart) -> Backoff:
    """The older block knows no cap; the cap never shortens the delay it names."""
    cap = Duration(max(written.max_delay, attempts.retry_delay))
    return Backoff(attempts.retry_delay, attempts.backoff_rate, cap, attempts.max_retries)


def _agree(worker: Worker, written: Restart, default: Attempts, context: Context) -> None:
    """What both blocks say must be the same."""
    policy, older = worker.restart_policy, worker.context_aware_restart
    block = older.entries["default"] if isinstance(older, Mapping) else None
    if not (isinstance(policy, Mapping) and isinstance(block, Mapping)):
        return
    for key, older_key in _SAME.items():
        one, other = policy.entries.get(key), block.entries.get(older_key)
        if one and other and getattr(written, key) != getattr(default, older_key):
            context.report.wrong(other, f"{found(one)}, as restart_policy.{key} says on line {one.line}")


def _profile(worker: Worker, older: ContextAwareRestart, context: Context) -> float:
    one, other = older.worker_profile_multipliers, older.process_profile_multipliers
    if one is not None and other is not None and one != other and worker.context_aware_restart:
        context.report.add(
            worker.context_aware_restart,
            "worker_profile_multipliers and process_profile_multipliers",
            "one of them: they mean the same",
        )
    profile = worker.profile_type or "default"
    return {**_PROFILES, **(other or {}), **(one or {})}[profile]
