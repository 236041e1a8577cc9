"""The API `finetune.dev/v1alpha1` as types. The CRDs are generated from these models (`make crds`)."""

from finetune_core.api.execution import (
    ConfigMapKeyRef,
    Data,
    Execution,
    ExecutionMode,
    ImagePullPolicy,
    Model,
    ModelRetention,
    RayOptions,
    Retention,
    SecretRef,
    Storage,
)
from finetune_core.api.experiment import (
    MAX_NAME_LENGTH,
    MAX_RUNS,
    MAX_TASKS,
    ExperimentSpec,
    HyperparametersFrom,
    Leaderboard,
    MissingTasks,
)
from finetune_core.api.pod_runs import AUTO
from finetune_core.api.pods import Cache, PodTemplate, Resources
from finetune_core.api.publish import Publication
from finetune_core.api.reuse import Reuse
from finetune_core.api.search import (
    MAX_TRIALS,
    Algorithm,
    Asha,
    Direction,
    Distribution,
    Finalists,
    HPSearchSpec,
    Objective,
    SearchTask,
    Space,
    TrialScheduler,
)
from finetune_core.api.seeds import RunsUntil
from finetune_core.api.task_data import TaskData
from finetune_core.api.tasks import TaskSpec
from finetune_core.api.tracking import Tracker, Tracking, TrackingSecretRef
from finetune_core.api.training import EarlyStopping, Precision, Scheduler, Training

__all__ = [
    "AUTO",
    "MAX_NAME_LENGTH",
    "MAX_RUNS",
    "MAX_TASKS",
    "MAX_TRIALS",
    "Algorithm",
    "Asha",
    "Cache",
    "ConfigMapKeyRef",
    "Data",
    "Direction",
    "Distribution",
    "EarlyStopping",
    "Execution",
    "ExecutionMode",
    "ExperimentSpec",
    "Finalists",
    "HPSearchSpec",
    "HyperparametersFrom",
    "ImagePullPolicy",
    "Leaderboard",
    "MissingTasks",
    "Model",
    "ModelRetention",
    "Objective",
    "PodTemplate",
    "Precision",
    "Publication",
    "RayOptions",
    "Resources",
    "Retention",
    "Reuse",
    "RunsUntil",
    "Scheduler",
    "SearchTask",
    "SecretRef",
    "Space",
    "Storage",
    "TaskData",
    "TaskSpec",
    "Tracker",
    "Tracking",
    "TrackingSecretRef",
    "Training",
    "TrialScheduler",
]
