"""`finetune-trainer prune`: fetch a model, prune it, leave it in a folder or in an object store."""

import argparse
import logging
import tempfile
from pathlib import Path

from finetune_core.results.run import ExitCode
from finetune_core.tasks.sparse import SparseType
from finetune_store import S3Connection, open_store, upload_tree
from finetune_trainer.errors import UserError
from finetune_trainer.inputs import Inputs
from finetune_trainer.sparse.pruning import prune_folder

logger = logging.getLogger(__name__)


def prune(arguments: argparse.Namespace, *, connection: S3Connection, patience: float) -> int:
    """Do what the command line asks for; the exit code. UserError for a model that cannot be pruned."""
    with tempfile.TemporaryDirectory(prefix="finetune-prune-") as folder:
        source = _fetch(arguments.model, Path(folder), connection, patience)
        remote = "://" in arguments.output
        output = Path(folder) / "pruned" if remote else Path(arguments.output)
        off = prune_folder(source, output, SparseType(arguments.type), arguments.sparsity)
        if remote:
            _upload(output, arguments.output, connection, patience)
    logger.info("%d weights in %d matrices are zero: %s", sum(off.values()), len(off), arguments.output)
    return ExitCode.SUCCESS


def _fetch(model: str, work: Path, connection: S3Connection, patience: float) -> Path:
    if "://" in model:
        inputs = Inputs(work, connection=connection, retry_seconds=patience, pvc_root=Path("/mnt/pvc"))
        return inputs.model(model)
    if not Path(model).is_dir():
        raise UserError(f"{model} is no folder: give a folder, or hf://, s3:// or file://")
    return Path(model)


def _upload(folder: Path, uri: str, connection: S3Connection, patience: float) -> None:
    store = open_store(uri, connection=connection, retry_seconds=patience)
    if next(iter(store.list("")), None) is not None:
        raise UserError(f"something lies at {uri} already: name a place that is empty")
    upload_tree(store, folder, "")
