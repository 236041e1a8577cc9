"""A manifest that serves a published model by KServe's runtime for Hugging Face (as its sources of 2026 have it)."""

from typing import Any

from finetune_core.names import name_from
from finetune_core.publishing.facts import Facts
from finetune_core.tasks.metrics import ProblemType

_LONGEST_NAME = 40
"""KServe makes host names of it, with suffixes of its own, of at most 63 characters."""


def cannot_serve(facts: Facts) -> str | None:
    """Why that runtime cannot serve the model, or would answer wrongly; None where it can."""
    if facts.is_adapter:
        return "it opens no adapter without its base model (training.mergeAdapter: true keeps a merged one)"
    if facts.task.definition.problem_type == ProblemType.REGRESSION:
        return "it answers with the number of the largest output, which of a score is always 0"
    return None


def inference_service(facts: Facts, storage_uri: str) -> dict[str, Any]:
    """The InferenceService; `storage_uri` is where KServe gets the model: hf://, oci:// or oci+native://."""
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {
            "name": name_from(f"{facts.plan.experiment}-{facts.run.task}", _LONGEST_NAME) or "model",
            "annotations": {"finetune.dev/run": facts.run.run_id, "finetune.dev/experiment": facts.plan.folder},
        },
        "spec": {
            "predictor": {
                "model": {
                    "modelFormat": {"name": "huggingface"},
                    "args": _arguments(facts),
                    "storageUri": storage_uri,
                    "resources": {"requests": {"cpu": "1", "memory": "2Gi"}, "limits": {"memory": "4Gi"}},
                }
            }
        },
    }


def _arguments(facts: Facts) -> list[str]:
    several = facts.task.definition.problem_type == ProblemType.MULTI_LABEL
    # Without raw logits it would name the one most probable label of a text that can have several.
    return [
        f"--model_name={facts.run.task}",
        "--task=sequence_classification",
        "--backend=huggingface",
        f"--max_length={facts.task.settings.max_seq_length}",
        "--return_raw_logits" if several else "--return_probabilities",
    ]
