"""Token data of a task's splits: from memory, from the store's cache, or read and tokenised now."""

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count, islice
from pathlib import Path
from typing import Any

from finetune_core.canonical import short_hash
from finetune_core.layout import token_cache
from finetune_core.planning.inputs import decisive_files
from finetune_core.planning.plan import TaskPlan
from finetune_core.tasks.data_files import AX, TRAIN, DataLayout
from finetune_core.tasks.metrics import ProblemType
from finetune_store import Store, StoreError, download_tree
from finetune_trainer.data.folds import Places, fold_rows, rare_labels
from finetune_trainer.data.labels import LabelReader
from finetune_trainer.data.records import SplitRecord, data_warnings
from finetune_trainer.data.rows import PART, Rows, Tell
from finetune_trainer.data.tables import read_groups, read_tables
from finetune_trainer.data.tested import split_content, split_digest
from finetune_trainer.data.tokens import MANIFEST, Tokens, tokenise
from finetune_trainer.data.tsv import read_glue_tsv
from finetune_trainer.errors import UserError
from finetune_trainer.inputs import Inputs

logger = logging.getLogger(__name__)

CACHE_VERSION = 3
"""Raised when reading or tokenising changes, so that old cache entries are not taken."""


class Splits:
    """Splits of all tasks of a pod; tokenised once and kept. `last_source` says where the last one came from."""

    def __init__(self, inputs: Inputs, store: Store, namespace: str, work: Path) -> None:
        self._inputs = inputs
        self._work = work / "tokens"
        self._store = store
        self._namespace = namespace
        self._memory: dict[str, Tokens] = {}
        self._keys: dict[tuple[str, str], str] = {}
        self._contents: dict[tuple[str, str], str] = {}
        self._groups: dict[tuple[str, str], list[str]] = {}
        self.last_source = "miss"

    def load(
        self, task: TaskPlan, split: str, tokenizer: Any, tokenizer_digest: str, fold: int | None = None
    ) -> Tokens:
        """The tokens of a split, of the fold's part of the training file; UserError if its file is malformed."""
        if fold is None or split not in {TRAIN, *task.definition.evaluation_splits.values()}:
            return self._whole(task, split, tokenizer, tokenizer_digest)
        tokens = self._whole(task, TRAIN, tokenizer, tokenizer_digest)
        self._contents[task.definition.name, split] = self._contents[task.definition.name, TRAIN]
        train, dev = self._fold(task, fold, tokens)
        return tokens.take(train if split == TRAIN else dev)

    def _fold(self, task: TaskPlan, fold: int, tokens: Tokens) -> tuple[Places, Places]:
        definition = task.definition
        assert definition.folds is not None  # or the plan had no fold
        assert tokens.labels is not None  # of a training file
        groups = self._groups_of(task, definition.folds.group_column)
        stratified = definition.problem_type == ProblemType.CLASSIFICATION
        return fold_rows(definition.folds, fold, tokens.labels, groups, stratified=stratified)

    def _groups_of(self, task: TaskPlan, column: str | None) -> list[str] | None:
        if column is None:
            return None
        key = task.definition.name, self._contents[task.definition.name, TRAIN]
        if key not in self._groups:
            paths = self._paths(task, TRAIN)
            if not paths:
                raise UserError(f"{task.data.uri} has no training file to read {column} of: remove data.groupColumn")
            self._groups[key] = [name for path in paths for name in read_groups(path, task.definition, column)]
        return self._groups[key]

    def _whole(self, task: TaskPlan, split: str, tokenizer: Any, tokenizer_digest: str) -> Tokens:
        paths = self._paths(task, split)
        content = split_content(task, paths)
        facts = {"name", "labels", "text_columns", "label_column", "label_columns", "label_delimiter", "quoting"}
        definition = task.definition.model_dump(mode="json", include=facts)
        key = short_hash(
            [CACHE_VERSION, tokenizer_digest, content, split, task.settings.max_seq_length, definition], 32
        )
        self._keys[task.definition.name, split] = key
        self._contents[task.definition.name, split] = split_digest(content, split, of_files=bool(paths))
        if key in self._memory:
            self.last_source = "memory"
            return self._memory[key]
        tokens = self._kept(key) or self._cached(key)
        if tokens is None:
            self.last_source = "miss"
            with self._new_folder(key) as folder:
                record = SplitRecord()
                parts = record.follow(self._read(task, split, paths, record.tell))
                tokenise(parts, tokenizer, task.settings.max_seq_length, folder)
                record.write(folder)
                self._save(key, folder)
            tokens = Tokens.open(self._work / key)
        self._memory[key] = tokens
        return tokens

    def digest(self, task: TaskPlan, split: str) -> str:
        """16 hex digits over the content that a split was loaded from: the same rows in the same order."""
        return self._contents[task.definition.name, split]

    def warnings(self, task: TaskPlan, fold: int | None = None) -> tuple[str, ...]:
        """What is to be known of the splits that were loaded: of their files, and of texts that train shares."""
        records = {
            split: SplitRecord.read(self._work / key)
            for (name, split), key in self._keys.items()
            if name == task.definition.name
        }
        if fold is None:
            return tuple(data_warnings(task.definition, records))
        tokens = self._memory[self._keys[task.definition.name, TRAIN]]
        train, dev = self._fold(task, fold, tokens)
        for split in task.definition.evaluation_splits.values():
            records[split] = records[TRAIN].part(dev, notes=[])
        records[TRAIN] = records[TRAIN].part(train, notes=records[TRAIN].notes)
        return (*data_warnings(task.definition, records), *self._rare(task, tokens))

    def _rare(self, task: TaskPlan, tokens: Tokens) -> Iterator[str]:
        definition = task.definition
        if definition.folds is None or tokens.labels is None or definition.problem_type != ProblemType.CLASSIFICATION:
            return
        if rare := rare_labels(definition.folds, tokens.labels, definition.labels):
            yield (
                f"{definition.name}: {', '.join(rare[:10])} have fewer rows than there are folds "
                f"({definition.folds.count}), so some dev sets have none of them"
            )

    def _paths(self, task: TaskPlan, split: str) -> list[Path]:
        splits = task.data.splits
        return self._inputs.data_files(task.data, splits.files.get(split, ()), decisive_files(task.definition, splits))

    def _read(self, task: TaskPlan, split: str, paths: list[Path], tell: Tell) -> Iterator[Rows]:
        if task.data.splits.layout == DataLayout.HUB:
            return _from_hub(task, split)
        if not paths:
            raise UserError(f"{task.data.uri} has no file for {split} of task {task.definition.name}")
        if task.data.splits.layout == DataLayout.TSV:
            return read_glue_tsv(paths[0], task.definition, split)
        return read_tables(paths, task.definition, split, tell)

    def _kept(self, key: str) -> Tokens | None:
        """What another process of this machine, or of this pod before its restart, has left."""
        try:
            tokens = Tokens.open(self._work / key)
        except FileNotFoundError:
            return None
        self.last_source = "disk"
        return tokens

    def _cached(self, key: str) -> Tokens | None:
        cache = self._cache(key)
        try:
            # Written last: without it the rest is not whole.
            if self._store.stat(f"{cache}/{MANIFEST}") is None:
                return None
            with self._new_folder(key) as folder:
                download_tree(self._store, cache, folder)
                Tokens.open(folder)
            tokens = Tokens.open(self._work / key)
        except (StoreError, ValueError, KeyError, FileNotFoundError) as error:
            logger.warning("the token cache is not used: %s", error)
            return None
        self.last_source = "store"
        return tokens

    def _save(self, key: str, folder: Path) -> None:
        try:
            files = sorted(folder.iterdir(), key=lambda path: path.name == MANIFEST)
            for path in files:
                self._store.upload(f"{self._cache(key)}/{path.name}", path)
        except StoreError as error:
            logger.warning("tokens are not cached: %s", error)

    @contextmanager
    def _new_folder(self, key: str) -> Iterator[Path]:
        """A folder that is there under its name only when it is whole; another process may be as far first."""
        self._work.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._work, prefix=f"{key}-") as temporary:
            folder = Path(temporary) / key
            yield folder
            try:
                folder.rename(self._work / key)
            except OSError:
                if not (self._work / key / MANIFEST).exists():
                    raise

    def _cache(self, key: str) -> str:
        return token_cache(self._namespace, key)


def _from_hub(task: TaskPlan, split: str) -> Iterator[Rows]:
    from datasets import load_dataset  # noqa: PLC0415 - seconds to import; only for the hub

    name, _, revision = task.data.uri.removeprefix("hf://").partition("@")
    config, part = ("ax", "test") if split == AX else (task.definition.name, split)
    data = load_dataset(name, config, revision=revision or None, split=part)
    scored = split == "train" or split in task.definition.evaluation_splits.values()
    reader, rows = LabelReader(task.definition, f"{task.data.uri}, {split}", unit="row"), count(1)
    for batch in data.iter(PART):
        texts = tuple(
            ["" if value is None else value for value in batch[name]] for name in task.definition.text_columns
        )
        labels = batch["label"] if scored else []
        yield Rows(texts, reader.read(labels, list(islice(rows, len(labels)))) if scored else None)
