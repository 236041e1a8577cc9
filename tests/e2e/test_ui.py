"""The web page as the chart installs it: nothing but viewers' tokens to go by."""

import requests

from e2e.harness import K8S, Experiments, spec, wait_until
from finetune_dev import release
from finetune_dev.forward import forwarded

_SECONDS = 30


def _viewer(namespace: str) -> str:
    """A token that may read experiments and the store's Secret, in one namespace."""
    K8S.core.create_namespaced_service_account(namespace, {"metadata": {"name": "viewer"}})
    rules = [
        {"apiGroups": ["finetune.dev"], "resources": ["finetuneexperiments", "hpsearches"], "verbs": ["get", "list"]},
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": [release.STORE], "verbs": ["get"]},
    ]
    K8S.rbac.create_namespaced_role(namespace, {"metadata": {"name": "viewer"}, "rules": rules})
    binding = {
        "metadata": {"name": "viewer"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "viewer"},
        "subjects": [{"kind": "ServiceAccount", "name": "viewer", "namespace": namespace}],
    }
    K8S.rbac.create_namespaced_role_binding(namespace, binding)
    return str(K8S.core.create_namespaced_service_account_token("viewer", namespace, {"spec": {}}).status.token)


def test_a_viewer_sees_a_run_as_it_goes_and_the_results_when_they_are_there(
    experiment: Experiments, namespace: str
) -> None:
    shown = experiment("shown")
    shown.apply(spec(["rte"]))
    session = requests.Session()
    session.trust_env = False
    session.headers["Authorization"] = f"Bearer {_viewer(namespace)}"
    with session, forwarded(release.NAMESPACE, f"service/{release.UI}", release.UI_PORT) as port:
        site = f"http://localhost:{port}"

        def page(path: str) -> str:
            return session.get(f"{site}{path}", timeout=_SECONDS).text

        assert requests.get(site, timeout=_SECONDS, allow_redirects=False, proxies={"http": ""}).status_code == 303
        own = f"/experiments/{namespace}/shown"
        assert own in page(f"/?namespace={namespace}")
        wait_until("the page to show a step of the run", lambda: " left" in page(own) or "Succeeded" in page(own))
        shown.ends()
        wait_until("the page to show the end", lambda: "AllRunsSucceeded" in page(own))
        assert "curves-rte" in page(own)
        assert session.get(f"{site}{own}/files/results.csv", timeout=_SECONDS).content == shown.read("results.csv")
        assert "report.html" in page(own)
        assert session.get(f"{site}/?namespace=kube-system", timeout=_SECONDS).status_code == 403
