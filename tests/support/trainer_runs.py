"""Job plans over local files and a local store, for tests of the trainer."""

import contextlib
import io
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from finetune_core.api import ExperimentSpec
from finetune_core.layout import ExperimentLayout, RunLayout
from finetune_core.planning.identity import FileEntry, content_digest
from finetune_core.planning.parse import define, runs_of, settings_of, task_specs
from finetune_core.planning.plan import ExecutionLimits, JobPlan, ResolvedData, ResolvedModel, TaskPlan, make_plan
from finetune_core.planning.pods import job_plan
from finetune_core.results.run import RunResult
from finetune_core.tasks.data_files import custom_files, find_glue_files
from finetune_trainer.cli import main
from glue_demo import tiny_bert, write


def made_inputs(folder: Path, *, train: int, dev: int, test: int) -> Path:
    """The folder, with generated GLUE data of so many rows and a tiny random BERT in it."""
    write(folder / "glue", train_rows=train, dev_rows=dev, test_rows=test)
    tiny_bert(folder / "model")
    return folder


@dataclass
class Workspace:
    """A folder with model, data and a store, and the trainer as a process on them."""

    root: Path
    model: Path
    data: Path
    processes: int = 1
    at_once: int = 1

    @property
    def store(self) -> Path:
        return self.root / "store"

    def plan(
        self,
        tasks: list[dict],
        *,
        name: str = "exp",
        limits: ExecutionLimits | None = None,
        runs_per_pod: int = 1,
        **spec: object,
    ) -> JobPlan:
        """A Job plan of some tasks, as the operator would make it."""
        made = ExperimentSpec.model_validate({"model": {"uri": f"file://{self.model}"}, "tasks": tasks, **spec})
        plans = {}
        for task in task_specs(made):
            paths = [path.relative_to(self.data).as_posix() for path in sorted(self.data.rglob("*")) if path.is_file()]
            if task.problem_type:
                named = {"train": task.data.train, "validation": task.data.validation, "test": task.data.test}
                splits = custom_files(named, paths, where="data")
            else:
                splits = find_glue_files(define(task), paths, where="data")
            entries = [
                FileEntry(name, "", (self.data / name).stat().st_size) for one in splits.files.values() for name in one
            ]
            data = ResolvedData(uri=f"file://{self.data}", digest=content_digest(entries), splits=splits)
            plans[task.name] = TaskPlan(definition=define(task), settings=settings_of(made, task), data=data)
        plan = make_plan(
            made,
            namespace="ns",
            name=name,
            model=ResolvedModel(uri=made.model.uri, type=made.model.type, digest="md5s:model"),
            tasks=plans,
            runs={task.name: runs_of(made, task) for task in task_specs(made)},
        )
        pending = frozenset(run.run_id for run in plan.runs)
        return job_plan(plan, pending, runs_per_pod=runs_per_pod, limits=limits or ExecutionLimits())

    def start(self, job: JobPlan, index: int = 0, *, attempt: str = "attempt-1") -> subprocess.Popen[str]:
        """The trainer as a process, for what needs one: signals."""
        command = [str(Path(sys.executable).with_name("finetune-trainer")), *self._arguments(job, index)]
        environment = {**os.environ, **self._environment(attempt)}
        with self.log.open("a") as log:
            return subprocess.Popen(command, env=environment, stderr=log, text=True)

    def start_driver(self, job: JobPlan) -> subprocess.Popen[str]:
        """The driver of all runs as a process, with a worker on this machine."""
        file = self.root / "plan.json"
        file.write_bytes(job.to_bytes())
        command = [str(Path(sys.executable).with_name("finetune-trainer")), "drive", "--local", f"--plan={file}"]
        with self.log.open("a") as log:
            return subprocess.Popen(command, env={**os.environ, **self._environment("pod")}, stderr=log, text=True)

    def modules(self, job: JobPlan, *, attempt: str) -> set[str]:
        """What a process that does index 0 has imported when it has succeeded."""
        shown = "import sys; from finetune_trainer.cli import main; assert main() == 0; print(*sys.modules)"
        command = [sys.executable, "-c", shown, *self._arguments(job, 0)]
        environment = {**os.environ, **self._environment(attempt)}
        ended = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
        return set(ended.stdout.split())

    def run(self, job: JobPlan, index: int = 0, *, attempt: str = "attempt-1") -> tuple[int, str]:
        """Exit code and log of the trainer, in this process: torch takes seconds to import."""
        log = io.StringIO()
        handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
        with mock.patch.dict(os.environ, self._environment(attempt)), contextlib.redirect_stderr(log):
            try:
                return main(self._arguments(job, index)), log.getvalue()
            finally:
                for number, handler in handlers.items():
                    signal.signal(number, handler)

    def _arguments(self, job: JobPlan, index: int) -> list[str]:
        file = self.root / "plan.json"
        file.write_bytes(job.to_bytes())
        self.termination_log.touch()
        return ["run", f"--plan={file}", f"--index={index}"]

    def _environment(self, attempt: str) -> dict[str, str]:
        return {
            "OMP_NUM_THREADS": "1",
            "FINETUNE_STORE": f"file://{self.store}",
            "FINETUNE_WORK": str(self.root / f"work-{attempt}"),
            "FINETUNE_ATTEMPT": attempt,
            "FINETUNE_PROCESSES_PER_RUN": str(self.processes),
            "FINETUNE_RUNS_AT_ONCE": str(self.at_once),
            "FINETUNE_TERMINATION_LOG": str(self.termination_log),
        }

    @property
    def log(self) -> Path:
        return self.root / "trainer.log"

    @property
    def termination_log(self) -> Path:
        return self.root / "termination-log"

    def layout(self, job: JobPlan, place: int = 0) -> RunLayout:
        run = job.plan.runs[place]
        return ExperimentLayout("ns", job.plan.experiment).run(run.task, run.run_id)

    def result(self, job: JobPlan, place: int = 0) -> RunResult:
        return RunResult.model_validate_json((self.store / self.layout(job, place).result).read_bytes())
