"""The best hyperparameters as YAML: `hps/<task>.yaml` and the values of the ConfigMap.

Floats are written so that parsers of YAML 1.1 and 1.2 both read floats: 5.0e-05, for 1.1 takes 5e-05 for a string
(https://yaml.org/type/float.html wants the dot and a signed exponent). Strings that either could take for something
else are quoted.
"""

import re
from typing import Any

import yaml

from finetune_core.results.search.export import BestConfig, BestHyperparameters

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_-]{2,}")
_RESERVED = frozenset({"true", "false", "null", "yes", "off"})


class _Dumper(yaml.SafeDumper):
    pass


def _string(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    plain = _PLAIN.fullmatch(text) and text.lower() not in _RESERVED
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else '"')


_Dumper.add_representer(str, _string)


def to_yaml(values: dict[str, Any]) -> str:
    """Plain YAML in the given order, one key a line at the top, without aliases."""
    return yaml.dump(values, Dumper=_Dumper, sort_keys=False, default_flow_style=False, allow_unicode=True, width=1000)


def task_yaml(export: BestHyperparameters, task: str) -> str:
    """A task's training arguments below comments that say where they come from; KeyError if it has none."""
    best = export.tasks[task]
    lines = [
        f"Best hyperparameters of {task}, found by the search {export.namespace}/{export.search}",
        f"model: {export.model_uri} ({export.model_digest})",
        _came_from(best),
        f"digest: {best.digest}; made from: {export.report_digest}",
    ]
    if best.proxy is not None:
        lines.insert(1, f"{task} was not searched: these are the values of {best.proxy}, which stands in for it")
    comments = "".join(f"# {_one_line(line)}\n" for line in lines)
    return comments + to_yaml(best.hyperparameters)


def all_tasks_yaml(export: BestHyperparameters) -> str:
    """Task -> training arguments, for all tasks at once."""
    comment = f"# Best hyperparameters, found by the search {export.namespace}/{export.search}; made from: "
    values = {task: best.hyperparameters for task, best in export.tasks.items()}
    return f"{comment}{export.report_digest}\n{to_yaml(values)}"


def _came_from(best: BestConfig) -> str:
    seeds = f"{best.seeds} fresh seed" if best.finalist else f"{best.seeds} seed"
    plural = "" if best.seeds == 1 else "s"
    return f"trial: {best.trial} ({best.trial_id}); {best.metric}: {best.value!r}; n = {seeds}{plural}"


def _one_line(text: str) -> str:
    # A line break would end the comment.
    return " ".join(text.split())
