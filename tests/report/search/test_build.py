import base64
import csv
import hashlib
import io
import json
import re
from pathlib import Path
from time import monotonic

import pytest
import yaml

from finetune_core.results.search.export import BestHyperparameters
from finetune_core.results.search.summary import SearchSummary
from finetune_core.results.search.trial import TrialState
from finetune_core.search_layout import TrialKind
from finetune_report.errors import ResultsChangedError
from finetune_report.search.build import build_search
from finetune_store import DirectoryStore
from support.report_store import RecordingStore, contents
from support.search_trials import claim, clock, finalist, layout_of, leave, mixed_trials, search_plan, trial

PLAN = search_plan()
PLOTS = {"hyperparameters", "progress", "parallel", "importance"}
DRIVERS_FILES = re.compile(r"search\.json|(tasks|trials|finalists|drivers)/.*")


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "store")


def build(store: DirectoryStore, digest: str | None = None) -> SearchSummary:
    return build_search(store, "team", "hunt", expected=digest)


def report_files(store: DirectoryStore) -> dict[str, bytes]:
    """What a report writes, by key below the search's folder."""
    found = {key.removeprefix("team/hunt/"): data for key, data in contents(store, "team/hunt").items()}
    return {key: data for key, data in found.items() if not DRIVERS_FILES.fullmatch(key)}


def table(store: DirectoryStore, name: str = "trials.csv") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(store.get(f"team/hunt/{name}").decode())))


def test_a_report_has_hyperparameters_tables_plots_and_a_page(store: DirectoryStore) -> None:
    build(store, leave(store, PLAN, mixed_trials(PLAN, 8)))
    plots = {f"plots/rte-{name}.{suffix}" for name in PLOTS for suffix in ("png", "svg")}
    tables = {"trials.csv", "summary.csv", "summary.md", "summary.html", "summary.json"}
    assert set(report_files(store)) == {"hps/rte.yaml", "hps/best.json"} | tables | plots


def test_exported_values_are_those_of_the_best_row_of_the_table(store: DirectoryStore) -> None:
    build(store, leave(store, PLAN, mixed_trials(PLAN, 8)))
    best = max((row for row in table(store) if row["value"]), key=lambda row: float(row["value"]))
    exported = yaml.safe_load(store.get("team/hunt/hps/rte.yaml"))
    assert exported == {name: yaml.safe_load(best[name]) for name in exported} | {
        "learningRate": float(best["learningRate"])
    }
    stated = BestHyperparameters.model_validate_json(store.get("team/hunt/hps/best.json")).tasks["rte"]
    assert stated.hyperparameters == exported
    assert (str(stated.trial), stated.trial_id, stated.value) == (best["index"], best["trialId"], float(best["value"]))


def test_summary_json_says_what_it_was_made_from_and_names_every_file(store: DirectoryStore) -> None:
    digest = leave(store, PLAN, mixed_trials(PLAN, 8))
    summary = build(store, digest)
    files = report_files(store)
    assert SearchSummary.model_validate_json(files.pop("summary.json")) == summary
    assert summary.report_digest == digest
    assert summary.files == {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    (task,) = summary.tasks
    assert (task.counts.planned, task.counts.completed, task.counts.stopped, task.counts.failed) == (8, 5, 2, 1)
    assert (task.end_reason, task.efficiency.wall_seconds) == ("AllTrials", 600)
    assert [row.value for row in task.top] == sorted((row.value for row in task.top), reverse=True)


def test_summary_json_is_taken_away_first_and_written_last(tmp_path: Path) -> None:
    store = RecordingStore(tmp_path / "store")
    digest = leave(store, PLAN, mixed_trials(PLAN, 4))
    store.writes.clear()
    build(store, digest)
    assert store.writes[0] == ("delete", "team/hunt/summary.json")
    assert store.writes[-1] == ("put", "team/hunt/summary.json")


def test_the_same_trials_give_the_same_bytes(tmp_path: Path) -> None:
    made = []
    for name in ("one", "two"):
        store = DirectoryStore(tmp_path / name)
        build(store, leave(store, PLAN, mixed_trials(PLAN, 8)))
        made.append(report_files(store) | contents(store, "team"))
        for key, data in made[-1].items():
            made[-1][key] = data.replace(store.uri().encode(), b"STORE")
        # The texts hold the store's URI, and summary.json their digests.
        for key in ("summary.json", "team/hunt/summary.json"):
            document = json.loads(made[-1][key])
            del document["files"]
            made[-1][key] = json.dumps(document).encode()
    assert made[0] == made[1]


def test_plots_and_page_hold_no_time_and_no_version(store: DirectoryStore) -> None:
    build(store, leave(store, PLAN, mixed_trials(PLAN, 8)))
    for name, data in report_files(store).items():
        if name.startswith("plots/"):
            assert b"<dc:date>" not in data
            assert b"Matplotlib v" not in data
            assert b"tEXtSoftware" not in data


def test_a_report_that_is_there_whole_and_current_is_left_alone(tmp_path: Path) -> None:
    store = RecordingStore(tmp_path / "store")
    digest = leave(store, PLAN, mixed_trials(PLAN, 4))
    first = build(store, digest)
    store.writes.clear()
    assert build(store, digest) == first
    assert store.writes == []


@pytest.mark.parametrize("name", ["hps/rte.yaml", "summary.json", "plots/rte-progress.svg"])
def test_a_report_of_which_a_file_is_gone_is_made_again(store: DirectoryStore, name: str) -> None:
    digest = leave(store, PLAN, mixed_trials(PLAN, 4))
    build(store, digest)
    before = report_files(store)
    store.delete(f"team/hunt/{name}")
    build(store, digest)
    assert report_files(store) == before


def test_what_an_earlier_report_wrote_and_this_one_does_not_goes(store: DirectoryStore) -> None:
    both = search_plan(("rte", "mrpc"))
    build(store, leave(store, both, [*mixed_trials(both, 4, "rte"), *mixed_trials(both, 4, "mrpc")]))
    assert "hps/mrpc.yaml" in report_files(store)
    build(store, leave(store, PLAN, mixed_trials(PLAN, 4)))
    assert not [name for name in report_files(store) if "mrpc" in name]


def test_every_trial_is_a_row_with_its_hyperparameters_and_metrics(store: DirectoryStore) -> None:
    trials = mixed_trials(PLAN, 8)
    leave(store, PLAN, list(reversed(trials)))
    build(store)
    rows = table(store)
    assert [int(row["index"]) for row in rows] == list(range(8))
    for row, one in zip(rows, trials, strict=True):
        assert (row["trialId"], row["state"], row["task"], row["kind"]) == (one.trial_id, one.state, "rte", "trials")
        assert float(row["learningRate"]) == one.config["learningRate"]
        assert (row["runIds"], row["seeds"]) == (" ".join(one.run_ids), " ".join(map(str, one.seeds)))
        assert row["error"] == (one.error or "")
        if one.state == TrialState.FAILED:
            assert row["value"] == row["accuracy_best"] == ""
            continue
        assert float(row["value"]) == float(row["accuracy_best"]) == one.value
        assert int(row["accuracy_best_step"]) == one.history[1].step
        assert float(row["accuracy_last"]) == one.history[-1].metrics["accuracy"]
        # Less loss is better, whatever the objective wants.
        assert float(row["loss_best"]) == one.history[-1].metrics["loss"]
        assert float(row["progress"]) == (0.5 if one.state == TrialState.STOPPED else 1)


def test_finalists_are_rows_decide_and_show_the_winners_bias(store: DirectoryStore) -> None:
    plan = search_plan(finalists={"trials": 2, "seeds": 3})
    lucky, steady = trial(plan, 0, value=0.9), trial(plan, 1, value=0.8)
    again = [finalist(plan, 0, lucky, 0.70), finalist(plan, 1, steady, 0.79)]
    summary = build(store, leave(store, plan, [lucky, steady], again))
    assert [(row["kind"], row["index"]) for row in table(store)] == [
        ("trials", "0"),
        ("trials", "1"),
        ("finalists", "0"),
        ("finalists", "1"),
    ]
    assert yaml.safe_load(store.get("team/hunt/hps/rte.yaml")) == steady.config
    rows = summary.tasks[0].finalists
    assert [(row.trial, row.before, row.after, row.exported) for row in rows] == [
        (0, 0.9, 0.70, False),
        (1, 0.8, 0.79, True),
    ]
    text = store.get("team/hunt/summary.md").decode()
    assert "| 0 | 90.00 | 70.00 | -20.00 | 3 | Completed |  |" in text
    assert "| 1 | 80.00 | 79.00 | -1.00 | 3 | Completed | yes |" in text
    assert "changed by -10.50 on average" in text


def test_a_proxied_task_has_a_file_of_its_own_that_says_so(store: DirectoryStore) -> None:
    plan = search_plan(proxy_for={"rte": ["qnli"]})
    build(store, leave(store, plan, mixed_trials(plan, 4)))
    rte, qnli = (store.get(f"team/hunt/hps/{task}.yaml").decode() for task in ("rte", "qnli"))
    assert yaml.safe_load(rte) == yaml.safe_load(qnli)
    assert "qnli was not searched: these are the values of rte" in qnli
    assert "| qnli | accuracy | – | not searched: as rte |" in store.get("team/hunt/summary.md").decode()


def test_the_page_needs_nothing_beside_it_and_escapes_what_it_shows(store: DirectoryStore) -> None:
    plan = search_plan(model={"uri": "s3://<script>alert(1)</script>", "digest": "d"})
    build(store, leave(store, plan, mixed_trials(plan, 8)))
    page = store.get("team/hunt/summary.html").decode()
    sources = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(sources) == len(PLOTS)
    for source in sources:
        kind, _, content = source.partition("base64,")
        assert kind == "data:image/svg+xml;"
        assert b"<svg" in base64.b64decode(content)
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert 'name="viewport"' in page


@pytest.mark.parametrize(("state", "value"), [(TrialState.FAILED, None), (TrialState.COMPLETED, float("nan"))])
def test_without_any_value_there_is_a_report_that_says_so(
    store: DirectoryStore, state: TrialState, value: float | None
) -> None:
    summary = build(store, leave(store, PLAN, [trial(PLAN, index, state=state, value=value) for index in range(3)]))
    files = report_files(store)
    assert set(files) == {"hps/best.json", "trials.csv", *(f"summary.{kind}" for kind in ("json", "csv", "md", "html"))}
    assert json.loads(files["hps/best.json"])["tasks"] == {}
    assert summary.tasks[0].best is None
    assert "No trial has a value" in files["summary.md"].decode()
    assert len(table(store)) == 3


def test_one_trial_is_enough_for_a_report_and_too_little_for_some_plots(store: DirectoryStore) -> None:
    summary = build(store, leave(store, PLAN, [trial(PLAN, 0)]))
    assert set(summary.tasks[0].plots) == {"hyperparameters", "progress"}
    assert len(summary.tasks[0].notes) == 2
    assert "at least 4 completed trials" in store.get("team/hunt/summary.md").decode()


def test_trials_that_are_all_alike_have_no_importance(store: DirectoryStore) -> None:
    summary = build(store, leave(store, PLAN, [trial(PLAN, index, value=0.5) for index in range(6)]))
    assert "importance" not in summary.tasks[0].plots
    assert summary.tasks[0].importance == {}


def test_the_summary_tells_the_importance_that_is_drawn(store: DirectoryStore) -> None:
    summary = build(store, leave(store, PLAN, [trial(PLAN, index) for index in range(8)]))
    shares = summary.tasks[0].importance
    assert set(shares) <= {"learningRate", "maxSteps", "warmupRatio"}
    assert sum(shares.values()) == pytest.approx(1)
    assert list(shares.values()) == sorted(shares.values(), reverse=True)


def test_no_trial_at_all_is_reported(store: DirectoryStore) -> None:
    summary = build(store, leave(store, PLAN, []))
    assert summary.tasks[0].counts.ended == 0


def test_a_claimed_trial_without_a_result_is_a_row_and_blocks_nothing(store: DirectoryStore) -> None:
    digest = leave(store, PLAN, [trial(PLAN, 0)])
    claim(store, PLAN, 1)
    place = layout_of(PLAN).trial(TrialKind.TRIALS, "rte", 2)
    store.put(place.claim(0), b"{")
    summary = build(store, digest)
    rows = table(store)
    assert [(row["index"], row["state"]) for row in rows] == [
        ("0", "Completed"),
        ("1", "Unfinished"),
        ("2", "Unfinished"),
    ]
    assert rows[1]["driver"] == "driver-0"
    assert float(rows[1]["learningRate"]) > 0
    assert summary.tasks[0].counts.unfinished == 2


def test_a_configuration_that_was_proposed_twice_counts_once(store: DirectoryStore) -> None:
    first = trial(PLAN, 0)
    second = trial(PLAN, 1, configuration=first.config, duplicate_of=0, value=first.value)
    summary = build(store, leave(store, PLAN, [first, second]))
    assert [row.trial for row in summary.tasks[0].top] == [0]
    assert summary.tasks[0].counts.duplicates == 1
    assert [row["duplicateOf"] for row in table(store)] == ["", "0"]


@pytest.mark.parametrize("content", [b"{", b"{}", b"[]", None])
def test_a_trial_that_is_gone_or_unreadable_since_all_had_ended_is_not_reported_without(
    store: DirectoryStore, caplog: pytest.LogCaptureFixture, content: bytes | None
) -> None:
    plan = search_plan(trials=2)
    digest = leave(store, plan, [trial(plan, 0), trial(plan, 1)])
    key = layout_of(plan).trial(TrialKind.TRIALS, "rte", 0).result
    store.delete(key)
    if content is not None:
        store.put(key, content)
    with pytest.raises(ResultsChangedError, match="1 of 2 trials and 0 finalists of rte have a result"):
        build(store, digest)
    assert report_files(store) == {}
    assert content is None or r"trials/rte/00000/result.json is no TrialResult" in caplog.text


def test_a_result_in_another_trials_folder_is_named_and_counts_as_none(
    store: DirectoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    digest = leave(store, PLAN, [trial(PLAN, 0)])
    store.put(layout_of(PLAN).trial(TrialKind.TRIALS, "rte", 1).result, trial(PLAN, 0).to_json())
    build(store, digest)
    assert [row["state"] for row in table(store) if row["index"] == "0"] == ["Completed"]
    assert "is of trial 0 of rte" in caplog.text


def test_an_error_leaves_the_report_that_was_there(store: DirectoryStore) -> None:
    build(store, leave(store, PLAN, [trial(PLAN, 0)]))
    before = report_files(store)
    with pytest.raises(ResultsChangedError):
        build(store, "0000")
    assert report_files(store) == before


def test_another_digest_than_ordered_writes_nothing(store: DirectoryStore) -> None:
    leave(store, PLAN, [trial(PLAN, 0)])
    with pytest.raises(ResultsChangedError, match="not 0000"):
        build(store, "0000")
    assert report_files(store) == {}


def test_a_task_that_was_given_up_is_reported_beside_the_others(store: DirectoryStore) -> None:
    plan = search_plan(("rte", "mrpc"))
    trials = [*mixed_trials(plan, 4, "rte"), *mixed_trials(plan, 2, "mrpc")]
    summary = build(store, leave(store, plan, trials, ended=["rte"]))
    assert [task.end_reason for task in summary.tasks] == ["TimeBudget", None]
    assert "The search was given up" in store.get("team/hunt/summary.md").decode()


def test_times_that_are_no_times_cost_only_the_figures_made_of_them(store: DirectoryStore) -> None:
    trials = [trial(PLAN, index, started_at="?", finished_at="?") for index in range(5)]
    summary = build(store, leave(store, PLAN, trials))
    assert summary.tasks[0].efficiency.seconds_to_best is None
    assert set(summary.tasks[0].plots) == PLOTS


def test_a_trial_that_ended_before_its_driver_began_is_a_matter_of_clocks(store: DirectoryStore) -> None:
    summary = build(store, leave(store, PLAN, [trial(PLAN, 0, finished_at=clock(-5))]))
    assert summary.tasks[0].efficiency.seconds_to_best is None


def test_early_stopping_shows_in_what_was_spent(store: DirectoryStore) -> None:
    trials = [trial(PLAN, 0), trial(PLAN, 1, state=TrialState.STOPPED)]
    spent = build(store, leave(store, PLAN, trials)).tasks[0].efficiency
    assert spent.steps_planned == sum(one.total_steps for one in trials)
    assert spent.steps_trained == trials[0].total_steps + trials[1].history[-1].step
    assert spent.trial_seconds == sum(one.seconds for one in trials)


@pytest.mark.parametrize(
    "space",
    [
        {"learningRate": {"uniform": [1e-5, 1e-5]}},
        {"trainBatchSize": {"logInt": [8, 64]}, "weightDecay": {"grid": [0, 0.1]}},
        {"lrSchedulerType": {"choice": ["linear", "cosine", "constant", "constant_with_warmup", "polynomial"]}},
        {"precision": {"choice": ["fp32"]}, "earlyStopping": {"choice": [{"patience": 1}, {"patience": 2}]}},
    ],
)
def test_spaces_of_every_kind_can_be_drawn(store: DirectoryStore, space: dict[str, dict[str, list[object]]]) -> None:
    plan = search_plan(space=space)
    configs = [{name: next(iter(one.values()))[index % 2 - 1] for name, one in space.items()} for index in range(6)]
    trials = [
        trial(plan, index, configuration=config, value=0.5 + index / 100, trial_id=str(index))
        for index, config in enumerate(configs)
    ]
    summary = build(store, leave(store, plan, trials))
    assert {"hyperparameters", "progress"} <= set(summary.tasks[0].plots)


def test_300_trials_are_reported_within_seconds(store: DirectoryStore) -> None:
    plan = search_plan(trials=300)
    digest = leave(store, plan, mixed_trials(plan, 300))
    began = monotonic()
    build(store, digest)
    # About 3 s on one slow core; the limit only catches what grows with the square of the trials.
    assert monotonic() - began < 60
    assert len(table(store)) == 300
