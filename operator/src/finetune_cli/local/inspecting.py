"""What a run would refuse in model and data, found on this machine before anything is submitted."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from finetune_cli.local.planning import Manifest, plan_locally, plan_search_locally
from finetune_cli.manifest.crds import EXPERIMENT
from finetune_client.errors import ClientError
from finetune_core.planning.inspection import Discovery, Inspection, InspectionReport
from finetune_core.planning.plan import TaskPlan
from finetune_core.problems import InvalidInputError
from finetune_store import S3Connection, open_store

_SHOWN = 2000


def discoveries(manifest: Manifest, kind: str) -> list[Discovery]:
    """What the trainer finds, or what keeps it from looking: inputs that are not there. ClientError, StoreError."""
    manifest, found = _without_cluster(manifest)
    with tempfile.TemporaryDirectory(prefix="finetune-") as folder:
        try:
            inspection = _inspection(manifest, kind, Path(folder))
        except InvalidInputError as error:
            return [*found, *(Discovery(field=one.field, message=one.message) for one in error.problems)]
        return [*found, *_inspect(inspection, Path(folder))]


def _without_cluster(manifest: Manifest) -> tuple[Manifest, list[Discovery]]:
    """Tuned values that a cluster holds are not looked at."""
    source = manifest.spec.get("hyperparametersFrom") or {}
    if not source or source.get("uri"):
        return manifest, []
    message = "the tuned values are in a cluster, so the spec's own settings were looked at: plan shows the tuned ones"
    left = {name: value for name, value in manifest.spec.items() if name != "hyperparametersFrom"}
    return replace(manifest, spec=left), [Discovery(field="spec.hyperparametersFrom", message=message, warning=True)]


def _inspection(manifest: Manifest, kind: str, folder: Path) -> Inspection:
    """Model and data, pinned as for a run; nothing is kept of it."""
    connection = S3Connection.from_env(os.environ)
    store = open_store((folder / "store").as_uri(), connection=connection)
    if kind == EXPERIMENT:
        plan = plan_locally(manifest, store, connection).plan
        return Inspection(model=plan.model, tasks=plan.tasks)
    searched = plan_search_locally(manifest, store, connection).plan
    tasks = {
        name: TaskPlan(definition=task.definition, settings=task.settings, data=task.data)
        for name, task in searched.tasks.items()
    }
    return Inspection(model=searched.model, tasks=tasks)


def _inspect(inspection: Inspection, folder: Path) -> tuple[Discovery, ...]:
    asked, report = folder / "inspection.json", folder / "report.json"
    asked.write_text(inspection.model_dump_json(by_alias=True))
    environment = {"FINETUNE_WORK": str(folder / "work"), "FINETUNE_STORE": (folder / "store").as_uri()}
    code, log = run_trainer(["inspect", f"--inspection={asked}", f"--report={report}"], environment)
    if code:
        raise ClientError(f"model and data could not be looked at: the trainer ended with {code}", log[-_SHOWN:])
    return InspectionReport.model_validate_json(report.read_bytes()).found


def run_trainer(arguments: list[str], environment: Mapping[str, str]) -> tuple[int, str]:
    """Run `finetune-trainer` to its end: its exit code and what it said."""
    command = [str(Path(sys.executable).with_name("finetune-trainer")), *arguments]
    done = subprocess.run(
        command,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr
