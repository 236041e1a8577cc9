"""Where the API server is and by whose rights it is asked; ClusterError where nothing says it."""

import os
from pathlib import Path

import kubernetes.client
import kubernetes.config

from finetune_kube.errors import ApiUnavailableError

ApiClient = kubernetes.client.ApiClient

_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_POOL_SIZE = 32


def of_process() -> ApiClient:
    """By the pod's service account, or by the kubeconfig outside a cluster; safe for many threads."""
    configuration = kubernetes.client.Configuration()
    try:
        kubernetes.config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    except kubernetes.config.ConfigException:
        kubernetes.config.load_kube_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    configuration.connection_pool_maxsize = _POOL_SIZE
    return ApiClient(configuration)


def of_user(context: str | None = None) -> tuple[ApiClient, str]:
    """By the kubeconfig ($KUBECONFIG, ~/.kube/config), or by the service account; with the namespace that it names."""
    configuration = kubernetes.client.Configuration()
    file = os.environ.get("KUBECONFIG") or None
    try:
        kubernetes.config.load_kube_config(file, context=context, client_configuration=configuration)  # type: ignore[no-untyped-call]
        namespace = _context_namespace(file, context)
    except kubernetes.config.ConfigException as error:
        namespace = _in_cluster(configuration, error)
    return ApiClient(configuration), namespace


def of_token(token: str, server: str, ca: str | None) -> ApiClient:
    """By somebody's token, and by nothing of this process's own."""
    configuration = kubernetes.client.Configuration()
    configuration.host, configuration.ssl_ca_cert = server, ca
    configuration.api_key = {"authorization": f"Bearer {token}"}
    return ApiClient(configuration)


def _in_cluster(configuration: kubernetes.client.Configuration, why: Exception) -> str:
    try:
        kubernetes.config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    except kubernetes.config.ConfigException:
        raise ApiUnavailableError(" ".join(str(why).split())) from why
    return _SERVICE_ACCOUNT.read_text().strip()


def _context_namespace(file: str | None, context: str | None) -> str:
    contexts, active = kubernetes.config.list_kube_config_contexts(file)  # type: ignore[no-untyped-call]
    chosen = next((entry for entry in contexts if entry["name"] == context), active)
    return str((chosen.get("context") or {}).get("namespace") or "default")
