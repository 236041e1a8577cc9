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
from support.results import plan_of
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

    assert re.search(r"team/demo experiment Running 3/4 65\.00 \(1/9\)", text_of(page))
    assert re.search(r"team/other experiment AllRunsSucceeded 2/2 80\.00 \(1/9\)", text_of(page))
    assert re.search(r"team/hunt search Running 4/\d+ rte \d", text_of(page))
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
    assert re.search(r"Why runs failed Task Run When Why rte 2 \d+[smhd] ago UserError: no such column", told)
    assert f"rte 1 Succeeded 150/150 65.00 (best) {plan.runs_of('rte')[1].seed}" in told
    assert re.search(r"cola 0 Running 25/100, 1 min 30 s left 10.00 \d+s ago", told)


def test_its_curves_are_of_all_runs_with_the_best_one_marked(store: DirectoryStore, site: Site) -> None:
    running_experiment(store)

    figures = figures_of(site.get("/experiments/team/demo").text)

    assert set(figures) == {"curves-rte", "curves-cola", "scores"}
    *curves, mark = figures["curves-rte"]["data"]
    assert {one["name"]: one["y"] for one in curves if one["name"].endswith("run") or one["name"].endswith("runs")} == {
        "other runs": [50.0, 61.0, None],
        "best run": [50.0, 65.0, None],
    }
    assert (mark["x"], mark["y"]) == ([75], [65.0])
    assert sorted(figures["scores"]["data"][0]["y"]) == [61.0, 65.0]


def test_the_list_tells_of_each_what_its_own_page_tells(store: DirectoryStore, site: Site) -> None:
    running_experiment(store)
    running_search(store)
    finished_experiment(store, "other", 0.7, 0.8)
    finished_experiment(store, "lost", None)
    plan = finished_experiment(store, "longer", 0.7)
    more = plan_of({"rte": 2}).model_copy(update={"experiment": "longer"})
    store.put(layout_of(plan).plan, more.to_bytes())
    listed = text_of(site.get("/").text)
    for path in (
        "experiments/team/demo",
        "searches/team/hunt",
        *(f"experiments/team/{name}" for name in ("other", "lost", "longer")),
    ):
        page = site.get(f"/{path}").text
        state, done = re.search(r'class="status [a-z]+">(\w+)</span>.*?</progress> (\d+/\d+)', page, re.DOTALL).groups()
        name = path.removeprefix("experiments/").removeprefix("searches/")
        assert re.search(rf"{name} (?:experiment|search) {state} {done} ", listed), (path, state, done)
    assert "team/lost experiment TaskFailed" in listed
    assert "team/longer experiment Running 1/2" in listed


def test_the_list_reads_again_only_what_has_changed(tmp_path: Path, serve: Serve) -> None:
    plan = finished_experiment(DirectoryStore(tmp_path), "other", 0.7)
    reads: list[str] = []

    class Watched(DirectoryStore):
        def get(self, key: str, *, limit: int) -> bytes:
            reads.append(key)
            return super().get(key, limit=limit)

    source = StoreSource(Watched(tmp_path))
    source.heads(None)
    assert "team/other/results.json" in reads
    reads.clear()
    source._again = 0
    assert source.heads(None)[0].state == "AllRunsSucceeded"
    assert reads == []
    more = plan_of({"rte": 2}).model_copy(update={"experiment": "other"})
    DirectoryStore(tmp_path).put(layout_of(plan).plan, more.to_bytes())
    source._again = 0
    assert source.heads(None)[0].state == "Running"


def test_a_runs_own_page_tells_settings_hardware_log_and_why_it_failed(store: DirectoryStore, site: Site) -> None:
    plan = running_experiment(store)
    succeeded = text_of(site.get("/experiments/team/demo/runs/rte/1").text)
    assert f"Run id {plan.runs_of('rte')[1].run_id} Seed {plan.runs_of('rte')[1].seed}" in succeeded
    assert "accuracy 65.00 at step 75" in succeeded
    assert "the best run of its task" in succeeded
    assert "step 50 of 150: accuracy 65.00" in succeeded
    assert "learningRate 5e-05" in succeeded
    failed = text_of(site.get("/experiments/team/demo/runs/rte/2").text)
    assert "Why it failed UserError: no such column" in failed
    going = text_of(site.get("/experiments/team/demo/runs/cola/0").text)
    assert "Running 25/100" in going
    assert site.get("/experiments/team/demo/runs/rte/9").status_code == 404
    assert site.get("/experiments/team/demo/runs/rte/x").status_code == 404


def test_side_by_side_are_from_two_to_eight_and_what_is_not_there_is_told(store: DirectoryStore, site: Site) -> None:
    running_experiment(store)
    finished_experiment(store, "other", 0.7, 0.8)
    page = site.get("/compare?of=team/demo&of=team/other&of=team/demo/rte/1").text
    assert set(figures_of(page)) == {"scores", "curves-rte", "curves-cola"}
    assert "rte accuracy 63.00 ± 2.83 (2) 75.00 ± 7.07 (2) 65.00 (1)" in text_of(page)
    assert site.get("/compare?of=team/demo&of=team/demo").status_code == 400
    assert site.get("/compare?of=team/demo&of=nonsense").status_code == 400
    assert site.get("/compare?of=team/demo&of=team/absent").status_code == 404


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
    assert figures["curves-cola"]["data"][0]["y"] == [10.0, 30.0]


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
