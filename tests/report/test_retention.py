from pathlib import Path

import pytest

from finetune_core.planning.plan import Plan
from finetune_report.build import build
from finetune_store import DirectoryStore, Store
from support.report_store import MODEL_FILES, RecordingStore, contents, finish_run, layout_of, read_json
from support.results import plan_of

RUNS = {"cola": 3, "rte": 2}


def no_data(uri: str) -> Store | None:
    return None


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path)


def plan_keeping(models: str) -> Plan:
    return plan_of(RUNS, retention={"models": models})


def fill(store: DirectoryStore, plan: Plan) -> None:
    for run, value in enumerate((0.5, 0.7, 0.6)):
        finish_run(store, plan, "cola", run, value)
    for run, value in enumerate((0.8, 0.8)):
        finish_run(store, plan, "rte", run, value)


def kept(store: DirectoryStore, plan: Plan) -> set[tuple[str, int]]:
    """The runs whose weights are there, whole; a folder with some of the files fails the test."""
    found = set()
    for run in plan.runs:
        folder = layout_of(plan).run(run.task, run.run_id).model(f"attempt-{run.run}")
        names = {key.removeprefix(f"{folder}/") for key in contents(store, folder)}
        assert names in (set(), set(MODEL_FILES))
        if names:
            found.add((run.task, run.run))
    return found


def test_best_keeps_the_weights_of_each_tasks_two_best_runs(store: DirectoryStore) -> None:
    plan = plan_keeping("Best")
    fill(store, plan)
    build(store, plan, [], open_data=no_data, plots=False)
    assert kept(store, plan) == {("cola", 1), ("cola", 2), ("rte", 0), ("rte", 1)}


def test_a_best_run_that_is_quarantined_has_a_successor_with_weights(store: DirectoryStore) -> None:
    plan = plan_keeping("Best")
    fill(store, plan)
    build(store, plan, [], open_data=no_data, plots=False)
    wrong = plan.runs_of("cola")[1].run_id
    left = plan_of(RUNS, retention={"models": "Best"}, quarantine=[{"runId": wrong, "reason": "a broken node"}])
    build(store, left, [], open_data=no_data, plots=False)
    pointer = read_json(store, layout_of(plan).best("cola"))
    assert pointer["run"] == 2
    assert set(contents(store, f"{layout_of(plan).root}/{pointer['model']}")) == {
        f"{layout_of(plan).root}/{pointer['model']}/{name}" for name in MODEL_FILES
    }
    # Its own stay, in case that it is counted again.
    assert ("cola", 1) in kept(store, plan)


def test_all_keeps_every_runs_weights(store: DirectoryStore) -> None:
    plan = plan_keeping("All")
    fill(store, plan)
    build(store, plan, [], open_data=no_data, plots=False)
    assert len(kept(store, plan)) == len(plan.runs)


def test_none_keeps_no_weights_and_points_at_none(store: DirectoryStore) -> None:
    plan = plan_keeping("None")
    fill(store, plan)
    build(store, plan, [], open_data=no_data, plots=False)
    assert kept(store, plan) == set()
    assert read_json(store, layout_of(plan).best("cola"))["model"] is None


@pytest.mark.parametrize("models", ["Best", "All", "None"])
def test_nothing_but_weights_is_ever_deleted(store: DirectoryStore, models: str) -> None:
    plan = plan_keeping(models)
    fill(store, plan)
    before = {key for key in contents(store, layout_of(plan).runs) if "/model/" not in key}
    build(store, plan, [], open_data=no_data, plots=False)
    assert {key for key in contents(store, layout_of(plan).runs) if "/model/" not in key} == before


def test_a_task_without_a_best_run_keeps_all_it_has(store: DirectoryStore) -> None:
    plan = plan_keeping("Best")
    for run in range(3):
        finish_run(store, plan, "cola", run, None)
    build(store, plan, [], open_data=no_data, plots=False)
    assert kept(store, plan) == {("cola", 0), ("cola", 1), ("cola", 2)}


def test_weights_of_runs_without_a_result_stay(store: DirectoryStore) -> None:
    """Their pods may be at work."""
    plan = plan_keeping("None")
    run = plan.runs_of("cola")[0]
    store.put(f"{layout_of(plan).run('cola', run.run_id).model('living')}/config.json", b"{}")
    before = contents(store)
    build(store, plan, [run.run_id], open_data=no_data, plots=False)
    assert before.items() <= contents(store).items()


def test_weights_of_runs_that_are_not_planned_any_more_stay(store: DirectoryStore) -> None:
    plan = plan_keeping("Best")
    fill(store, plan)
    fewer = plan_of({"cola": 1}, retention={"models": "Best"})
    build(store, fewer, [], open_data=no_data, plots=False)
    assert ("cola", 1) in kept(store, plan)
    assert ("rte", 0) in kept(store, plan)


def test_a_lost_attempts_checkpoint_goes_where_the_run_has_a_result_and_only_there(store: DirectoryStore) -> None:
    """It went on beside the attempt that came first, and saved after that one's checkpoints were removed."""
    plan = plan_keeping("All")
    finish_run(store, plan, "cola", 0, 0.5)
    done, living = (layout_of(plan).run("cola", run.run_id).checkpoint for run in plan.runs_of("cola")[:2])
    for folder in (done, living):
        store.put(f"{folder}/lost/7-0123456789abcdef/model.safetensors", b"w")
        store.put(f"{folder}/lost/7-0123456789abcdef.json", b"{}")
    build(store, plan, [plan.runs_of("cola")[1].run_id], open_data=no_data, plots=False)
    assert contents(store, done) == {}
    assert len(contents(store, living)) == 2


def test_all_attempts_weights_of_a_run_that_is_not_kept_go(store: DirectoryStore) -> None:
    plan = plan_keeping("Best")
    fill(store, plan)
    run = plan.runs_of("cola")[0]
    store.put(f"{layout_of(plan).run('cola', run.run_id).model('lost-attempt')}/model.safetensors", b"")
    build(store, plan, [], open_data=no_data, plots=False)
    assert not [key for key in contents(store, layout_of(plan).run("cola", run.run_id).root) if "/model/" in key]


def test_a_better_run_that_came_later_takes_over(store: DirectoryStore) -> None:
    plan = plan_keeping("Best")
    finish_run(store, plan, "cola", 0, 0.5)
    build(store, plan, [], open_data=no_data, plots=False)
    assert ("cola", 0) in kept(store, plan)
    finish_run(store, plan, "cola", 1, 0.6)
    build(store, plan, [], open_data=no_data, plots=False)
    assert kept(store, plan) == {("cola", 0), ("cola", 1)}
    finish_run(store, plan, "cola", 2, 0.7)
    build(store, plan, [], open_data=no_data, plots=False)
    assert kept(store, plan) == {("cola", 1), ("cola", 2)}


def test_a_pointer_never_names_weights_that_are_half_gone(store: DirectoryStore) -> None:
    plan = plan_keeping("Best")
    result = finish_run(store, plan, "cola", 0, 0.5)
    folder = layout_of(plan).run("cola", result.run_id).model(result.attempt)
    store.delete(f"{folder}/config.json")
    build(store, plan, [], open_data=no_data, plots=False)
    assert read_json(store, layout_of(plan).best("cola"))["model"] is None


def test_a_folder_stops_passing_for_a_model_with_the_first_deletion(tmp_path: Path) -> None:
    """Killed in between, what is left must not look like a model: every folder's config.json goes before weights."""
    store = RecordingStore(tmp_path)
    plan = plan_keeping("None")
    fill(store, plan)
    # Sorted by name it would come after this one.
    run = plan.runs_of("cola")[0]
    store.put(f"{layout_of(plan).run('cola', run.run_id).model('attempt-0')}/added_tokens.json", b"{}")
    store.writes.clear()
    build(store, plan, [], open_data=no_data, plots=False)
    deleted = [key.rpartition("/")[2] for verb, key in store.writes if verb == "delete" and "/model/" in key]
    assert deleted[: len(plan.runs)] == ["config.json"] * len(plan.runs)
    assert len(deleted) == len(plan.runs) * len(MODEL_FILES) + 1
