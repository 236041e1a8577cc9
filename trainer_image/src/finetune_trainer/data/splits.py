"""Token data of a task's splits: from memory, from the store's cache, or read and tokenised now."""

import logging
from pathlib import Path
from typing import Any

from finetune_core.canonical import short_hash
from finetune_core.datafiles import AX, DataLayout
from finetune_core.layout import token_cache
from finetune_core.plan import TaskPlan
from finetune_store import NotFoundError, Store, StoreError, file_md5
from finetune_trainer.data.rows import Rows
from finetune_trainer.data.tables import read_tables
from finetune_trainer.data.tokens import Tokens, tokenise
from finetune_trainer.data.tsv import read_glue_tsv
from finetune_trainer.errors import UserError
from finetune_trainer.inputs import Inputs

logger = logging.getLogger(__name__)

CACHE_VERSION = 1
"""Raised when reading or tokenising changes, so that old cache entries are not taken."""


class Splits:
    """Splits of all tasks of a pod; tokenised once and kept. `last_source` says where the last one came from."""

    def __init__(self, inputs: Inputs, store: Store, namespace: str) -> None:
        self._inputs = inputs
        self._store = store
        self._namespace = namespace
        self._memory: dict[str, Tokens] = {}
        self.last_source = "miss"

    def available(self, task: TaskPlan) -> set[str]:
        """The splits that the data folder has."""
        if task.data.splits.layout == DataLayout.HUB:
            names = {"train", *task.definition.evaluation_splits.values(), *task.definition.test_splits}
            return names | ({AX} if task.definition.name == "mnli" else set())
        return set(task.data.splits.files)

    def load(self, task: TaskPlan, split: str, tokenizer: Any, tokenizer_digest: str) -> Tokens:
        """The tokens of a split; UserError if its file is malformed."""
        paths = self._paths(task, split)
        content = [file_md5(path) for path in paths] or [task.data.digest]
        definition = task.definition.model_dump(mode="json", include={"name", "labels", "text_columns", "label_column"})
        key = short_hash(
            [CACHE_VERSION, tokenizer_digest, content, split, task.settings.max_seq_length, definition], 32
        )
        if key in self._memory:
            self.last_source = "memory"
            return self._memory[key]
        tokens = self._cached(key)
        if tokens is None:
            self.last_source = "miss"
            rows = self._read(task, split, paths)
            tokens = tokenise(rows, tokenizer, task.settings.max_seq_length)
            self._save(key, tokens)
        self._memory[key] = tokens
        return tokens

    def _paths(self, task: TaskPlan, split: str) -> list[Path]:
        return [self._inputs.data_file(task.data.uri, name) for name in task.data.splits.files.get(split, ())]

    def _read(self, task: TaskPlan, split: str, paths: list[Path]) -> Rows:
        if task.data.splits.layout == DataLayout.HUB:
            return _from_hub(task, split)
        if not paths:
            raise UserError(f"{task.data.uri} has no file for {split} of task {task.definition.name}")
        if task.data.splits.layout == DataLayout.TSV:
            return read_glue_tsv(paths[0], task.definition, split)
        return read_tables(paths, task.definition, split)

    def _cached(self, key: str) -> Tokens | None:
        try:
            tokens = Tokens.from_bytes(self._store.get(self._cache_key(key)))
        except NotFoundError:
            return None
        except (StoreError, ValueError, KeyError) as error:
            logger.warning("the token cache is not used: %s", error)
            return None
        self.last_source = "store"
        return tokens

    def _save(self, key: str, tokens: Tokens) -> None:
        try:
            self._store.put(self._cache_key(key), tokens.to_bytes())
        except StoreError as error:
            logger.warning("tokens are not cached: %s", error)

    def _cache_key(self, key: str) -> str:
        return f"{token_cache(self._namespace, key)}/tokens.npz"


def _from_hub(task: TaskPlan, split: str) -> Rows:
    from datasets import load_dataset  # noqa: PLC0415 - seconds to import; only for the hub

    name, _, revision = task.data.uri.removeprefix("hf://").partition("@")
    config, part = ("ax", "test") if split == AX else (task.definition.name, split)
    data = load_dataset(name, config, revision=revision or None, split=part)
    texts = tuple(["" if value is None else value for value in data[column]] for column in task.definition.text_columns)
    scored = split == "train" or split in task.definition.evaluation_splits.values()
    return Rows(texts, [float(value) for value in data["label"]] if scored else None)
