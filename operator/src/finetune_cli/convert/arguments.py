"""The arguments of Hugging Face's training scripts, and what they are here."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import get_args

from finetune_core.planning.arguments.model import Argument
from finetune_core.planning.arguments.table import ARGUMENTS
from finetune_core.planning.arguments.values import ModuleNames
from finetune_core.problems import InvalidInputError, Problem

TRAINING: Mapping[str, Argument] = MappingProxyType(
    {theirs: argument for argument in ARGUMENTS.values() for theirs in argument.script_names}
)
"""Arguments that have the same meaning here, by their names there."""

LISTS = frozenset(theirs for theirs, argument in TRAINING.items() if ModuleNames in get_args(argument.kind))
"""Those that take several words."""

TASK_NAMES = MappingProxyType({"sst-2": "sst2", "sts-b": "stsb", "mnli-mm": "mnli", "mnli-m": "mnli"})
"""Spellings of GLUE's tasks."""

MEANINGLESS = frozenset(
    {
        "do_train",
        "do_eval",
        "do_predict",
        "output_dir",
        "overwrite_output_dir",
        "logging_dir",
        "logging_steps",
        "logging_strategy",
        "logging_first_step",
        "save_steps",
        "save_strategy",
        "save_total_limit",
        "report_to",
        "eval_strategy",
        "evaluation_strategy",
        "cache_dir",
        "pad_to_max_length",
        "overwrite_cache",
        "use_fast_tokenizer",
        "disable_tqdm",
        "dataloader_num_workers",
        "ignore_data_skip",
        "push_to_hub",
        "run_name",
        "log_level",
        "preprocessing_num_workers",
        "greater_is_better",
        "ddp_find_unused_parameters",
        "local_rank",
        "tokenizer_name",
        "config_name",
        "model_revision",
        "trust_remote_code",
    }
)
"""Arguments of which nothing is to be carried over: the operator sees to it, or another option says it."""


_LAUNCHERS = MappingProxyType(
    {
        "nproc_per_node": "nproc_per_node",
        "num_processes": "nproc_per_node",
        "mixed_precision": "mixed_precision",
        "config_file": "launcher_config_file",
    }
)
"""What torchrun and accelerate are told, and how it is called here: devices, precision, a file with more of it."""


def parse_command(command: str) -> dict[str, str]:
    """`python run_glue.py --task_name rte --fp16` -> argument -> value (`true` for a switch); InvalidInputError."""
    try:
        words = shlex.split(command.replace("\\\n", " "), comments=False)
    except ValueError as error:
        raise InvalidInputError(
            (Problem("command", f"cannot be read as a shell would ({error}): close it"),)
        ) from error
    script = next((place for place, word in enumerate(words) if word.endswith(".py")), -1)
    launcher = {_LAUNCHERS[name]: value for name, value in _pairs(words[: max(script, 0)]) if name in _LAUNCHERS}
    if not launcher.get("nproc_per_node", "").isdigit():
        # "gpu" or "auto".
        launcher.pop("nproc_per_node", None)
    return {**launcher, **dict(_pairs(words[script + 1 :]))}


def _pairs(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    place = 0
    while place < len(words):
        word = words[place]
        place += 1
        if not word.startswith("--"):
            continue
        name, equals, value = word.removeprefix("--").partition("=")
        if not equals and place < len(words) and not words[place].startswith("--"):
            value = words[place]
            place += 1
        elif not equals:
            value = "true"
        name = name.replace("-", "_")
        while name in LISTS and place < len(words) and not words[place].startswith("--"):
            value = f"{value} {words[place]}"
            place += 1
        yield name, value


def number(text: str) -> int | float | str:
    """A number where the text is one."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def boolean(text: str) -> bool:
    """As the scripts read it."""
    return text.lower() in {"true", "1", "yes", "on"}


def unknown(arguments: Mapping[str, str], used: frozenset[str]) -> list[str]:
    """Arguments that nothing is known of here."""
    return sorted(arguments.keys() - used - MEANINGLESS)
