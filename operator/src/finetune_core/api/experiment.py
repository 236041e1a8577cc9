"""`FinetuneExperiment.spec`: model x tasks x runs."""

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from finetune_core.api.budget import BudgetChoice
from finetune_core.api.common import ApiModel, Name, Uri, cel_list, rules
from finetune_core.api.execution import ConfigMapKeyRef, Data, Execution, Model, Retention, Storage
from finetune_core.api.notifications import NotificationsChoice
from finetune_core.api.publish import PublishChoice
from finetune_core.api.seeds import EITHER, NO_FOLDS, RunsUntil, in_force
from finetune_core.api.tasks import TaskSpec
from finetune_core.api.tracking import Tracking
from finetune_core.api.training import Training
from finetune_core.frozen import absent
from finetune_core.tasks.metrics import metric_spellings
from finetune_core.tasks.recipes import CUSTOM, RECIPES
from finetune_core.tasks.registry import GLUE_TASKS

MAX_TASKS = 64
MAX_RUNS = 1000
MAX_NAME_LENGTH = 40
MAX_QUARANTINED = 200

_MEASURED = ", ".join(f"'{task.name}': {cel_list(metric_spellings(task.measured))}" for task in GLUE_TASKS.values())
_RECIPE_RUNS = ", ".join(f"'{name}': {recipe.runs}" for name, recipe in RECIPES.items())

_METRIC_IN_ALL_TASKS = (
    "!has(self.training) || !has(self.training.metricForBestModel) || (has(self.tasks) "
    f"? self.tasks.all(task, !(task.name in {cel_list(GLUE_TASKS)}) "
    "|| (has(task.training) && has(task.training.metricForBestModel)) "
    f"|| self.training.metricForBestModel in {{{_MEASURED}}}[task.name]) "
    ": self.training.metricForBestModel in ['loss', 'eval_loss'])",
    "training.metricForBestModel is not measured in every task: set it under tasks[].training instead, or use loss",
)
_RUNS_IN_ALL = (
    "!has(self.tasks) || self.tasks.map(task, (has(task.folds) ? task.folds : 1) * "
    "(has(task.runs) ? task.runs : has(task.runsUntil) ? task.runsUntil.max : has(self.runs) ? self.runs "
    ": has(self.runsUntil) ? self.runsUntil.max "
    f": task.name in {cel_list(RECIPES)} ? {{{_RECIPE_RUNS}}}[task.name] : {CUSTOM.runs})).sum() <= {MAX_RUNS}",
    f"an experiment can have at most {MAX_RUNS} runs over all tasks: lower runs, or split the experiment",
)


class HPSearchRef(ApiModel):
    """An HPSearch in the same namespace."""

    name: Annotated[Name, Field(description="The search; the experiment waits until it has ended.")]
    allow_other_model: Annotated[
        bool, Field(description="Take the values even if the search was over another model.")
    ] = False


class HyperparametersFrom(ApiModel):
    """Exactly one source."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "[has(self.hpSearchRef), has(self.configMapRef), has(self.uri)].filter(x, x).size() == 1",
                "set exactly one of hpSearchRef, configMapRef and uri",
            )
        )
    )

    hp_search_ref: HPSearchRef | None = Field(default=None, description="The best values of an HPSearch.")
    config_map_ref: ConfigMapKeyRef | None = Field(
        default=None, description="A ConfigMap key with YAML: task -> training arguments."
    )
    uri: Annotated[
        Uri | None, Field(description="s3:// folder with one <task>.yaml a task, as a search exports it.")
    ] = None


class QuarantinedRun(ApiModel):
    """A run that is known to be wrong."""

    run_id: Annotated[
        str,
        Field(
            pattern="^[0-9a-f]{16}$",
            max_length=16,
            description="Id of the run, as results and status show it: 16 hexadecimal digits.",
        ),
    ]
    reason: Annotated[str, Field(min_length=1, max_length=500, description="Why its result does not count.")]


class MissingTasks(StrEnum):
    """What the leaderboard zip does about tasks that have no best run."""

    REFUSE = "Refuse"
    PLACEHOLDER = "Placeholder"


class Leaderboard(ApiModel):
    """What goes into the zip."""

    missing_tasks: Annotated[
        MissingTasks,
        Field(
            description="Refuse: no zip, and status names what is missing. "
            "Placeholder: the majority class of the training labels stands in, and is marked so."
        ),
    ] = MissingTasks.REFUSE


class ExperimentSpec(ApiModel):
    """What to fine-tune, on what, how often and how."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "!has(self.leaderboard) || !has(self.predict) || self.predict",
                "leaderboard needs predictions: remove predict: false or leaderboard",
            ),
            (
                "!has(self.hyperparametersFrom) || !has(self.hyperparametersFrom.uri) || "
                "self.hyperparametersFrom.uri.startsWith('s3://')",
                "hyperparametersFrom.uri must be s3://bucket/path",
            ),
            _METRIC_IN_ALL_TASKS,
            _RUNS_IN_ALL,
            ("!has(self.runs) || !has(self.runsUntil)", EITHER),
            (
                "!has(self.runsUntil) || !has(self.tasks) || "
                "self.tasks.all(task, !has(task.folds) || has(task.runs) || has(task.runsUntil))",
                f"runsUntil: {NO_FOLDS}",
            ),
        )
    )

    model: Model = Field(description="The pretrained model.")
    data: Data | None = Field(default=None, description="The data of all tasks. Default: GLUE from the hub.")
    tasks: Annotated[
        tuple[TaskSpec, ...] | None,
        Field(
            min_length=1,
            max_length=MAX_TASKS,
            description="The tasks, by name. Default: all nine of GLUE.",
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
    ] = None
    runs: Annotated[
        int | None,
        Field(
            ge=1,
            le=100,
            description="Seeds that each task is fine-tuned with. Raising it keeps the runs already done. "
            "Default: the task's published recipe (GLUE), 5 (custom).",
        ),
    ] = None
    runs_until: Annotated[
        RunsUntil | None,
        Field(exclude_if=absent, description="In place of runs: as many seeds as it takes until a mean is that sure."),
    ] = None
    seed: Annotated[
        int, Field(ge=0, le=2**31 - 1, description="Base seed; each run's own seed is derived from it.")
    ] = 42
    quarantine: Annotated[
        tuple[QuarantinedRun, ...] | None,
        Field(
            max_length=MAX_QUARANTINED,
            description="Runs whose results do not count: they are kept and named in the results, are never the best "
            "and in no mean, and each is done once more, with the same seed. Remove an entry to count its run again.",
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["runId"]},
        ),
    ] = None
    training: Training | None = Field(default=None, description="Training arguments of all tasks.")
    hyperparameters_from: HyperparametersFrom | None = Field(
        default=None, description="Tuned training arguments per task; tasks[].training wins over them."
    )
    predict: Annotated[bool, Field(description="Predict the test sets with each run's best weights.")] = True
    leaderboard: Leaderboard | None = Field(
        default=None, description="Build the GLUE leaderboard's submission.zip from the best runs."
    )
    execution: Execution = Field(default_factory=Execution)
    budget: BudgetChoice = None
    storage: Storage | None = Field(
        default=None,
        description="Where results go. Default: the storage that the operator was installed with.",
    )
    retention: Retention = Field(default_factory=Retention)
    tracking: Tracking | None = Field(
        default=None, description="Show the runs in TensorBoard, MLflow or Weights & Biases. Default: in none."
    )
    notifications: NotificationsChoice = None
    publish: PublishChoice = None

    def until_of(self, task: TaskSpec) -> RunsUntil | None:
        """When a task of this spec has seeds enough; None where it has a number of them."""
        return in_force(task.runs, task.runs_until, self.runs_until)
