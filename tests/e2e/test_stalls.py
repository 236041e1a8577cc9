"""A run that gives no sign of life, as on a mount that hangs: said, ended after its time, and gone on with.

The shortest time that a spec may ask for is ten minutes, so `.ci/run` leaves this out (see `make test-long`).
"""

import signal

import pytest

from e2e.harness import SHORT, Experiments, condition_of, reason, signal_pod, spec
from support.checkpoints import POINTER

SECONDS = 600
STEPS = 1500
pytestmark = [pytest.mark.long, pytest.mark.timeout(2 * SECONDS)]


def test_a_frozen_run_is_shown_with_its_age_and_node_and_goes_on_from_its_checkpoint(experiment: Experiments) -> None:
    training = {**SHORT, "maxSteps": STEPS, "evalSteps": 500}
    execution = {
        "retries": 0,
        "stallTimeoutSeconds": SECONDS,
        "terminationGracePeriodSeconds": 10,
        "checkpointIntervalSeconds": 5,
    }
    suite = experiment("frozen").apply(spec(["wnli"], training=training, execution=execution))
    suite.until("a checkpoint", lambda _: any(map(POINTER.fullmatch, suite.stored("runs"))))
    (pod,) = suite.running()
    assert signal_pod(pod, signal.SIGSTOP)

    status = suite.until("its silence to be said", lambda status: reason(status) == "Stalled", seconds=SECONDS)
    said = condition_of(status, "Succeeded")["message"]
    assert f"{pod.metadata.name} on node {pod.spec.node_name} has given no sign of life for 5 min" in said

    # No retry is left: to be ended for its silence costs none.
    status = suite.ends(seconds=SECONDS)
    assert reason(status) == "AllRunsSucceeded", suite.describe()
    (result,) = suite.results().values()
    assert result.attempts == 2
    assert result.resumed_from
    assert result.last_step == STEPS
