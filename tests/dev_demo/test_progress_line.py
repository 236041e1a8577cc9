"""What the demo says while an experiment runs."""

from finetune_dev.demo.cluster import progress_line

RUNNING = {"type": "Succeeded", "status": "Unknown", "reason": "Running"}


def test_nothing_is_said_before_the_operator_has_looked() -> None:
    assert progress_line({}) == ""


def test_runs_tasks_with_a_best_run_and_time_left_are_said_in_a_line() -> None:
    status = {
        "conditions": [{"type": "Valid", "status": "True", "reason": "Accepted"}, RUNNING],
        "runs": {"summary": "4/15"},
        "tasks": [{"name": "cola", "best": {"value": 0.36480}}, {"name": "rte"}],
        "eta": "~5m",
    }

    assert progress_line(status) == "Running, runs 4/15, cola 0.365, ETA ~5m"


def test_a_status_without_counts_is_said_too() -> None:
    assert progress_line({"conditions": [{**RUNNING, "reason": "StorageUnavailable"}]}) == "StorageUnavailable, runs -"
