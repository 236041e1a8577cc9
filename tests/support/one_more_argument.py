"""What becomes of a training argument that is one more line of the table: `python -m support.one_more_argument`.

A process of its own, because all that is made from the table is made when it is imported.
"""

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

NAME = "neftune_noise_alpha"
API_NAME = "neftuneNoiseAlpha"
LINE = f"""
    {NAME}: Annotated[
        float | None,
        Field(ge=0, description="Noise in the embeddings."),
        Argument(since="9.9", passed=True, searchable=True),
    ]
"""


def load() -> None:
    """The table of arguments with one more line, in place of the real one."""
    spec = importlib.util.find_spec("finetune_core.planning.arguments.table")
    assert spec
    assert spec.origin
    text = Path(spec.origin).read_text(encoding="utf-8")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    exec(compile(text.replace("\n\nARGUMENTS = ", f"{LINE}\n\nARGUMENTS = ", 1), spec.origin, "exec"), module.__dict__)


def facts() -> dict[str, Any]:
    """What all the others make of it; they must not be imported before it is there."""
    # ruff: noqa: PLC0415
    from finetune_cli.convert.run_glue import from_run_glue
    from finetune_core.api import HyperparametersFrom
    from finetune_core.api.crd import experiment_crd, search_crd
    from finetune_core.api.search_status import HPSearchStatus
    from finetune_core.api.status import ExperimentStatus
    from finetune_core.planning.arguments.table import SEARCHABLE
    from finetune_core.planning.tuned import from_config_map
    from finetune_dev.docs.reference import crd_page
    from finetune_report.canvas import label_of
    from finetune_trainer.run.arguments import training_arguments
    from support.corpus import written
    from support.corpus_plans import plan_files
    from support.results import plan_of, settings_for

    kept = written()
    crds = (experiment_crd(ExperimentStatus), search_crd(HPSearchStatus))
    unset, chosen = (plan_of({"rte": 1}, training={"rte": {NAME: value}}) for value in (None, 5))
    source = HyperparametersFrom.model_validate({"uri": "s3://bucket/hps"})
    command = f"python run_glue.py --model_name_or_path a/b --task_name rte --{NAME} 5"
    return {
        "corpus": [path for path, content in plan_files() if kept[path] != content],
        "ids": {"unset": unset.runs[0].run_id, "set": chosen.runs[0].run_id},
        "id without it": plan_of({"rte": 1}).runs[0].run_id,
        "round trip": type(chosen).model_validate_json(chosen.to_bytes()) == chosen,
        "crds": [API_NAME in json.dumps(crd) for crd in crds],
        "reference": f"| `{API_NAME}` | number |  | ≥ 0 | Noise in the embeddings. |" in crd_page(crds[0]),
        "searchable": API_NAME in SEARCHABLE,
        "tuned": from_config_map(source, "a", f"rte: {{{API_NAME}: 5}}").tasks["rte"].values,
        "converted": from_run_glue(command).manifest["spec"]["training"][API_NAME],
        "label": label_of(API_NAME),
        "trainer": training_arguments(settings_for("rte", **{NAME: 5}), folder=Path(), seed=1).neftune_noise_alpha,
    }


if __name__ == "__main__":
    load()
    print(json.dumps(facts()))
