"""The page over a store without a cluster."""

import json
import re
from pathlib import Path
from urllib.parse import quote

import pytest

from finetune_store import DirectoryStore, S3Connection, open_store
from finetune_ui.sources import StoreSource
from finetune_ui.viewers import OneViewer
from support.filled_store import finished_experiment, running_experiment, running_search
from support.report_store import layout_of
from support.tarpit import Tarpit

from .conftest import Serve, Site, text_of


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "store")


@pytest.fixture
def site(store: DirectoryStore, serve: Serve) -> Site:
    return serve(OneViewer(StoreSource(store)))


def figures_of(page: str) -> dict[str, dict]:
    found = re.search(r'<script type="application/json" id="figures">(.*?)</script>', page, re.DOTALL)
    assert found
    return {figure["id"]: figure for figure in json.loads(found[1])}


def test_a_store_that_answers_a_byte_at_a_time_is_told_and_not_waited_for(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("finetune_ui.web._SECONDS", 0.3)
    with Tarpit("headers") as server:
        connection = S3Connection(server.endpoint, "us-east-1", "key", "made-up")
        answer = serve(OneViewer(StoreSource(open_store("s3://bucket", connection=connection)))).get("/")
    assert answer.status_code == 502
    assert "it took longer than 0.3 s" in text_of(answer.text)


def test_an_empty_store_says_how_to_begin(site: Site) -> None:
    assert "finetune run FILE" in text_of(site.get("/").text)


def test_the_list_has_every_experiment_and_search_with_what_has_ended(store: DirectoryStore, site: Site) -> None:
    running_experiment(store)
    running_search(store)
    finished_experiment(store, "other", 0.7, 0.8)

    page = site.get("/").text

    assert re.search(r"team/demo experiment Running 2/4", text_of(page))
    assert re.search(r"team/other experiment Reported 2/2", text_of(page))
    assert re.search(r"team/hunt search Running 4/\d+", text_of(page))
    assert 'href="/experiments/team/demo"' in page
    assert 'href="/searches/team/hunt"' in page
    assert "team/demo" not in site.get("/?namespace=another").text


def test_what_cannot_be_read_stands_beside_the_others(store: DirectoryStore, site: Site) -> None:
    running_experiment(store)
    store.put("team/torn/plan.json", b"{")

    assert re.search(r"team/torn experiment Unreadable", text_of(site.get("/").text))
    assert "team/demo experiment Running" in text_of(site.get("/").text)


def test_an_experiments_page_tells_tasks_runs_and_why_one_failed(store: DirectoryStore, site: Site) -> None:
    plan = running_experiment(store)

    told = text_of(site.get("/experiments/team/demo").text)

    assert "Running 3/4 runs ended" in told
    assert "rte 2/3, 1 failed accuracy 65.00 63.00 ± 2.83 (2)" in told
    assert re.search(r"Why runs failed Task Run When Why rte 2 \d+ \w+ ago UserError: no such column", told)
    assert f"rte 1 Succeeded 150/150 65.00 (best) {plan.runs_of('rte')[1].seed}" in told
    assert re.search(r"cola 0 Running 25/100, 1 min 30 s left 10.00 \d+ s ago", told)


def test_its_curves_are_of_all_runs_with_the_best_one_marked(store: DirectoryStore, site: Site) -> None:
    running_experiment(store)

    figures = figures_of(site.get("/experiments/team/demo").text)

    assert set(figures) == {"curves-rte", "curves-cola", "spread"}
    *curves, mark = figures["curves-rte"]["data"]
    assert {one["name"]: one["y"] for one in curves} == {"run 0": [0.5, 0.61, None], "run 1": [0.5, 0.65, None]}
    assert (mark["x"], mark["y"]) == ([75], [0.65])
    assert sorted(figures["spread"]["data"][0]["y"]) == [61.0, 65.0]


def test_a_searchs_page_tells_the_best_hyperparameters_and_draws_its_trials(store: DirectoryStore, site: Site) -> None:
    plan = running_search(store)

    page = site.get("/searches/team/hunt").text

    task = plan.order[0]
    assert "Running 4/" in text_of(page)
    assert "4 of 8 trials ended: 2 completed, 2 stopped early, 1 under way." in text_of(page)
    assert "Best hyperparameters Argument Value" in text_of(page)
    figures = figures_of(page)
    assert figures[f"learningRate-{task}"]["layout"]["xaxis"]["type"] == "log"
    best = figures[f"progress-{task}"]["data"][-1]
    assert best["y"] == sorted(best["y"])
    assert len(best["y"]) == 4


def test_files_of_a_report_can_be_downloaded_and_nothing_else(store: DirectoryStore, site: Site) -> None:
    plan = finished_experiment(store, "other", 0.7)
    root = layout_of(plan).root
    own = "/experiments/team/other"
    page = site.get(own).text
    assert f'href="{own}/files/results.csv"' in page
    assert f'href="{own}/files/best/rte.json"' in page

    csv = site.get(f"{own}/files/results.csv")
    assert csv.content == store.get(f"{root}/results.csv")
    assert csv.headers["Content-Disposition"] == 'attachment; filename="other-results.csv"'
    weights = next(info.key for info in store.list(root) if info.key.endswith("model.safetensors"))
    for path in (weights.removeprefix(f"{root}/"), "plan.json", "../other/plan.json", "%2e%2e/other/plan.json"):
        assert site.get(f"{own}/files/{path}").status_code == 404


def test_a_report_from_the_store_can_do_nothing_in_the_browser(store: DirectoryStore, site: Site) -> None:
    finished_experiment(store, "other", 0.7)

    report = site.get("/experiments/team/other/files/report.html")

    assert report.headers["Content-Disposition"].startswith("inline")
    assert report.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert report.headers["X-Content-Type-Options"] == "nosniff"


def test_what_the_store_says_is_text_and_never_markup(store: DirectoryStore, site: Site) -> None:
    plan = running_experiment(store)
    failure = layout_of(plan).run("rte", plan.runs_of("rte")[2].run_id).failure("a")
    store.put(failure, store.get(failure).replace(b"no such column", b"<img src=x onerror=alert(1)></script>"))

    page = site.get("/experiments/team/demo").text

    assert "<img src=x" not in page
    assert "&lt;img src=x" in page


def test_errors_are_pages_that_say_what_is_wrong(site: Site) -> None:
    absent = site.get("/experiments/team/absent")
    assert absent.status_code == 404
    assert "there is no experiment team/absent" in text_of(absent.text)
    assert site.get("/nowhere").status_code == 404
    assert site.session.put(f"{site.url}/", timeout=30).status_code == 405


def test_a_torn_plan_is_told_and_is_no_traceback(store: DirectoryStore, site: Site) -> None:
    store.put("team/torn/plan.json", b"{")
    answer = site.get("/experiments/team/torn")
    assert answer.status_code == 400
    assert "is no plan of this version" in text_of(answer.text)


def test_other_names_of_this_machine_get_no_answer(site: Site) -> None:
    assert site.get("/", Host="attacker.example:80").status_code == 421
    assert site.get("/", Host="localhost:1234").status_code == 200
    assert site.get("/healthz", Host="10.0.0.7").status_code == 200


def test_pages_load_nothing_from_elsewhere(store: DirectoryStore, site: Site) -> None:
    running_experiment(store)
    answer = site.get("/experiments/team/demo")
    assert "default-src 'none'; script-src 'self'" in answer.headers["Content-Security-Policy"]
    assert not re.search(r'(?:src|href)="(?!/|data:,)', answer.text)
    for path in re.findall(r'(?:src|href)="(/static/[^"]+)"', answer.text):
        assert site.get(path).status_code == 200
    assert b"plotly" in site.get("/static/plotly.js").content
    assert site.get("/static/web.py").status_code == 404


def test_a_run_that_goes_on_shows_at_the_next_look(store: DirectoryStore, site: Site) -> None:
    plan = running_experiment(store)
    assert "Running 3/4 runs ended" in text_of(site.get("/experiments/team/demo").text)
    cola = layout_of(plan).run("cola", plan.runs_of("cola")[0].run_id)
    store.put(cola.metrics("x"), store.get(cola.metrics("x")) + b'{"step": 50, "matthews_correlation": 0.3}\n')
    figures = figures_of(site.get("/experiments/team/demo").text)
    assert figures["curves-cola"]["data"][0]["y"] == [0.1, 0.3]


def test_a_files_name_is_no_part_of_the_headers_syntax(store: DirectoryStore, site: Site) -> None:
    finished_experiment(store, "demo", 0.6)
    document = json.loads(store.get("team/demo/results.json"))
    name = 'a"; filename="evil.html'
    store.put("team/demo/results.json", json.dumps({**document, "files": {name: ""}}).encode())
    store.put(f"team/demo/{name}", b"<script>")

    answer = site.get(f"/experiments/team/demo/files/{quote(name)}")

    assert answer.headers["Content-Disposition"] == 'inline; filename="demo-a___filename__evil.html"'
    assert answer.headers["Content-Security-Policy"].startswith("sandbox;")
    assert f'href="/experiments/team/demo/files/{quote(name)}"' in site.get("/experiments/team/demo").text
