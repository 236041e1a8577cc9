"""`make bench-curves`: learning curves of many configurations, written to bench/curves/curves.jsonl.gz.

One process does all of them by the trainer's own functions: data are tokenised once a task, and a curve takes seconds.
A finished curve is a line of the journal, and the same command goes on after the last one; `--pack` adds the journal to
the file of the repository, and what that has is not recorded again. Configurations go round the settings, so that
whatever ends the recording leaves about equally many of each. Only numbers are kept, no sentence of the data.

    make bench-curves BENCH_ARGS="--journal FILE --glue-dir GLUE --minutes 60"
"""

import argparse
import json
import math
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import transformers

from curves.recorded import CURVES, Curve, drop_torn_line, read_lines, write_lines
from curves.settings import MINILM, SETTINGS, TINY, Setting, data_folder, model_folder
from finetune_core.api import HPSearchSpec
from finetune_core.planning.identity import FileEntry, content_digest
from finetune_core.planning.parse import define
from finetune_core.planning.plan import ExecutionLimits, Plan, ResolvedData, ResolvedModel
from finetune_core.planning.search.build import make_search_plan
from finetune_core.planning.search.plan import SearchPlan
from finetune_core.planning.search.space import configuration
from finetune_core.tasks.data_files import find_glue_files
from finetune_trainer.errors import DivergedError
from finetune_trainer.pod import make_pod
from finetune_trainer.run.preparing import Preparation
from finetune_trainer.run.progress import Clock
from finetune_trainer.run.run import Pod
from finetune_trainer.run.training import make_trainer
from finetune_trainer.signals import StopFlag

_SEED = 17


class Recorder(transformers.TrainerCallback):
    """Keeps (step, train loss, dev loss, dev metric) of each evaluation; the last step has one too."""

    def __init__(self, metric: str) -> None:
        self._metric = metric
        self.rows: list[tuple[int, float | None, float, float]] = []
        self.total_steps = 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """How far it goes is known."""
        self.total_steps = state.max_steps

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """As the trainer's own callback does."""
        if state.global_step >= state.max_steps:
            control.should_evaluate = True

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """A row."""
        found = {name.removeprefix("eval_"): value for name, value in kwargs["metrics"].items()}
        loss = next((log["loss"] for log in reversed(state.log_history) if "loss" in log), None)
        if not self.rows or self.rows[-1][0] != state.global_step:
            self.rows.append((state.global_step, loss, found["loss"], found[self._metric]))


class Bench:
    """The settings' plans and one pod for all of them, below a folder."""

    def __init__(self, work: Path, glue: Path | None) -> None:
        self._work = work
        self._glue = glue
        self._plans: dict[str, SearchPlan] = {}
        self._pod: Pod | None = None

    def record(self, setting: Setting, index: int, seed: int) -> Curve:
        """Train configuration `index` of the setting with its seed number `seed`."""
        plan = self._plan(setting)
        searched = plan.tasks[setting.task]
        config = configuration(searched.space, algorithm=plan.algorithm, seed=plan.seed, task=setting.task, index=index)
        steps = config["numTrainEpochs"] * math.ceil(setting.rows[0] / config["trainBatchSize"])
        every = {"evalSteps": max(1, math.ceil(steps / setting.evaluations))}
        seeds = (plan.trial_seeds(setting.task)[0] + seed,)
        began = time.process_time()
        recorder, diverged = self._train(setting, plan.trial_plan(setting.task, config | every, seeds))
        return Curve(
            setting=setting.name,
            index=index,
            seed=seed,
            config=config,
            total_steps=recorder.total_steps,
            diverged=diverged,
            seconds=round(time.process_time() - began, 2),
            rows=tuple(recorder.rows),
        )

    def _train(self, setting: Setting, plan: Plan) -> tuple[Recorder, bool]:
        (planned,), task = plan.runs, plan.tasks[setting.task]
        pod = self._opened(plan)
        clock = Clock(before=0, timeout=None, attempts=1, stopped=lambda: False)
        prepared = Preparation(plan.model, task, pod.inputs, pod.splits, clock)
        prepared.read_data()
        prepared.load_model(planned.seed)
        recorder = Recorder(task.settings.metric_for_best_model)

        def evaluate(model: Any) -> dict[str, float]:
            autocast = trainer.compute_loss_context_manager
            return prepared.assessor.evaluate(model, prepared.head, prepared.dev, autocast)[0]

        trainer = make_trainer(
            task.settings,
            model=prepared.model,
            tokens=prepared.train,
            collator=prepared.assessor.collate(prepared.model, prepared.train, prepared.head),
            evaluate=evaluate,
            callbacks=[recorder],
            folder=self._work / "run",
            seed=planned.seed,
        )
        try:
            trainer.go_on(None, False)
        except DivergedError:
            return recorder, True
        return recorder, False

    def _opened(self, plan: Plan) -> Pod:
        if self._pod is None:
            store = f"file://{self._work / 'store'}"
            os.environ["FINETUNE_WORK"] = str(self._work / "pod")
            self._pod = make_pod(plan, ExecutionLimits(), store=store, attempt="curves", stop=StopFlag(), patience=0)
        return self._pod

    def _plan(self, setting: Setting) -> SearchPlan:
        if setting.name not in self._plans:
            data = data_folder(setting, self._glue, self._work / "data" / setting.name)
            model = model_folder(setting.model, self._work / "models" / setting.model)
            self._plans[setting.name] = make_plan(setting, model, data)
        return self._plans[setting.name]


def make_plan(setting: Setting, model: Path, data: Path) -> SearchPlan:
    """A Random search over the setting's space."""
    spec = HPSearchSpec.model_validate(
        {
            "model": {"uri": f"file://{model}"},
            "data": {"uri": f"file://{data}"},
            "tasks": [{"name": setting.task}],
            "space": setting.space,
            "training": setting.training,
            "trials": setting.configurations,
            "seed": _SEED,
            "algorithm": "Random",
        }
    )
    (task,) = spec.tasks
    files = [path.relative_to(data).as_posix() for path in sorted(data.rglob("*.tsv"))]
    digest = content_digest(FileEntry(name, "", (data / name).stat().st_size) for name in files)
    found = find_glue_files(define(task), files, where="data")
    resolved = ResolvedData(uri=f"file://{data}", digest=digest, splits=found)
    return make_search_plan(
        spec,
        namespace="bench",
        name=setting.name.replace("/", "-"),
        model=ResolvedModel(uri=spec.model.uri, digest=""),
        data={setting.task: resolved},
    )


def wanted() -> Iterator[tuple[Setting, int, int]]:
    """(setting, configuration, seed) in the order of recording: the cheaper model first, all first seeds first."""
    for seed in range(max(setting.seeds for setting in SETTINGS)):
        for model in (TINY, MINILM):
            settings = [setting for setting in SETTINGS if setting.model == model and seed < setting.seeds]
            for index in range(max((setting.configurations for setting in settings), default=0)):
                yield from ((setting, index, seed) for setting in settings if index < setting.configurations)


def recorded(journal: Path) -> dict[tuple[str, int, int], Curve]:
    """What the repository and the journal have, by setting, configuration and seed."""
    return {(curve.setting, curve.index, curve.seed): curve for curve in (*read_lines(CURVES), *read_lines(journal))}


def record(journal: Path, work: Path, glue: Path | None, *, seconds: float) -> None:
    """Record what journal and repository lack, until it is complete or the time is spent."""
    drop_torn_line(journal)
    done = set(recorded(journal))
    bench, ends = Bench(work, glue), time.monotonic() + seconds
    for setting, index, seed in wanted():
        if (setting.name, index, seed) in done:
            continue
        if time.monotonic() > ends:
            return
        curve = bench.record(setting, index, seed)
        with journal.open("a") as stream:
            stream.write(json.dumps(curve.to_json()) + "\n")
        last = curve.rows[-1] if curve.rows else None
        print(f"{setting.name} {index}.{seed}: {curve.seconds} s, {curve.total_steps} steps, {last}", flush=True)


def main() -> None:
    """Record, or pack what is recorded."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given = os.environ.get("GLUE_DIR")
    parser.add_argument("--journal", type=Path, required=True)
    parser.add_argument("--glue-dir", type=Path, default=Path(given) if given else None)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--pack", action="store_true", help="add the journal to the repository's file")
    arguments = parser.parse_args()
    if arguments.pack:
        write_lines(CURVES, recorded(arguments.journal).values())
        return
    with tempfile.TemporaryDirectory(prefix="bench-curves-") as folder:
        record(arguments.journal, Path(folder), arguments.glue_dir, seconds=60 * arguments.minutes)


if __name__ == "__main__":
    main()
