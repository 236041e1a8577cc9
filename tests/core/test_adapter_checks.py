"""What a spec may say of adapters."""

from typing import Any

import pytest

from finetune_cli.convert.run_glue import from_run_glue
from finetune_core.api import ExperimentSpec
from finetune_core.planning.parse import check_spec


def problems(training: dict[str, Any], kind: str | None) -> list[tuple[str, str]]:
    model = {"uri": "hf://a/b", "type": kind}
    spec = ExperimentSpec.model_validate({"model": model, "tasks": [{"name": "rte"}], "training": training})
    return [(problem.field.removeprefix("spec.tasks[rte].training."), problem.message) for problem in check_spec(spec)]


@pytest.mark.parametrize("training", [{}, {"peftType": "LORA", "loraR": 4}, {"peftType": "IA3"}])
def test_an_adapter_with_its_own_arguments_is_accepted(training: dict[str, Any]) -> None:
    assert problems(training, None) == []


@pytest.mark.parametrize(
    ("training", "kind", "field", "words"),
    [
        ({"loraR": 4}, None, "loraR", "needs peftType LORA: "),
        ({"peftType": "IA3", "loraR": 4}, None, "loraR", "needs peftType LORA: "),
        ({"mergeAdapter": False}, None, "mergeAdapter", "needs peftType LORA or IA3: "),
        ({"peftType": "LORA", "freezeLayers": 2}, None, "freezeLayers", "only the adapter and the head are trained"),
        ({"peftType": "IA3", "targetModules": ["a"]}, None, "targetModules", "or neither: set both"),
        ({"peftType": "LORA"}, "fully_static_sparse_bert", "peftType", "would not be kept in a merged model"),
    ],
)
def test_what_does_not_go_with_an_adapter_is_refused(
    training: dict[str, Any], kind: str | None, field: str, words: str
) -> None:
    ((found, message),) = problems(training, kind)
    assert found == field
    assert words in message


def test_names_of_several_modules_are_read_from_a_command() -> None:
    told = "--peft_type LORA --lora_target_modules query value --gradient_checkpointing"
    command = f"python run_glue.py --model_name_or_path a/b --task_name rte {told}"
    training = from_run_glue(command).manifest["spec"]["training"]
    assert training["targetModules"] == ["query", "value"]
    assert (training["peftType"], training["gradientCheckpointing"]) == ("LORA", True)
