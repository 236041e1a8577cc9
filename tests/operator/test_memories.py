"""What is remembered between looks comes back as it was, takes little room, and is gone when it is forgotten."""

from finetune_core.deciding.outcome import Outcome
from finetune_kube.kinds import RAY_JOB
from finetune_operator.memories import Memories
from finetune_operator.memory import Memory
from finetune_operator.storage import Connection
from finetune_store import S3Connection
from support.results import plan_of, result_of

KEY = ("team", "exp", "uid-1")
GLUE = dict.fromkeys(("cola", "sst2", "mrpc", "stsb", "qqp", "mnli", "qnli", "rte", "wnli"), 5)


def full() -> Memory:
    """The memory of an experiment whose runs have all ended."""
    plan = plan_of(GLUE)
    results = [result_of(plan, task, run, run / 7) for task, runs in GLUE.items() for run in range(runs)]
    outcomes = {result.run_id: Outcome.of(result) for result in results}
    return Memory(plan=plan, outcomes=outcomes, unused=frozenset({RAY_JOB}), stalled=2, gpu_seconds=9.5)


def test_it_comes_back_as_it_was() -> None:
    memories, memory = Memories(Memory), full()
    assert memories.take(KEY) == Memory()
    memories.keep(KEY, memory)
    assert memories.take(KEY) == full()
    assert memories.take(("team", "exp", "uid-2")) == Memory()


def test_objects_share_the_open_connections() -> None:
    memories, memory = Memories(Memory), full()
    connection = memory.connection = Connection(S3Connection(), lambda _: None)
    memories.take(KEY)
    memories.keep(KEY, memory)
    assert memories.take(KEY).connection is connection


def test_what_was_forgotten_during_a_look_stays_forgotten() -> None:
    memories = Memories(Memory)
    memory = memories.take(KEY)
    memories.forget("team", "exp")
    memories.keep(KEY, memory)
    assert len(memories) == 0
    memory = memories.take(KEY)
    memories.clear()
    memories.keep(KEY, memory)
    assert len(memories) == 0


def test_its_figures_are_told_without_a_look() -> None:
    memories = Memories(Memory)
    for name in ("a", "b"):
        memories.take(("team", name, "uid"))
        memories.keep(("team", name, "uid"), full())
    memories.take(("team", "new", "uid"))
    assert memories.stalled() == 4
    assert memories.gpu_seconds() == {("team", "a"): 9.5, ("team", "b"): 9.5}
    assert len(memories) == 3


def test_ten_thousand_experiments_of_45_runs_fit_into_100_mb() -> None:
    memories = Memories(Memory)
    memories.take(KEY)
    memories.keep(KEY, full())
    assert len(memories._packed[KEY].content) < 10_000
