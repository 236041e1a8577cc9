"""A registered model of MLflow: each push is another version, with a run that has settings, metrics and the files.

Address and keys are MLflow's own: MLFLOW_TRACKING_URI, MLFLOW_REGISTRY_URI, MLFLOW_TRACKING_USERNAME and so on.
"""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from finetune_client.errors import NotFoundError, RefusedError, UnreachableError, UsageError
from finetune_core.publishing.facts import Facts
from finetune_publish.places import Options, Pushed, require_installed

_URI = re.compile(r"models:/(?P<name>[A-Za-z0-9][-A-Za-z0-9_. ]{0,127})(/(?P<version>[0-9]{1,9}))?", re.ASCII)
_FOLDER = "model"
_TRACKING_URI = "MLFLOW_TRACKING_URI"
_MOST_OF_A_VALUE = 500
_ITS_OWN_FAULT = 500
_DEFAULTS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "GIT_PYTHON_REFRESH": "quiet",
}
"""Read when mlflow is imported: as it is, it waits minutes for a server that is not there, reports its use, and warns
where there is no git."""


class MlflowPlace:
    """See `places.Place`."""

    def __init__(self, name: str, version: str | None) -> None:
        self._name = name
        self._version = version
        with _told():
            self._client = _mlflow().MlflowClient()

    @property
    def load_from(self) -> str:
        """See Place."""
        return "FOLDER"

    def require_writable(self) -> None:
        """See Place."""
        if self._version:
            raise UsageError(f"models:/{self._name}/{self._version} is a version", f"Publish to models:/{self._name}.")
        with _told():
            self._client.search_registered_models(max_results=1)

    def push(self, folder: Path, facts: Facts) -> Pushed:
        """See Place. The version is made last, of a run that has all files."""
        with _told():
            name, tags = f"publish-{facts.run.run_id}", _tags(facts)
            run = self._client.create_run(self._experiment(facts), run_name=name, tags=tags)
            identifier = run.info.run_id
            self._log(identifier, facts)
            self._client.log_artifacts(identifier, str(folder), _FOLDER)
            self._client.set_terminated(identifier)
            self._register()
            made = self._client.create_model_version(
                self._name, f"{run.info.artifact_uri}/{_FOLDER}", identifier, tags=tags
            )
        return Pushed(f"models:/{self._name}/{made.version}", note="finetune verify reads it from there")

    def fetch(self, scratch: Path) -> Path:
        """See Place."""
        with _told():
            version = self._version or self._newest()
            source = self._client.get_model_version_download_uri(self._name, version)
            _mlflow().artifacts.download_artifacts(artifact_uri=source, dst_path=str(scratch))
        _lift(scratch / _FOLDER, scratch)
        return scratch

    def _experiment(self, facts: Facts) -> str:
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or facts.plan.folder
        found = self._client.get_experiment_by_name(name)
        return str(found.experiment_id) if found else str(self._client.create_experiment(name))

    def _log(self, run: str, facts: Facts) -> None:
        for name, value in facts.task.settings.identity().items():
            self._client.log_param(run, name, str(value)[:_MOST_OF_A_VALUE])
        for metric, value in _metrics(facts).items():
            self._client.log_metric(run, metric, value, step=facts.result.step)

    def _register(self) -> None:
        if not self._client.search_registered_models(filter_string=f"name = '{self._name}'"):
            self._client.create_registered_model(self._name)

    def _newest(self) -> str:
        found = self._client.search_model_versions(f"name = '{self._name}'")
        if not found:
            raise NotFoundError(f"there is no models:/{self._name}", "Check the name, and MLFLOW_TRACKING_URI.")
        return str(max(int(one.version) for one in found))


def _tags(facts: Facts) -> dict[str, str]:
    told = {"run": facts.run.run_id, "task": facts.run.task, "seed": facts.run.seed, "experiment": facts.plan.folder}
    return {f"finetune.{name}": str(value) for name, value in {**told, "licence": facts.licence}.items()}


def _metrics(facts: Facts) -> Mapping[str, float]:
    own = {row.metric: facts.result.metrics.get(row.metric) for row in facts.metrics}
    over = {f"{row.metric}_mean": row.mean for row in facts.metrics}
    over |= {f"{row.metric}_std": row.std for row in facts.metrics}
    return {name: value for name, value in {**own, **over}.items() if value is not None}


def _lift(inner: Path, folder: Path) -> None:
    """A folder's content to the one above, where the server sent the folder itself."""
    if inner.is_dir() and not (folder / "provenance.json").exists():
        for path in inner.iterdir():
            path.rename(folder / path.name)
        inner.rmdir()


def _mlflow() -> Any:
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    import mlflow  # noqa: PLC0415 - after what it reads at its import, and seconds to import

    return mlflow


@contextmanager
def _told() -> Iterator[None]:
    """What MLflow's client says, as an error of ours."""
    failure: type[Exception] = _mlflow().exceptions.MlflowException
    try:
        yield
    except failure as error:
        said, remedy = next(iter(str(error).splitlines()), ""), "Check MLFLOW_TRACKING_URI, and your keys for it."
        # What is no answer of the server has this number too.
        if getattr(error, "get_http_status_code", int)() >= _ITS_OWN_FAULT:
            raise UnreachableError(f"MLflow does not answer, or cannot do it now: {said}", remedy) from error
        raise RefusedError(f"MLflow refuses it: {said}", remedy) from error


def open_place(uri: str, options: Options) -> MlflowPlace:
    """A registered model, or a version of one, by its URI; UsageError."""
    del options
    require_installed("mlflow", "mlflow")
    match = _URI.fullmatch(uri)
    if match is None:
        raise UsageError(f"{uri} is no registered model", "Write models:/NAME, or models:/NAME/VERSION to read one.")
    if not os.environ.get(_TRACKING_URI):
        raise UsageError(f"{_TRACKING_URI} is not set", "It is the address of the MLflow server.")
    return MlflowPlace(match["name"], match["version"])
