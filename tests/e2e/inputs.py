"""What the cluster's tests train with: a tiny model and small data, in the embedded store."""

from pathlib import Path

from e2e.harness import GLUE, SMALL_GLUE, TINY_MODEL
from finetune_dev import release
from finetune_store import Store, upload_tree
from glue_demo import tiny_bert, write

_TASKS = ("cola", "rte", "mrpc", "stsb", "wnli", "sst2")


def upload_inputs(store: Store, folder: Path) -> None:
    """Make model and data below a folder of this machine, and put them where the specs look for them."""
    model = tiny_bert(folder / "tiny")
    official = write(folder / "glue", train_rows=64, dev_rows=32, test_rows="official", tasks=_TASKS)["tsv"]
    small = write(folder / "small", train_rows=64, dev_rows=32, test_rows=8, tasks=_TASKS)["tsv"]
    for local, uri in ((model, TINY_MODEL), (official, GLUE), (small, SMALL_GLUE)):
        upload_tree(store, local, uri.removeprefix(f"s3://{release.BUCKET}/"))
