from hypothesis import given
from hypothesis import strategies as st

from finetune_core.planning.identity import derive_seed
from finetune_core.tasks.registry import GLUE_TASKS
from support.results import plan_of

seeds = st.integers(0, 2**31 - 1)
tasks = st.sampled_from(sorted(GLUE_TASKS))
runs = st.integers(0, 999)


@given(seeds, tasks, runs)
def test_a_seed_fits_what_every_library_takes(base: int, task: str, run: int) -> None:
    assert 0 <= derive_seed("final", base, task, run) < 2**31


def test_seeds_are_pinned() -> None:
    """A run that lies in somebody's store must be found again by every later version."""
    assert [derive_seed("final", 42, "cola", run) for run in range(3)] == [1952571790, 967857510, 210960363]
    assert derive_seed("search", 42, "cola", 0) == 1270452840


def test_all_seeds_of_a_large_experiment_differ() -> None:
    made = [derive_seed("final", 42, task, run) for task in GLUE_TASKS for run in range(100)]
    assert len(set(made)) == len(made)


@given(seeds, tasks, st.integers(0, 50))
def test_search_seeds_never_meet_final_seeds(base: int, task: str, run: int) -> None:
    finals = {derive_seed("final", base, task, k) for k in range(50)}
    assert derive_seed("search", base, task, run) not in finals


@given(seeds, tasks, runs)
def test_base_seed_task_and_run_each_change_the_seed(base: int, task: str, run: int) -> None:
    seed = derive_seed("final", base, task, run)
    assert derive_seed("final", base + 1, task, run) != seed
    assert derive_seed("final", base, f"{task}2", run) != seed
    assert derive_seed("final", base, task, run + 1) != seed


def test_neighbouring_numbers_do_not_run_together() -> None:
    # "1" + "11" and "11" + "1" must not be the same text.
    assert derive_seed("final", 1, "a", 11) != derive_seed("final", 11, "a", 1)
    assert derive_seed("final", 4, "2cola", 0) != derive_seed("final", 42, "cola", 0)


@given(st.integers(1, 20), st.integers(0, 20), st.sets(tasks, max_size=4))
def test_raising_runs_or_adding_tasks_keeps_the_runs_already_there(before: int, more: int, others: set[str]) -> None:
    small = plan_of({"cola": before})
    large = plan_of({**dict.fromkeys(others, 1), "cola": before + more})
    assert large.runs_of("cola")[:before] == small.runs_of("cola")
