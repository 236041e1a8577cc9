"""Two experiments of a namespace with runs in common: each run is trained once, and neither needs the other."""

from e2e.harness import Experiments, reason, spec
from finetune_dev.kubectl import kubectl
from finetune_store import Store, delete_tree


def test_runs_in_common_are_trained_once_and_outlive_the_experiment_that_trained_them(
    experiment: Experiments, store: Store
) -> None:
    first = experiment("first").apply(spec(["wnli"], runs=2))
    assert reason(first.ends()) == "AllRunsSucceeded", first.describe()
    trained = first.results()

    second = experiment("second").apply(spec(["wnli"], runs=3))
    status = second.ends()

    assert reason(status) == "AllRunsSucceeded", second.describe()
    results = second.results()
    assert {run for run, result in results.items() if result.taken_from == "first"} == trained.keys()
    assert status["runs"]["taken"] == len(trained)
    assert all(results[run].metrics == result.metrics for run, result in trained.items())
    shown = kubectl("--namespace", second.namespace, "get", "fte", "second", "--output", "wide").splitlines()
    assert shown[1].split()[shown[0].split().index("TAKEN")] == "2"

    first.delete()
    delete_tree(store, first.layout.root)
    for run, result in trained.items():
        for name in result.predictions:
            key = second.layout.run("wnli", run).predictions(results[run].attempt, name)
            assert store.stat(key) is not None
    best = status["tasks"][0]["best"]["runId"]
    assert f"runs/wnli/{best}/attempts/{results[best].attempt}/model/config.json" in second.stored()
