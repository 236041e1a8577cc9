"""Short runs share pods, several of them at a time, and a budget holds back what has not begun."""

from itertools import pairwise
from typing import Any

from e2e.harness import SHORT, Experiments, reason, spec

TASKS = ("wnli", "rte")


def _of_runs(results: Any) -> dict[str, Any]:
    return {run: (result.value, result.metrics, result.step) for run, result in results.items()}


def test_runs_that_share_pods_and_are_done_two_at_a_time_have_the_results_of_runs_alone(
    experiment: Experiments,
) -> None:
    longer = {**SHORT, "maxSteps": 150, "evalSteps": 50}
    alone = experiment("alone").apply(spec(TASKS, runs=2, training=longer))
    assert reason(alone.ends()) == "AllRunsSucceeded", alone.describe()
    sharing = {"runsPerPod": "Auto", "runsAtOnce": 2, "parallelism": 1, "reuse": "Experiment"}
    together = experiment("together").apply(spec(TASKS, runs=2, training=longer, execution=sharing))

    assert reason(together.ends()) == "AllRunsSucceeded", together.describe()

    assert _of_runs(together.results()) == _of_runs(alone.results())
    assert len(together.results()) == 4
    (job,) = together.jobs()
    assert job.spec.completions == 1
    by_start = sorted(together.results().values(), key=lambda result: result.started_at)
    assert any(later.started_at < earlier.finished_at for earlier, later in pairwise(by_start))


def test_a_budget_that_is_spent_ends_well_and_more_of_it_goes_on(experiment: Experiments) -> None:
    def asked(time: str, parallelism: int) -> dict[str, Any]:
        return spec(["wnli"], runs=6, budget={"time": time}, execution={"parallelism": parallelism})

    suite = experiment("thrifty").apply(asked("15s", 1))
    status = suite.ends()

    assert reason(status) == "BudgetSpent", suite.describe()
    done = suite.results()
    assert 0 < len(done) < 6
    assert status["runs"]["summary"] == f"{len(done)}/6"
    assert status["results"]["json"]

    suite.apply(asked("2h", 2))
    assert reason(suite.ends()) == "AllRunsSucceeded", suite.describe()

    results = suite.results()
    assert len(results) == 6
    assert all(results[run].finished_at == result.finished_at for run, result in done.items())
