"""A stand-in for MLflow's fluent API: each thread has an active run of its own, as with the real one."""

import threading
from types import SimpleNamespace
from typing import Any

from fake_calls import called

import mlflow.utils.validation  # noqa: F401 - the callback finds it as an attribute

__version__ = "3.0.0"
_local = threading.local()


def is_tracking_uri_set() -> bool:
    return True


def get_tracking_uri() -> str:
    return "https://mlflow.test"


def active_run() -> Any:
    return getattr(_local, "run", None)


def set_experiment(name: str) -> None:
    called("mlflow.set_experiment", name=name)


def start_run(run_name: str, tags: dict[str, str] | None = None, nested: bool = False) -> None:
    called("mlflow.start_run", name=run_name, tags=tags)
    _local.run = SimpleNamespace(info=SimpleNamespace(run_id="1", name=run_name))


def log_params(values: dict[str, Any], synchronous: bool = True) -> None:
    called("mlflow.log_params", run=_local.run.info.name)


def log_metrics(metrics: dict[str, float], step: int, synchronous: bool = True) -> None:
    called("mlflow.log_metrics", run=_local.run.info.name, step=step, values=metrics)


def end_run(status: str = "FINISHED") -> None:
    called("mlflow.end_run", run=_local.run.info.name, status=status)
    _local.run = None
