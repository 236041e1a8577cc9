"""A model's card: README.md with the metadata that the hub reads (https://huggingface.co/docs/hub/model-cards)."""

from collections.abc import Iterator
from typing import Any

from finetune_core.plain import one_line
from finetune_core.publishing.facts import Facts
from finetune_core.results.schema import MetricRow
from finetune_core.results.search.hyperparameter_files import to_yaml
from finetune_core.tables import figures
from finetune_core.tables.markdown import markdown_table, markdown_text
from finetune_core.tasks.metrics import ProblemType
from finetune_core.yaml_text import YamlTextError, read_yaml

_HUB = "hf://"
_PIPELINE = "text-classification"
_FENCE = "---\n"


def card(facts: Facts, load_from: str) -> str:
    """The whole file. `load_from` is what stands in its example: a repository's name, or a word for a folder."""
    sections = (_heading(facts), _results(facts), _loading(facts, load_from), _origin(facts), _settings(facts), _CHECK)
    return _FENCE + to_yaml(metadata(facts)) + _FENCE + "\n" + "\n\n".join(sections) + "\n"


def metadata(facts: Facts) -> dict[str, Any]:
    """What the hub reads of a card."""
    task, base, data = facts.run.task, _hub_name(facts.plan.model.uri), _hub_name(facts.task.data.uri)
    return {
        "license": facts.licence,
        "library_name": "peft" if facts.is_adapter else "transformers",
        "pipeline_tag": _PIPELINE,
        "tags": ["finetune-operator", task],
        **({"base_model": base, "base_model_relation": _relation(facts)} if base else {}),
        **({"datasets": [data]} if data else {}),
        "model-index": [{"name": _title(facts), "results": [_evaluated(facts, data)]}],
    }


def told_figures(text: str) -> dict[str, float | None]:
    """Metric -> value, as the metadata of a card tells them; ValueError where it tells none."""
    begin, head, rest = text.partition(_FENCE)
    block, end, _ = rest.partition(f"\n{_FENCE}")
    if begin or not head or not end:
        raise ValueError("it has no metadata between two lines of ---")
    try:
        results = read_yaml(block)["model-index"][0]["results"][0]["metrics"]
        return {str(one["type"]): float(one["value"]) for one in results}
    except (YamlTextError, LookupError, TypeError) as error:
        raise ValueError(f"its model-index cannot be read: {error}") from error


def figures_table(facts: Facts) -> str:
    """The model's own metrics beside those of all runs of its task."""
    return markdown_table(("metric", "this model", "mean ± std", "n"), (_figures(facts, row) for row in facts.metrics))


def _figures(facts: Facts, row: MetricRow) -> tuple[str, str, str, str]:
    own = facts.result.metrics.get(row.metric)
    return row.metric, figures.metric(row.metric, own), figures.spread(row.metric, row.mean, row.std), str(row.n)


def _evaluated(facts: Facts, data: str | None) -> dict[str, Any]:
    task = facts.run.task
    split = next(iter(facts.task.definition.evaluation_splits.values()), "validation")
    metrics = facts.result.metrics
    return {
        "task": {"type": _PIPELINE, "name": task},
        "dataset": {
            "name": task,
            "type": data or ("glue" if facts.task.definition.is_glue else task),
            "config": task,
            "split": split,
        },
        "metrics": [
            {"type": row.metric, "name": row.metric, "value": metrics[row.metric]}
            for row in facts.metrics
            if metrics.get(row.metric) is not None
        ],
    }


def _title(facts: Facts) -> str:
    return f"{facts.plan.experiment}-{facts.run.task}"


def _heading(facts: Facts) -> str:
    best = f"Run {facts.run.run} of {facts.succeeded} of the task `{facts.run.task}`"
    return f"# {_title(facts)}\n\n{best}, fine-tuned from {_code(facts.plan.model.uri)}."


def _results(facts: Facts) -> str:
    said = "Metrics of the dev set at this model's best step, beside the mean and the sample standard deviation over "
    shares = "all runs of the task (one a seed); shares are written × 100."
    return f"## Results\n\n{said}{shares}\n\n{figures_table(facts)}"


def _loading(facts: Facts, load_from: str) -> str:
    lines = _adapter_lines(facts, load_from) if facts.is_adapter else _model_lines(facts, load_from)
    note = "" if facts.plan.model.type is None else f"\n\n{_SPARSE}"
    return "## How to load it\n\n```python\n" + "\n".join(lines) + "\n```" + note


def _model_lines(facts: Facts, load_from: str) -> tuple[str, ...]:
    kind = "AutoModelForSequenceClassification" if facts.result.sparsity is None else "BertForSequenceClassification"
    return (
        f"from transformers import AutoTokenizer, {kind}",
        "",
        f'model = {kind}.from_pretrained("{load_from}")',
        f'tokenizer = AutoTokenizer.from_pretrained("{load_from}")',
    )


def _adapter_lines(facts: Facts, load_from: str) -> tuple[str, ...]:
    base = _hub_name(facts.plan.model.uri) or "FOLDER-OF-THE-BASE-MODEL"
    outputs = max(len(facts.task.definition.labels), 1)
    return (
        "from peft import PeftModel",
        "from transformers import AutoModelForSequenceClassification, AutoTokenizer",
        "",
        f'base = AutoModelForSequenceClassification.from_pretrained("{base}", num_labels={outputs})',
        f'model = PeftModel.from_pretrained(base, "{load_from}")',
        f'tokenizer = AutoTokenizer.from_pretrained("{load_from}")',
    )


_SPARSE = (
    "`BertForSequenceClassification` ignores the masks of the zeros; with the package of the finetune operator, "
    "`import finetune_trainer.sparse` and `AutoModelForSequenceClassification` keep them."
)


def _origin(facts: Facts) -> str:
    rows = ((markdown_text(name), _code(value)) for name, value in _origins(facts) if value)
    lines = [f"| {name} | {value} |" for name, value in rows]
    return "\n".join(("## Where it comes from", "", "| what | value |", "| --- | --- |", *lines))


def _origins(facts: Facts) -> Iterator[tuple[str, str]]:
    run, result, task = facts.run, facts.result, facts.task
    yield "base model", f"{facts.plan.model.uri} ({facts.plan.model.digest})"
    yield "data (training and dev)", f"{task.data.uri} ({task.data.digest})"
    yield "experiment", facts.plan.folder
    yield "run", f"{run.run_id} (run {run.run}, seed {run.seed}, best step {result.step})"
    yield "hyperparameters of the search", task.hyperparameters_source or ""
    yield "labels", ", ".join(task.definition.labels)
    yield "kind of task", _KINDS[task.definition.problem_type]
    yield "sparsity", _sparsity(facts)
    yield "parameters trained", _trained(facts)
    yield "trainer", result.image or ""
    yield "versions", ", ".join(f"{name} {version}" for name, version in sorted(result.versions.items()))
    yield "hardware", ", ".join(f"{name} {value}" for name, value in result.hardware.items() if value)


_KINDS = {
    ProblemType.CLASSIFICATION: "one label a text",
    ProblemType.MULTI_LABEL: "any number of labels a text: a label is given where its sigmoid is 0.5 or more",
    ProblemType.REGRESSION: "a score a text",
}


def _sparsity(facts: Facts) -> str:
    record = facts.result.sparsity
    return "" if record is None else f"{record.after.sparsity:.4f} of {record.after.weights} weights ({record.type})"


def _trained(facts: Facts) -> str:
    counted = facts.result.parameters
    return "" if counted is None else f"{counted.trainable} of {counted.total}"


def _settings(facts: Facts) -> str:
    values = {name: value for name, value in facts.task.settings.identity().items() if value is not None}
    return "## Settings\n\n```yaml\n" + to_yaml(values) + "```"


_CHECK = (
    "## Is it what it says?\n\n`provenance.json` (in-toto, SLSA 1.0) names the SHA-256 of each file, and all that it "
    "takes to do the run again. `finetune verify` compares them; with `--rerun` it does the run."
)


def _relation(facts: Facts) -> str:
    return "adapter" if facts.is_adapter else "finetune"


def _hub_name(uri: str) -> str | None:
    return uri.removeprefix(_HUB).partition("@")[0] if uri.startswith(_HUB) else None


def _code(text: str) -> str:
    """As code, in a cell of a table."""
    return "`" + one_line(text).replace("`", "'").replace("|", "\\|") + "`"
