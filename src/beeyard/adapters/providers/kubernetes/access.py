"""How a cluster is reached: from a kubeconfig, or from within the cluster itself.

The vendor's library reads them (contexts, certificates, tokens, exec plugins) and is imported here only: that takes two
seconds, in a thread, when a first worker needs it. Secrets stay in the headers of what is returned.
"""

import asyncio
import os
import ssl
from importlib import import_module
from pathlib import Path
from typing import Any

from msgspec import Struct

from beeyard.domain.errors import Rejected

INSTALL = "pip install 'beeyard[kubernetes]'"
NAMESPACE = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"


class Access(Struct, frozen=True):
    """What a request needs; `namespace` is where workers go that name none."""

    host: str
    namespace: str
    headers: dict[str, str]
    tls: ssl.SSLContext | None = None
    server_name: str | None = None
    proxy: str | None = None

    def __repr__(self) -> str:
        return f"Access({self.host!r})"


def files(kubeconfig: str) -> str:
    """The kubeconfig that counts, perhaps several with ':' between them; empty: there is none."""
    usual = os.path.expanduser("~/.kube/config")
    return kubeconfig or os.environ.get("KUBECONFIG", "") or (usual if os.path.exists(usual) else "")


def within() -> bool:
    """Whether we run in a cluster."""
    return bool(os.environ.get("KUBERNETES_SERVICE_HOST"))


async def reach(kubeconfig: str, context: str) -> Access:
    """Read afresh each time, for tokens and certificates are replaced now and then.

    Raises Rejected with what is missing or wrong.
    """
    found = files(kubeconfig)
    if not found and not within():
        hint = "name a `kubeconfig`, set KUBECONFIG, or run it in a cluster"
        raise Rejected("kubernetes_no_cluster", "no cluster is known", hint=hint)
    try:
        config = await asyncio.to_thread(import_module, "kubernetes_asyncio.config")
        client = await asyncio.to_thread(import_module, "kubernetes_asyncio.client.configuration")
    except ImportError as error:
        text = "no kubernetes_asyncio: {reason}"
        raise Rejected("kubernetes_missing", text, reason=str(error), hint=INSTALL) from None
    settings = client.Configuration()
    try:
        if found:
            loader = await config.load_kube_config(
                found, context or None, client_configuration=settings, persist_config=False
            )
            namespace = loader.current_context["context"].get("namespace", "")
        else:
            config.load_incluster_config(settings)
            namespace = await asyncio.to_thread(Path(NAMESPACE).read_text)
        return Access(
            settings.host.rstrip("/"),
            namespace.strip() or "default",
            {entry["key"]: entry["value"] for entry in (await settings.auth_settings()).values()},
            _tls(settings) if settings.host.startswith("https") else None,
            settings.tls_server_name,
            settings.proxy,
        )
    except Exception as error:  # An exec plugin, a file or a certificate: the library raises what it meets.
        text = "the access to the cluster can't be had from {source}: {reason}"
        source = found or "the service account"
        raise Rejected("kubernetes_access", text, source=source, reason=_said(error)) from None


def _tls(settings: Any) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=settings.ssl_ca_cert)
    # Python 3.13 asks for key identifiers that the certificates of many a cluster lack; kubectl does not ask for them.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if settings.cert_file:
        context.load_cert_chain(settings.cert_file, keyfile=settings.key_file)
    if not settings.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _said(error: Exception) -> str:
    return f"no {error}" if isinstance(error, KeyError) else str(error) or type(error).__name__
