"""SuperGLUE's tasks that are pairs of texts with a class: declared here, so that a spec only names them.

https://arxiv.org/abs/1905.00537. Files, fields and labels are those of https://super.gluebenchmark.com/tasks (JSON
lines); the pairs and the recipe are those of the authors' BERT baselines (jiant: premise before hypothesis, passage
before question; Adam with 1e-5, batches of 4, at most 10 epochs, length 256, an evaluation every so many steps).
A named task is a custom task that is filled in: what the spec says of it wins.
"""

from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from finetune_core.api import Data, ExperimentSpec, HPSearchSpec, TaskData, TaskSpec, Training
from finetune_core.tasks.registry import ProblemType

_Spec = TypeVar("_Spec", ExperimentSpec, HPSearchSpec)


class _Task(NamedTuple):
    """`eval_steps` are those of the recipe; the first metric decides."""

    folder: str
    texts: tuple[str, str]
    labels: tuple[str, ...]
    metrics: tuple[str, ...]
    eval_steps: int


_TASKS = MappingProxyType(
    {
        "boolq": _Task("BoolQ", ("passage", "question"), ("False", "True"), ("accuracy",), 1000),
        "cb": _Task(
            "CB",
            ("premise", "hypothesis"),
            ("entailment", "contradiction", "neutral"),
            ("accuracy", "f1_macro"),
            60,
        ),
    }
)

_FILES = MappingProxyType({"train": "train.jsonl", "validation": "val.jsonl", "test": "test.jsonl"})
_SPLITS = MappingProxyType({name: name for name in _FILES})


def fill_in(spec: _Spec) -> _Spec:
    """The spec with its tasks of SuperGLUE as custom tasks; one that has a problemType is somebody's own."""
    if not spec.tasks:
        return spec
    shared = (spec.data or Data()).uri
    return spec.model_copy(update={"tasks": tuple(_filled(task, shared) for task in spec.tasks)})


def recipe_layer(task: TaskSpec) -> Training | None:
    """What a task of SuperGLUE is trained with where the spec says nothing; None for all others."""
    known = _TASKS.get(task.name)
    if known is None or task.labels != known.labels or not task.data or task.data.text_columns != known.texts:
        return None
    return Training(
        learning_rate=1e-5, num_train_epochs=10, train_batch_size=4, max_seq_length=256, eval_steps=known.eval_steps
    )


def _filled(task: Any, shared: str) -> Any:
    known = _TASKS.get(task.name)
    if known is None or task.problem_type is not None:
        return task
    said = task.data or TaskData()
    on_hub = (said.uri or shared).startswith("hf://")
    files: dict[str, Any] = (
        {"config": task.name, **_SPLITS}
        if on_hub
        else {split: f"{known.folder}/{name}" for split, name in _FILES.items()}
    )
    files |= {"text_columns": known.texts}
    lacking = {name: value for name, value in files.items() if getattr(said, name) is None}
    return task.model_copy(
        update={
            "problem_type": ProblemType.CLASSIFICATION,
            "labels": task.labels or known.labels,
            "metrics": task.metrics or known.metrics,
            "data": said.model_copy(update=lacking),
        }
    )
