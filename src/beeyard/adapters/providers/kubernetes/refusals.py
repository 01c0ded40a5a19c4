"""What the API's refusals mean for who asked: its status and its words become our errors here, once."""

from collections.abc import Mapping

import msgspec

from beeyard.adapters.providers.kubernetes.shapes import Answer
from beeyard.domain.errors import BeeyardError, Limited, NotFound, Refused, Rejected, Unavailable

LATER = 1.0
"""Seconds to wait where the API says "too many" and not for how long."""


def answered(body: bytes) -> Answer:
    """What it said; a proxy before it may have said anything."""
    try:
        return msgspec.json.decode(body, type=Answer)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Answer(message=body[:200].decode("utf-8", "replace").strip())


def refusal(status: int, said: Answer, headers: Mapping[str, str]) -> BeeyardError:
    """The error to raise for an answer that is none of what was asked for."""
    message = said.message or f"the API server answered {status}"
    if status == 404:
        return NotFound("kubernetes_not_found", "{message}", message=message)
    if status == 409:
        return Refused("kubernetes_conflict", "{message}", message=message)
    if status == 429:
        return Limited("kubernetes_limited", "{message}", message=message, retry_after=_wait(said, headers))
    if status >= 500:
        return Unavailable("kubernetes_unavailable", "the API server: {message}", message=message)
    code, hint = _kind(status, message)
    return Rejected(code, "{message}", message=message, hint=hint)


def _kind(status: int, message: str) -> tuple[str, str]:
    if status == 401:
        return "kubernetes_unidentified", "renew the token or certificate of its kubeconfig"
    if "exceeded quota" in message:
        return "kubernetes_quota", "ask for less, or have the quota of the namespace raised"
    if "admission webhook" in message or "violates PodSecurity" in message or "denied request" in message:
        return "kubernetes_admission", "the policy of the cluster says what it wants changed"
    if status == 403:
        return "kubernetes_forbidden", "bind the role that `beeyard` needs: see rbac.yaml"
    return "kubernetes_invalid", ""


def _wait(said: Answer, headers: Mapping[str, str]) -> float:
    try:
        return max(0.0, float(headers.get("Retry-After", "")))
    except ValueError:
        return said.details.retry_after_seconds or LATER
