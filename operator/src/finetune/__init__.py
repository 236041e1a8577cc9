"""Results as pandas DataFrames, for notebooks and for people who plot themselves.

    import finetune

    finetune.results("tuned", namespace="team")             # a row a task and metric, as results.csv
    finetune.runs("tuned")                                  # a row a run, those under way included
    finetune.metrics("tuned", task="rte").plot(x="step", y="accuracy")
    finetune.trials("search")                               # a row a trial, as trials.csv
    finetune.compare("untuned", "tuned")                    # a row a task, with the significance of the difference
    finetune.compare_items("untuned", "tuned")              # the same, row by row of the dev sets
    finetune.dev_predictions("tuned", task="rte")           # a row a run and row of the dev set

An experiment or a search is named as on the command line: by its name in the cluster of the kubeconfig, by its name
and `store=` (`s3://bucket/prefix`, with AWS_* variables, or the folder that `finetune run` wrote to), or by the URI or
path of its own folder, `STORE/NAMESPACE/NAME`. Columns are called as in the files that people know: results.csv,
runs.csv, metrics.jsonl, trials.csv. Functions raise `FinetuneError` with what is wrong and what to do, and
`StoreError`.
"""

from finetune.dev_rows import compare_items, dev_predictions
from finetune.frames import compare, metrics, results, runs, trials
from finetune_client.errors import ClientError
from finetune_core.problems import FinetuneError
from finetune_store import StoreError

__all__ = [
    "ClientError",
    "FinetuneError",
    "StoreError",
    "compare",
    "compare_items",
    "dev_predictions",
    "metrics",
    "results",
    "runs",
    "trials",
]
