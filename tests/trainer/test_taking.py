"""Which runs are taken from other experiments, and that nobody depends on anybody afterwards. Nothing is trained."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune_core.layout import ExperimentLayout, run_place
from finetune_core.planning.plan import ExecutionLimits, Plan, PlannedRun
from finetune_core.results.run import RunResult
from finetune_store import delete_tree
from support.taken_runs import FILE, Namespace, predictions_of

LIMITS = ExecutionLimits()
RETENTION = st.sampled_from(["None", "Best", "All"])

manifests = st.lists(
    st.fixed_dictionaries({"runs": st.integers(1, 4), "seed": st.integers(0, 1), "retention": RETENTION}),
    min_size=10,
    max_size=10,
)


@pytest.fixture(scope="module", autouse=True)
def without_waiting_for_the_disk() -> Iterator[None]:
    """Thousands of small files: no power is lost here."""
    with mock.patch("finetune_store._files._sync"):
        yield


@pytest.fixture
def place(tmp_path: Path) -> Namespace:
    return Namespace(tmp_path)


def made(place: Namespace, number: int, runs: int, seed: int, retention: str) -> Plan:
    return place.plan(f"exp-{number}", runs, seed=seed, retention={"models": retention})


@given(manifests, st.sampled_from(["None", "All"]), st.randoms(use_true_random=False))
@settings(max_examples=12, deadline=None)
def test_ten_overlapping_manifests_execute_exactly_the_union_of_their_runs(asked, retention, random) -> None:
    """In whatever order their runs come, each as a whole."""
    with tempfile.TemporaryDirectory() as folder:
        place = Namespace(Path(folder))
        plans = [made(place, number, one["runs"], one["seed"], retention) for number, one in enumerate(asked)]
        turns = [(plan, run) for plan in plans for run in plan.runs]
        random.shuffle(turns)
        for plan, run in turns:
            place.do(plan, run)
        assert sorted(place.trained) == sorted({run.run_id for plan in plans for run in plan.runs})
        for plan in plans:
            assert len(dict(place.results(plan))) == len(plan.runs)
            place.require_whole(plan)


@given(manifests, st.data())
@settings(max_examples=20, deadline=None)
def test_nothing_that_happens_to_an_experiment_takes_what_another_needs(asked, data) -> None:
    """Runs, reports with their gc and deletions in any order: what is left of each is whole, always."""
    with tempfile.TemporaryDirectory() as folder:
        place = Namespace(Path(folder))
        plans = [made(place, number, **one) for number, one in enumerate(asked[:4])]
        for _ in range(20):
            plan = data.draw(st.sampled_from(plans))
            left = [run for run in plan.runs if place.result(plan, run) is None]
            act = data.draw(st.sampled_from(["run", "run", "run", "report", "delete"]))
            if act == "run" and left:
                place.do(plan, data.draw(st.sampled_from(left)))
            elif act == "report":
                place.report(plan)
            elif act == "delete":
                delete_tree(place.store, ExperimentLayout(plan.namespace, plan.experiment).root)
            for one in plans:
                place.require_whole(one)


def test_the_first_one_stays_named_where_a_copy_is_copied(place: Namespace) -> None:
    plans = [made(place, number, 1, 0, "All") for number in range(3)]
    for plan in plans:
        place.do(plan, plan.runs[0])
        if plan is plans[1]:
            delete_tree(place.store, ExperimentLayout(plan.namespace, plans[0].experiment).root)
    assert [result.taken_from for plan in plans[1:] for _, result in place.results(plan)] == ["exp-0", "exp-0"]
    place.require_whole(plans[2])


def test_weights_that_retention_would_keep_are_trained_for_where_nobody_has_kept_them(place: Namespace) -> None:
    """Of four runs the first experiment has kept two; the third best is the best of a part of them."""
    whole = made(place, 0, 4, 0, "Best")
    for run in whole.runs:
        place.do(whole, run)
    place.report(whole)
    part = made(place, 1, 2, 0, "Best")
    for run in part.runs:
        place.do(part, run)
    kept = {run for run, result in place.results(whole) if place.weights(whole, run, result)}
    assert place.trained[4:] == [run.run_id for run in part.runs if run not in kept]
    again = made(place, 2, 4, 0, "Best")
    for run in again.runs:
        place.do(again, run)
    assert len(place.trained) == 4 + len(part.runs) - len(kept.intersection(part.runs))
    for plan in (whole, part, again):
        place.require_whole(plan)


def weights_gone(place: Namespace, plan: Plan, run: PlannedRun, result: RunResult) -> None:
    place.store.delete(f"{place.layout(plan, run).model(result.attempt)}/model.safetensors")


def weights_changed(place: Namespace, plan: Plan, run: PlannedRun, result: RunResult) -> None:
    place.store.put(f"{place.layout(plan, run).model(result.attempt)}/model.safetensors", b"others of the same name")


def predictions_changed(place: Namespace, plan: Plan, run: PlannedRun, result: RunResult) -> None:
    place.store.put(place.layout(plan, run).predictions(result.attempt, FILE), b"index\tprediction\n0\tother\n")


def predictions_gone(place: Namespace, plan: Plan, run: PlannedRun, result: RunResult) -> None:
    place.store.delete(place.layout(plan, run).predictions(result.attempt, FILE))


def evaluations_torn(place: Namespace, plan: Plan, run: PlannedRun, result: RunResult) -> None:
    key = place.layout(plan, run).metrics(result.attempt)
    place.store.put(key, place.store.get(key)[:-20])


def evaluations_short(place: Namespace, plan: Plan, run: PlannedRun, result: RunResult) -> None:
    key = place.layout(plan, run).metrics(result.attempt)
    place.store.put(key, place.store.get(key).splitlines(keepends=True)[0])


def result_torn(place: Namespace, plan: Plan, run: PlannedRun, result: RunResult) -> None:
    place.store.put(place.layout(plan, run).result, result.to_json()[:-40])


def result_gone(place: Namespace, plan: Plan, run: PlannedRun, result: RunResult) -> None:
    place.store.delete(place.layout(plan, run).result)


def result_of_other_settings(place: Namespace, plan: Plan, run: PlannedRun, result: RunResult) -> None:
    told = result.model_copy(update={"settings": {**result.settings, "learningRate": 0.5}})
    place.store.put(place.layout(plan, run).result, told.to_json())


def run_quarantined(place: Namespace, plan: Plan, run: PlannedRun, result: RunResult) -> None:
    wrong = place.plan(plan.experiment, 1, seed=0, quarantine=[{"runId": run.run_id, "reason": "a broken node"}])
    place.store.put(ExperimentLayout(plan.namespace, plan.experiment).plan, wrong.to_bytes())


@pytest.mark.parametrize(
    "harm",
    [
        weights_gone,
        weights_changed,
        predictions_changed,
        predictions_gone,
        evaluations_torn,
        evaluations_short,
        result_torn,
        result_gone,
        result_of_other_settings,
        run_quarantined,
    ],
)
def test_what_is_not_whole_or_does_not_count_is_trained(place: Namespace, harm: Callable[..., None]) -> None:
    first, second = made(place, 0, 1, 0, "Best"), made(place, 1, 1, 0, "Best")
    (run,) = first.runs
    place.do(first, run)
    harm(place, first, run, place.result(first, run))
    place.do(second, run)
    assert place.trained == [run.run_id, run.run_id]
    result = place.result(second, run)
    assert result.taken_from is None
    place.require_whole(second)
    # Nothing of the copy that was begun is left beside it.
    assert set(place.weights(second, run, result)) == {"config.json", "model.safetensors", "tokenizer.json"}


def test_a_whole_one_is_taken_though_another_is_damaged(place: Namespace) -> None:
    plans = [made(place, number, 1, 0, "Best") for number in range(3)]
    (run,) = plans[0].runs
    for plan in plans[:2]:
        place.train(plan, run, f"a-{plan.experiment}", LIMITS)
    predictions_changed(place, plans[0], run, place.result(plans[0], run))
    place.do(plans[2], run)
    assert place.result(plans[2], run).taken_from == "exp-1"


def test_another_image_trains_its_own(place: Namespace) -> None:
    first, second = made(place, 0, 1, 0, "None"), made(place, 1, 1, 0, "None")
    place.do(first, first.runs[0])
    assert not place.taker(second, LIMITS, image="trainer:mine").has(second.runs[0], "a")
    assert place.taker(second, LIMITS).has(second.runs[0], "a")


def test_what_is_not_pinned_is_trained(place: Namespace) -> None:
    first = made(place, 0, 1, 0, "None")
    place.do(first, first.runs[0])
    second = made(place, 1, 1, 0, "None")
    loose = second.model_copy(update={"model": second.model.model_copy(update={"pinned": False})})
    assert not place.taker(loose, LIMITS).has(loose.runs[0], "a")


def test_entries_of_the_index_lead_nowhere_else(place: Namespace) -> None:
    plan = made(place, 0, 1, 0, "None")
    for name in ("no-such", "a/b", ".cache", "Upper", "x" * 250):
        place.store.put(run_place("team", plan.runs[0].run_id, name), b"")
    place.do(plan, plan.runs[0])
    assert place.trained == [plan.runs[0].run_id]


def test_who_predicts_takes_no_run_without_predictions_and_who_does_not_takes_none_along(place: Namespace) -> None:
    silent = place.plan("silent", 1, seed=0, predict=False)
    (run,) = silent.runs
    place.do(made(place, 0, 1, 0, "Best"), run)
    place.do(silent, run)
    assert place.result(silent, run).predictions == {}
    delete_tree(place.store, "team/exp-0")
    loud = made(place, 1, 1, 0, "Best")
    place.do(loud, run)
    assert place.trained == [run.run_id, run.run_id]
    assert place.store.get(place.layout(loud, run).predictions("exp-1-0", FILE)) == predictions_of(run.run_id)
