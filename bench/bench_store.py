"""`make bench-store`: what a cache of models saves a pod, and what asking for folders saves a table of a namespace.

A real S3 server (SeaweedFS) on this machine: with a network between, the first of each pair takes longer.
Each pair is measured one after the other, several times; the ratio is of medians.

- A model of `--mib` MiB: fetched from the bucket and compared with its digest, against found in the cache and compared.
- The results of `--experiments` experiments, in a namespace with `--objects` more objects of each: read after a walk
  through the namespace, as before, against read after its folders were asked for, as reports do.
"""

import argparse
import re
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from statistics import median

from finetune_core.layout import ExperimentLayout
from finetune_core.planning.identity import content_digest
from finetune_core.results.schema import ResultsDocument
from finetune_report.namespace_files import read_all
from finetune_store import S3Connection, Store
from finetune_store.documents import find_or_warn
from finetune_store.folders import list_folder
from finetune_trainer.cached import Cache
from finetune_trainer.inputs import Inputs
from machine import describe, write_section
from support.documents import document_of
from support.seaweed import SeaweedS3
from support.world import BUCKET, store_of

MIB = 1 << 20
MODEL, NAMESPACE = "model", "team"


def seconds(do: Callable[[], object]) -> float:
    """By the clock."""
    begin = time.monotonic()
    do()
    return time.monotonic() - begin


def fetches(server: SeaweedS3, mib: int, rounds: int) -> list[tuple[float, float]]:
    """Seconds of a pod that fetches the model, and of the next one."""
    store = store_of(server, prefix=MODEL)
    store.put("config.json", b"{}")
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "model.safetensors"
        weights.write_bytes(Random(1).randbytes(MIB) * mib)
        store.upload(weights.name, weights)
    digest = content_digest(list_folder(store, "model").files)
    pairs = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as volume, tempfile.TemporaryDirectory() as work:

            def pod(volume: str = volume, work: str = work) -> None:
                inputs = Inputs(
                    Path(work),
                    connection=S3Connection.from_env(server.environment),
                    retry_seconds=0,
                    pvc_root=Path(work),
                    cache=Cache(Path(volume)),
                )
                inputs.model(store.uri(), digest)

            pairs.append((seconds(pod), seconds(pod)))
    return pairs


def fill(store: Store, experiments: int, objects: int) -> None:
    """Experiments with a report, and as many objects as runs leave."""
    keys = []
    for number in range(experiments):
        layout = ExperimentLayout(NAMESPACE, f"exp-{number}")
        store.put(layout.results("json"), document_of({"rte": [0.5]}, name=f"exp-{number}").to_json())
        keys += [f"{layout.runs}/rte/{one // 10:08d}/attempts/a/{one}" for one in range(objects)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda key: store.put(key, b"x"), keys))


def walked(store: Store) -> list[ResultsDocument]:
    """What reports did before."""
    wanted = re.compile(rf"{NAMESPACE}/[^/]+/results\.json")
    keys = [info.key for info in store.list(NAMESPACE) if wanted.fullmatch(info.key)]
    return [found for key in keys if (found := find_or_warn(store, key, ResultsDocument, key.rpartition("/")[0]))]


def tables(store: Store, rounds: int) -> list[tuple[float, float]]:
    """Seconds of either way; both find the same."""

    def asked() -> list[ResultsDocument]:
        return list(read_all(store, NAMESPACE, "results.json", ResultsDocument))

    names = sorted(document.experiment for document in walked(store))
    assert names == sorted(document.experiment for document in asked())
    return [(seconds(lambda: walked(store)), seconds(asked)) for _ in range(rounds)]


def row(what: str, pairs: Iterable[tuple[float, float]]) -> str:
    """Median, spread and ratio of pairs."""
    before, after = zip(*pairs, strict=True)
    spread = [f"{median(times):.2f} ({min(times):.2f} to {max(times):.2f})" for times in (before, after)]
    return f"| {what} | {spread[0]} | {spread[1]} | {median(before) / median(after):.1f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mib", type=int, default=440, help="of weights; a BERT-base has as much")
    parser.add_argument("--experiments", type=int, default=50)
    parser.add_argument("--objects", type=int, default=1000, help="of an experiment")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dry", action="store_true", help="leave bench/RESULTS.md alone")
    options = parser.parse_args()
    with SeaweedS3() as server:
        server.create_bucket(BUCKET)
        model = fetches(server, options.mib, options.rounds)
        store = store_of(server)
        fill(store, options.experiments, options.objects)
        namespace = tables(store, options.rounds)
    objects = options.experiments * options.objects
    text = "\n".join(
        [
            "## Fetching from a store\n",
            f"`make bench-store`: seconds, median and range of {options.rounds}, SeaweedFS on the same machine.\n",
            f"Machine: {describe()}.\n",
            "| | before | now | ratio |",
            "|---|---|---|---|",
            row(f"a model of {options.mib} MiB: fetched; found in `execution.cache`", model),
            row(
                f"results of {options.experiments} experiments among {objects:,} objects: walked through; by folder",
                namespace,
            ),
        ]
    )
    print(text)
    if not options.dry:
        write_section("bench-store", text)


if __name__ == "__main__":
    main()
