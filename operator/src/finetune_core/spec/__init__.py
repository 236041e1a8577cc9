"""The API `finetune.dev/v1alpha1` as types. The CRDs are generated from these models (`make crds`)."""

from finetune_core.spec.execution import (
    ConfigMapKeyRef,
    Data,
    Execution,
    ExecutionMode,
    ImagePullPolicy,
    Model,
    ModelRetention,
    PodTemplate,
    Resources,
    Retention,
    SecretRef,
    Storage,
)
from finetune_core.spec.experiment import (
    MAX_NAME_LENGTH,
    MAX_RUNS,
    MAX_TASKS,
    ExperimentSpec,
    HyperparametersFrom,
    Leaderboard,
    MissingTasks,
)
from finetune_core.spec.tasks import TaskData, TaskSpec
from finetune_core.spec.training import EarlyStopping, Precision, Scheduler, Training

__all__ = [
    "MAX_NAME_LENGTH",
    "MAX_RUNS",
    "MAX_TASKS",
    "ConfigMapKeyRef",
    "Data",
    "EarlyStopping",
    "Execution",
    "ExecutionMode",
    "ExperimentSpec",
    "HyperparametersFrom",
    "ImagePullPolicy",
    "Leaderboard",
    "MissingTasks",
    "Model",
    "ModelRetention",
    "PodTemplate",
    "Precision",
    "Resources",
    "Retention",
    "Scheduler",
    "SecretRef",
    "Storage",
    "TaskData",
    "TaskSpec",
    "Training",
]
