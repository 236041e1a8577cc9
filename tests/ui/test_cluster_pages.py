"""The page over a real API server: by one's own rights, and by those of whoever signs in."""

from dataclasses import replace

import pytest
from kubernetes import client

from finetune_client.kube.client import connect
from finetune_core.api import Storage
from finetune_ui.sources import ClusterSource
from finetune_ui.viewers import COOKIE, SECURE_COOKIE, ByToken, OneViewer
from support.experiments import API, PLURAL
from support.report_store import fail_run
from support.world import World, spec_of

from .conftest import Serve, Site, text_of

pytestmark = [pytest.mark.apiserver, pytest.mark.s3]

VIEW = [
    {"apiGroups": ["finetune.dev"], "resources": ["finetuneexperiments", "hpsearches"], "verbs": ["get", "list"]},
]
SECRETS = [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]


@pytest.fixture
def own(world: World, serve: Serve) -> Site:
    return serve(OneViewer(ClusterSource(connect(None, world.namespace))))


@pytest.fixture
def by_token(world: World, serve: Serve) -> Site:
    return serve(ByToken(world.namespace))


def token_of(world: World, name: str, rules: list[dict]) -> str:
    """A service account with a Role of these rules in the world's namespace; its token."""
    core, rbac = client.CoreV1Api(world.api), client.RbacAuthorizationV1Api(world.api)
    core.create_namespaced_service_account(world.namespace, {"metadata": {"name": name}})
    rbac.create_namespaced_role(world.namespace, {"metadata": {"name": name}, "rules": rules})
    rbac.create_namespaced_role_binding(
        world.namespace,
        {
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": world.namespace}],
        },
    )
    made = core.create_namespaced_service_account_token(name, world.namespace, {"spec": {"expirationSeconds": 3600}})
    return str(made.status.token)


def sign_in(site: Site, token: str) -> None:
    answer = site.post("/login", token=f"  {token}\n")
    assert answer.status_code == 303
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie


def test_by_ones_own_rights_the_list_and_the_pages_are_those_of_the_cluster(world: World, own: Site) -> None:
    world.apply("first", spec_of(world.server, {"rte": 2}))
    world.to_the_end("first")

    assert "AllRunsSucceeded" in own.get("/").text
    page = own.get(f"/experiments/{world.namespace}/first").text
    assert "AllRunsSucceeded" in page
    assert "2/2 runs ended" in page
    assert "71.00 (best)" in page
    assert own.get(f"/experiments/{world.namespace}/first/files/results.csv").text.startswith("task,metric")


def test_what_is_wrong_with_an_experiment_stands_at_its_head(world: World, own: Site) -> None:
    world.apply("first", spec_of(world.server, {"rte": 1}, model={"uri": "s3://results/absent"}))
    world.look("first", 2)

    page = own.get(f"/experiments/{world.namespace}/first").text

    assert "s3://results/absent" in page
    assert 'class="note"' in page
    assert own.get(f"/experiments/{world.namespace}/second").status_code == 404


def test_without_a_token_one_is_sent_to_sign_in(by_token: Site) -> None:
    answer = by_token.get("/")
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/login"
    assert "Token" in by_token.get("/login").text


def test_a_token_shows_what_its_owner_may_see(world: World, by_token: Site) -> None:
    world.apply("first", spec_of(world.server, {"rte": 1}))
    world.to_the_end("first")
    sign_in(by_token, token_of(world, "reader", [*VIEW, *SECRETS]))

    everywhere = by_token.get("/")
    assert everywhere.status_code == 403
    assert "Name a namespace" in everywhere.text
    assert "first" in by_token.get(f"/?namespace={world.namespace}").text
    assert "70.00 (best)" in by_token.get(f"/experiments/{world.namespace}/first").text
    assert by_token.get("/?namespace=default").status_code == 403


def test_a_run_that_failed_before_and_is_tried_again_is_no_failed_run(world: World, own: Site) -> None:
    world.apply("first", spec_of(world.server, {"rte": 2}))
    world.look("first", times=2)
    fail_run(world.store, world.plan("first"), "rte", 0, "the disk was full")

    page = text_of(own.get(f"/experiments/{world.namespace}/first").text)

    assert "rte 0/2 accuracy" in page
    assert "rte 0 Pending" in page
    assert "to be tried again UserError: the disk was full" in page


def test_who_may_not_read_the_secret_sees_the_status_and_why_not_the_rest(world: World, by_token: Site) -> None:
    world.apply("first", spec_of(world.server, {"rte": 1}))
    world.to_the_end("first")
    sign_in(by_token, token_of(world, "guest", VIEW))

    page = by_token.get(f"/experiments/{world.namespace}/first")

    assert page.status_code == 200
    assert "AllRunsSucceeded" in page.text
    assert "you may not do this" in page.text
    assert "<td>70.00</td>" in page.text
    assert "(best)" not in page.text
    assert by_token.get(f"/experiments/{world.namespace}/first/files/results.csv").status_code == 403


def test_what_one_viewer_opened_is_not_shown_to_the_next(world: World, by_token: Site) -> None:
    world.apply("first", spec_of(world.server, {"rte": 1}))
    world.to_the_end("first")
    path = f"/experiments/{world.namespace}/first"
    reader, guest = token_of(world, "reader", [*VIEW, *SECRETS]), token_of(world, "guest", VIEW)

    assert "70.00 (best)" in by_token.get(path, Authorization=f"Bearer {reader}").text
    assert "70.00 (best)" not in by_token.get(path, Authorization=f"Bearer {guest}").text


def test_a_token_that_the_cluster_does_not_know_is_refused(by_token: Site) -> None:
    sign_in(by_token, "not.a.token")
    answer = by_token.get("/")
    assert answer.status_code == 403
    assert "the cluster does not know you" in answer.text
    assert "/login" in answer.text


def test_what_cannot_be_a_token_is_told(by_token: Site) -> None:
    for wrong in ("", "two words", "héllo"):
        assert by_token.post("/login", token=wrong).status_code == 403


def test_where_tls_is_on_the_cookie_is_that_of_this_host_alone(by_token: Site) -> None:
    tls = {"X-Forwarded-Proto": "https"}
    by_token.session.headers.update(tls)
    cookie = by_token.post("/login", token="a.b.c").headers["Set-Cookie"]
    assert cookie.startswith(f"{SECURE_COOKIE}=a.b.c")
    assert SECURE_COOKIE.startswith("__Host-")
    assert "Secure" in cookie
    assert "Path=/" in cookie
    assert "Domain" not in cookie
    assert by_token.get("/", Cookie=f"{COOKIE}=a.b.c").headers["Location"] == "/login", "a neighbour could have set it"


def test_signing_out_forgets_the_token(world: World, by_token: Site) -> None:
    sign_in(by_token, token_of(world, "reader", VIEW))
    assert by_token.session.cookies.get(COOKIE)
    by_token.post("/logout")
    assert not by_token.session.cookies.get(COOKIE)
    assert by_token.get("/").status_code == 303


def test_the_operators_own_storage_is_read_with_the_viewers_secret(world: World, by_token: Site) -> None:
    spec = spec_of(world.server, {"rte": 1})
    world.config = replace(world.config, default_storage=Storage.model_validate(spec.pop("storage")))
    world.restart()
    world.apply("first", spec)
    world.to_the_end("first")
    token = token_of(world, "reader", [*VIEW, *SECRETS])

    page = by_token.get(f"/experiments/{world.namespace}/first", Authorization=f"Bearer {token}")

    assert "70.00 (best)" in page.text


def test_a_run_that_gives_no_sign_of_life_shows_on_list_and_page_with_its_pod(world: World, own: Site) -> None:
    world.apply("exp", spec_of(world.server, {"rte": 1}))
    words = "0 of 1 runs ended. rte run 0 in pod exp-0-x on node gpu-7 has given no sign of life for 6 min: see node."
    condition = {"type": "Succeeded", "status": "Unknown", "reason": "Stalled", "message": words}
    told = {"lastTransitionTime": "2026-01-01T00:00:00Z", "observedGeneration": 1}
    body = {"status": {"observedGeneration": 1, "conditions": [{**condition, **told}]}}
    world.custom.patch_namespaced_custom_object_status(*API, world.namespace, PLURAL, "exp", body)

    assert '<td class="status stuck">Stalled</td>' in own.get("/").text
    page = own.get(f"/experiments/{world.namespace}/exp").text
    assert '<span class="status stuck">Stalled</span>' in page
    assert words in page
