"""What a pod's runs share, made from the environment; torch gets the threads that it says."""

import os
import warnings

import torch
import transformers

from finetune_core.planning.plan import ExecutionLimits, Plan
from finetune_store import S3Connection, open_store
from finetune_trainer.cached import Cache
from finetune_trainer.data.splits import Splits
from finetune_trainer.hardware import threads
from finetune_trainer.inputs import Inputs, volumes, work_folder
from finetune_trainer.run.run import Pod
from finetune_trainer.signals import Stop
from finetune_trainer.tracking import Trackers


def make_pod(plan: Plan, limits: ExecutionLimits, *, store: str, attempt: str, stop: Stop, patience: float) -> Pod:
    """Open stores and caches; nothing is fetched yet. `patience` is how long the store is waited for, in seconds."""
    quieten()
    torch.set_num_threads(threads())
    connection = S3Connection.from_env(os.environ)
    patient = open_store(store, connection=connection, retry_seconds=patience)
    work = work_folder()
    inputs = Inputs(work, connection=connection, retry_seconds=patience, pvc_root=volumes(), cache=Cache.from_env())
    return Pod(
        plan=plan,
        limits=limits,
        patient=patient,
        hasty=open_store(store, connection=connection, retry_seconds=0),
        inputs=inputs,
        splits=Splits(inputs, patient, plan.namespace, work),
        stop=stop,
        attempt=attempt,
        image=os.environ.get("FINETUNE_IMAGE"),
        work=work,
        trackers=Trackers.from_env(os.environ),
        scope=os.environ.get("FINETUNE_SCOPE", ""),
    )


def quieten() -> None:
    """What transformers says about new heads and progress bars is expected here; errors still come through."""
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    warnings.filterwarnings("ignore", module=r"(transformers|torch|accelerate)\..*")
