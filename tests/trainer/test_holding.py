"""Where nothing new may begin, a pod ends in order, before it has loaded anything; taken back, its run is done."""

from finetune_core.layout import ExperimentLayout
from finetune_core.results.run import ExitCode, Hold
from finetune_store import open_store

RTE = {"name": "rte", "runs": 1, "training": {"maxSteps": 2, "evalSteps": 2}}
LAYOUT = ExperimentLayout("ns", "exp")


def test_a_pod_that_may_not_begin_leaves_nothing_and_loads_no_torch(workspace):
    job, store = workspace.plan([RTE]), open_store(f"file://{workspace.store}")
    store.put(LAYOUT.hold, Hold(message="spec.budget.time is spent").to_json())

    assert "torch" not in workspace.modules(job, attempt="one")
    assert [info.key for info in store.list(LAYOUT.root)] == [LAYOUT.hold]


def test_once_that_is_taken_back_the_run_is_done_and_what_is_no_hold_counts_as_none(workspace):
    job, store = workspace.plan([RTE]), open_store(f"file://{workspace.store}")
    store.put(LAYOUT.hold, b"{")
    code, log = workspace.run(job)

    assert code == ExitCode.SUCCESS, log
    (run,) = job.plan.runs
    assert store.stat(LAYOUT.run("rte", run.run_id).result) is not None
