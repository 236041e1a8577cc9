"""`make bench-memory`: peak memory of data handling against the number of test rows, up to QQP's 390,965.

Each line is a process of its own: a generated QQP test set is read, tokenised, predicted by a tiny random BERT and
written as QQP.tsv. `ours` are the trainer's own functions; `whole` is what scripts do that hold a split at once: pandas
reads the file, one tokenizer call, a list of encoded examples, logits of all rows. The figure is the peak resident
memory beyond what the process has after its imports and the loading of the model, by `getrusage`; ours maps its token
files into memory, and what of these is resident counts here although the kernel may drop it at any time.

The largest file of ours then goes into a leaderboard zip, with placeholders for the other tasks, which is validated.

    make bench-memory BENCH_ARGS="--rows 10000 100000 390965"
"""

import argparse
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from finetune_core.api import MissingTasks
from finetune_core.deciding.outcome import Outcome
from finetune_core.leaderboard.checks import validate_zip
from finetune_core.leaderboard.submission import Predictions, build_submission
from finetune_core.tasks.registry import GLUE_TASKS
from glue_demo import tiny_bert, write
from machine import describe, write_section

QQP = GLUE_TASKS["qqp"]
MIB = 1 << 20
MAX_LENGTH = 128
BATCH = 128


def main() -> None:
    """Measure all, print and write the table; or, as a process of it, measure one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, QQP.submission[0].rows])
    parser.add_argument("--one", choices=sorted(WAYS), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.one, arguments.folder)))
        return
    with tempfile.TemporaryDirectory(prefix="bench-memory-") as folder:
        text = "\n".join(report(arguments.rows, Path(folder)))
    print(text)
    write_section("bench-memory", text)


def report(counts: list[int], work: Path) -> Iterator[str]:
    """The table in Markdown."""
    tiny_bert(work / "model")
    yield from (
        "## Memory of data handling",
        "",
        "`make bench-memory`: a generated QQP test set read, tokenised, predicted (tiny random BERT) and written, a "
        "process each; MiB beyond imports and model, at the peak. `whole` holds the split at once, as scripts do.",
        "",
        f"{describe()}.",
        "",
        "| rows | ours, MiB | whole, MiB | ratio | ours, s | whole, s |",
        "|---|---|---|---|---|---|",
    )
    write(work / "small", train_rows=8, dev_rows=8, test_rows=64, tasks=["qqp"])
    zipped = b""
    for rows in counts:
        write(work / "data", train_rows=8, dev_rows=8, test_rows=rows, tasks=["qqp"])
        found = {}
        for way in ("ours", "whole"):
            print(f"· {way}, {rows:,} rows", file=sys.stderr, flush=True)
            found[way] = run_one(way, work)
        ours, whole = found["ours"], found["whole"]
        yield (
            f"| {rows:,} | {ours['mib']:.0f} | {whole['mib']:.0f} | {whole['mib'] / ours['mib']:.1f} | "
            f"{ours['seconds']:.0f} | {whole['seconds']:.0f} |"
        )
        zipped = (work / "QQP.tsv").read_bytes()
    if counts[-1] == QQP.submission[0].rows:
        yield from ("", zip_line(zipped))


def run_one(way: str, work: Path) -> dict[str, float]:
    """Measure in a process of its own."""
    command = [sys.executable, "-m", "bench_memory", "--one", way, "--folder", str(work)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env={**os.environ})
    found: dict[str, float] = json.loads(done.stdout)
    return found


def measure(way: str, work: Path) -> dict[str, float]:
    """Seconds, and the peak in MiB beyond what imports and model took."""
    import transformers  # noqa: PLC0415 - in the measured process only

    from finetune_trainer.model.loading import load_model  # noqa: PLC0415
    from finetune_trainer.model.tokenizer import load_tokenizer  # noqa: PLC0415

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    tokenizer, _ = load_tokenizer(work / "model")
    model, head = load_model(work / "model", QQP, None)
    # What is imported or made at the first use is there before the count begins.
    WAYS[way](tokenizer, model.eval(), head, work, "small")
    before, began = peak(), time.perf_counter()
    WAYS[way](tokenizer, model, head, work, "data")
    return {"mib": (peak() - before) / MIB, "seconds": time.perf_counter() - began}


def peak() -> int:
    """Most resident memory so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def ours(tokenizer: Any, model: Any, head: Any, work: Path, data: str) -> None:
    """As a run does it."""
    from finetune_trainer.data.padding import settle_padding  # noqa: PLC0415
    from finetune_trainer.data.tokens import Collator, tokenise  # noqa: PLC0415
    from finetune_trainer.data.tsv import read_glue_tsv  # noqa: PLC0415
    from finetune_trainer.measure.predict import predict_logits, write_predictions  # noqa: PLC0415

    parts = read_glue_tsv(work / data / "QQP" / "test.tsv", QQP, "test")
    with tempfile.TemporaryDirectory(dir=work) as folder:
        tokens = tokenise(parts, tokenizer, MAX_LENGTH, Path(folder) / "tokens")
        logits = predict_logits(
            model,
            tokens,
            Collator(tokens, padding=settle_padding(model, tokenizer), label_order=head.order),
            batch_size=BATCH,
            autocast=nullcontext,
            on_batch=lambda: None,
        )
        write_predictions(work / "QQP.tsv", QQP, logits, head.names, QQP.submission[0])


def whole(tokenizer: Any, model: Any, _head: Any, work: Path, data: str) -> None:
    """The split as one table, one list of encoded examples and one array of logits."""
    import csv  # noqa: PLC0415

    import pandas as pd  # noqa: PLC0415
    import torch  # noqa: PLC0415

    path = work / data / "QQP" / "test.tsv"
    frame = pd.read_csv(path, sep="\t", quoting=csv.QUOTE_NONE, keep_default_na=False)
    encoded = tokenizer(
        frame["question1"].tolist(), frame["question2"].tolist(), truncation=True, max_length=MAX_LENGTH
    )
    examples = [{name: values[place] for name, values in encoded.items()} for place in range(len(frame))]
    logits = []
    with torch.inference_mode():
        for start in range(0, len(examples), BATCH):
            batch = tokenizer.pad(examples[start : start + BATCH], return_tensors="pt")
            logits.append(model(**batch).logits)
    found = torch.cat(logits).argmax(dim=1).tolist()
    pd.DataFrame({"prediction": found}).to_csv(work / "whole.tsv", sep="\t", index_label="index")


WAYS = {"ours": ours, "whole": whole}


def zip_line(content: bytes) -> str:
    """The predictions in a leaderboard zip: what the validator says, and the memory that took."""
    before = peak()
    outcome = Outcome(
        run_id="bench", task="qqp", run=0, seed=0, attempt="bench", metric="accuracy", greater_is_better=True,
        value=0.5, step=1, metrics={},
    )  # fmt: skip
    submission = build_submission("bench/memory", {"QQP.tsv": Predictions(content, outcome)}, MissingTasks.PLACEHOLDER)
    problems = validate_zip(io.BytesIO(submission.content))
    rows = content.count(b"\n") - 1
    said = "no problem" if not problems else "; ".join(map(str, problems))
    return (
        f"QQP.tsv of {rows:,} rows in a zip with placeholders for the other tasks ({len(submission.content) / MIB:.1f} "
        f"MiB): the validator finds {said}; {(peak() - before) / MIB:.0f} MiB more memory."
    )


if __name__ == "__main__":
    main()
