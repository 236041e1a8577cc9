"""`runsUntil`: another Job with more seeds, once all runs have ended and the mean is not sure enough."""

from e2e.harness import Experiments, reason, spec


def test_seeds_are_added_until_there_are_as_many_as_there_may_be(experiment: Experiments) -> None:
    # No three or four seeds are that sure.
    suite = experiment("sure").apply(spec({"wnli": {"runsUntil": {"halfWidth": 0.0001, "max": 4}}}))
    status = suite.ends()

    assert reason(status) == "AllRunsSucceeded", suite.describe()
    assert status["runs"]["summary"] == "4/4"
    assert status["tasks"][0]["seeds"].startswith("4 at most")
    *first, last = sorted(suite.results().values(), key=lambda result: result.run)
    assert all(result.finished_at < last.started_at for result in first)
