"""What each tracker needs around Hugging Face's callback: where a run is filed, and how it begins and ends.

Runs are begun here and not by the callbacks: those read names from environment variables, of which wandb takes notice
once a process, and a pod may do several runs. Each callback logs to a run that it finds begun.
"""

import importlib
import logging
import os
import re
from pathlib import Path
from typing import Any, Protocol

import transformers
from transformers.integrations.integration_utils import MLflowCallback, TensorBoardCallback, WandbCallback

from finetune_core.tracking import TrackedRun
from finetune_store import Store, StoreError, upload_tree

logger = logging.getLogger(__name__)

_NOT_IN_WANDB_PROJECTS = re.compile(r"[/\\#?%:]")


class Backend(Protocol):
    """One tracker and one run. Any method may raise whatever the tracker's package does; none is called after that."""

    remedy: str

    def start(self, run: TrackedRun) -> transformers.TrainerCallback:
        """Begin the run at the tracker; what logs to it."""

    def sent(self) -> None:
        """Something was logged."""

    def finish(self, *, ok: bool) -> None:
        """The run ended: with all its steps, or not."""


class TensorBoard:
    """Event files in a local folder, which is copied to the store whenever something was logged."""

    remedy = "the curves are in metrics.jsonl too; see whether the store and the pod's disk can be written"

    def __init__(self, folder: Path, store: Store, key: str) -> None:
        self._folder = folder
        self._store = store
        self._key = key

    def start(self, run: TrackedRun) -> transformers.TrainerCallback:
        """Open an event file."""
        self._writer = _summary_writer(self._folder)
        self._writer.add_text("run", "  \n".join(f"{name}: {value}" for name, value in run.facts.items()))
        return TensorBoardCallback(tb_writer=self._writer)

    def sent(self) -> None:
        """Copy the file; a store that is away for a moment gets it with the next piece."""
        try:
            upload_tree(self._store, self._folder, self._key)
        except StoreError as error:
            logger.warning("event files are not sent for now: %s", error)

    def finish(self, *, ok: bool) -> None:
        """Close and copy the file; StoreError."""
        self._writer.close()
        upload_tree(self._store, self._folder, self._key)


class MLflow:
    """A run of an MLflow server."""

    remedy = (
        "check MLFLOW_TRACKING_URI, MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD (in the Secret of "
        "tracking.secretRef), and that the server can be reached from here"
    )

    def __init__(self, project: str | None) -> None:
        self._project = project or os.environ.get("MLFLOW_EXPERIMENT_NAME")

    def start(self, run: TrackedRun) -> transformers.TrainerCallback:
        """Begin a run; LookupError where no server is named: MLflow would write to the pod's own disk, and be lost."""
        if not os.environ.get("MLFLOW_TRACKING_URI"):
            raise LookupError("MLFLOW_TRACKING_URI is not set")
        self._mlflow: Any = importlib.import_module("mlflow")
        if self._mlflow.active_run() is not None:
            self._mlflow.end_run()
        self._mlflow.set_experiment(self._project or run.project)
        tags = {f"finetune.{name}": value for name, value in run.facts.items()}
        self._mlflow.start_run(run_name=run.name, tags=tags)
        return MLflowCallback()

    def sent(self) -> None:
        """Nothing to do: MLflow sends by itself."""

    def finish(self, *, ok: bool) -> None:
        """End the run, once what was logged has arrived."""
        self._mlflow.end_run("FINISHED" if ok else "FAILED")


class Wandb:
    """A run of Weights & Biases."""

    remedy = (
        "check WANDB_API_KEY, and WANDB_BASE_URL where you have a server of your own (in the Secret of "
        "tracking.secretRef), and that the server can be reached from here"
    )

    def __init__(self, project: str | None) -> None:
        self._project = project or os.environ.get("WANDB_PROJECT")

    def start(self, run: TrackedRun) -> transformers.TrainerCallback:
        """Begin a run, in the group of its task."""
        self._wandb: Any = importlib.import_module("wandb")
        self._wandb.init(
            project=_NOT_IN_WANDB_PROJECTS.sub("-", self._project or run.project),
            name=run.name,
            group=run.task,
            tags=[f"seed:{run.seed}", f"run:{run.run_id}"],
            config=run.facts,
            # Left over by a run of this process whose tracking broke off.
            reinit="finish_previous",
            settings=self._wandb.Settings(console="off", silent=True),
        )
        return WandbCallback()

    def sent(self) -> None:
        """Nothing to do: wandb sends by itself."""

    def finish(self, *, ok: bool) -> None:
        """End the run, once what was logged has arrived."""
        self._wandb.finish(exit_code=0 if ok else 1)


def _summary_writer(folder: Path) -> Any:
    """As Hugging Face chooses: tensorboard's by way of torch, else tensorboardX's, which comes with Ray."""
    try:
        module: Any = importlib.import_module("torch.utils.tensorboard")
    except ImportError:
        module = importlib.import_module("tensorboardX")
    return module.SummaryWriter(str(folder))
