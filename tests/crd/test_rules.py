"""Each CEL rule on a real API server: a spec that it lets pass, and one that it refuses with its message."""

from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes import client

from crd.cases import STORAGE_CASES, Case
from finetune_core.api.crd import experiment_crd
from finetune_core.api.status import ExperimentStatus
from finetune_core.tasks.registry import GLUE_TASKS
from support.experiments import CUSTOM, REGRESSION, errors, experiment

pytestmark = pytest.mark.apiserver


FOLDED: dict[str, Any] = CUSTOM | {"folds": 5, "data": {"train": "train.csv", "textColumns": ["text"]}}
SEVERAL: dict[str, Any] = CUSTOM | {"problemType": "MultiLabelClassification"}
COST = {"name": "cost", "function": "our_metrics:cost", "greaterIsBetter": False}
CACHES = {"persistentVolumeClaim": {"claimName": "models"}, "hostPath": {"path": "/var/cache/finetune"}}


def on_task(**fields: Any) -> dict[str, Any]:
    return {"tasks": [fields]}


def without_labels(task: dict[str, Any], **data: Any) -> dict[str, Any]:
    fields = {name: value for name, value in task.items() if name != "labels"}
    return fields | {"data": {**task["data"], **data}}


def with_metric(task: dict[str, Any], metric: str) -> dict[str, Any]:
    return on_task(**task, training={"metricForBestModel": metric})


TRAINING_CASES = (
    Case(
        "maxSteps excludes numTrainEpochs",
        "training",
        "maxSteps and numTrainEpochs exclude each other",
        good={"training": {"maxSteps": 10}},
        bad={"training": {"maxSteps": 10, "numTrainEpochs": 1}},
    ),
    Case(
        "evalSteps is at most maxSteps",
        "training",
        "evalSteps must not exceed maxSteps",
        good={"training": {"maxSteps": 10, "evalSteps": 10}},
        bad={"training": {"maxSteps": 10, "evalSteps": 11}},
    ),
    Case(
        "loadBestModelAtEnd stays on unless the spec says why",
        "training",
        "loadBestModelAtEnd: false scores the last weights",
        good={"training": {"loadBestModelAtEnd": False, "allowLastModel": True}},
        bad={"training": {"loadBestModelAtEnd": False, "allowLastModel": False}},
    ),
    Case(
        "classWeights excludes labelWeights",
        "training",
        "classWeights and labelWeights exclude each other",
        good={"tasks": [{"name": "rte"}], "training": {"classWeights": "balanced"}},
        bad={"training": {"classWeights": "balanced", "labelWeights": {"a": 2}}},
    ),
    Case(
        "warmupRatio excludes warmupSteps",
        "training",
        "warmupRatio and warmupSteps exclude each other",
        good={"training": {"warmupSteps": 10}},
        bad={"training": {"warmupSteps": 10, "warmupRatio": 0.1}},
    ),
)
TASK_CASES = (
    Case(
        "an unknown task is a custom task",
        "tasks[]",
        "name is none of GLUE's tasks",
        good=on_task(**CUSTOM),
        bad=on_task(name="colla"),
    ),
    Case(
        "labels and metrics of a GLUE task are fixed",
        "tasks[]",
        "problemType, labels and metrics of a GLUE task are fixed",
        good=on_task(name="cola"),
        bad=on_task(name="cola", metrics=["accuracy"]),
    ),
    Case(
        "files and columns of a GLUE task are fixed",
        "tasks[]",
        "files and columns of a GLUE task are fixed",
        good=on_task(name="cola", data={"uri": "s3://bucket/cola"}),
        bad=on_task(name="cola", data={"uri": "s3://bucket/cola", "labelColumn": "y"}),
    ),
    Case(
        "configurations are of data sets on the hub",
        "tasks[].data",
        "only data sets on the hub (uri: hf://...) have configurations",
        good=on_task(**CUSTOM | {"data": {**CUSTOM["data"], "uri": "hf://org/data", "config": "plain"}}),
        bad=on_task(**CUSTOM | {"data": {**CUSTOM["data"], "uri": "s3://bucket/data", "config": "plain"}}),
    ),
    Case(
        "a custom task names its files and columns",
        "tasks[]",
        "a custom task needs data.train, data.validation (or folds) and data.textColumns",
        good=on_task(**CUSTOM),
        bad=on_task(**CUSTOM | {"data": {"train": "train.csv", "textColumns": ["text"]}}),
    ),
    Case(
        "folds are for custom tasks",
        "tasks[]",
        "folds are for custom tasks",
        good=on_task(**FOLDED),
        bad=on_task(name="rte", folds=5),
    ),
    Case(
        "folds without a dev set",
        "tasks[]",
        "remove data.validation and data.test",
        good=on_task(**FOLDED, runs=2),
        bad=on_task(**CUSTOM, folds=5),
    ),
    Case(
        "folds without a test set",
        "tasks[]",
        "remove data.validation and data.test",
        good=on_task(**FOLDED),
        bad=on_task(**FOLDED | {"data": FOLDED["data"] | {"test": "test.csv"}}),
    ),
    Case(
        "a group column is for folds",
        "tasks[]",
        "data.groupColumn is for folds",
        good=on_task(**FOLDED | {"data": FOLDED["data"] | {"groupColumn": "author"}}),
        bad=on_task(**CUSTOM | {"data": CUSTOM["data"] | {"groupColumn": "author"}}),
    ),
    Case(
        "runs count each fold",
        "",
        "at most 1000 runs over all tasks",
        good=on_task(**FOLDED, runs=100),
        bad={"tasks": [FOLDED | {"name": f"task-{k}", "runs": 100} for k in range(3)]},
    ),
    Case(
        "a classification task has labels",
        "tasks[]",
        "a classification task needs labels",
        good=on_task(**CUSTOM),
        bad=on_task(**{key: value for key, value in CUSTOM.items() if key != "labels"}),
    ),
    Case(
        "a regression task has no labels",
        "tasks[]",
        "a regression task has no labels",
        good=on_task(**REGRESSION),
        bad=on_task(**REGRESSION, labels=["no", "yes"]),
    ),
    Case(
        "metrics of a classification task",
        "tasks[]",
        "metrics of a classification task can be",
        good=on_task(**CUSTOM, metrics=["f1", "accuracy"]),
        bad=on_task(**CUSTOM, metrics=["f1", "pearson"]),
    ),
    Case(
        "metrics of a regression task",
        "tasks[]",
        "metrics of a regression task can be",
        good=on_task(**REGRESSION, metrics=["rmse"]),
        bad=on_task(**REGRESSION, metrics=["accuracy"]),
    ),
    Case(
        "metrics that need two labels",
        "tasks[]",
        "need exactly two labels",
        good=on_task(**CUSTOM | {"labels": ["a", "b", "c"]}, metrics=["f1_macro"]),
        bad=on_task(**CUSTOM | {"labels": ["a", "b", "c"]}, metrics=["f1"]),
    ),
    Case(
        "metricForBestModel of a classification task",
        "tasks[]",
        "training.metricForBestModel is not measured in a classification task",
        good=with_metric(CUSTOM, "eval_accuracy"),
        bad=with_metric(CUSTOM, "pearson"),
    ),
    Case(
        "metricForBestModel of a regression task",
        "tasks[]",
        "training.metricForBestModel is not measured in a regression task",
        good=with_metric(REGRESSION, "eval_mse"),
        bad=with_metric(REGRESSION, "accuracy"),
    ),
    Case(
        "a multi-label task has labels",
        "tasks[]",
        "a multi-label task needs labels",
        good=on_task(**without_labels(SEVERAL, labelColumns=["a", "b"])),
        bad=on_task(**without_labels(SEVERAL)),
    ),
    Case(
        "columns of labels are those of a multi-label task",
        "tasks[]",
        "data.labelColumns and data.labelDelimiter are for problemType MultiLabelClassification",
        good=on_task(**SEVERAL | {"data": {**SEVERAL["data"], "labelDelimiter": ","}}),
        bad=on_task(**CUSTOM | {"data": {**CUSTOM["data"], "labelDelimiter": ","}}),
    ),
    Case(
        "metrics of a multi-label task",
        "tasks[]",
        "metrics of a multi-label task can be",
        good=on_task(**SEVERAL, metrics=["average_precision", "f1_samples"]),
        bad=on_task(**SEVERAL, metrics=["accuracy"]),
    ),
    Case(
        "metricForBestModel of a multi-label task",
        "tasks[]",
        "training.metricForBestModel is not measured in a multi-label task",
        good=with_metric(SEVERAL, "average_precision"),
        bad=with_metric(SEVERAL, "accuracy"),
    ),
    Case(
        "a metric of one's own is declared",
        "tasks[]",
        "or one of metricFunctions",
        good=on_task(**CUSTOM, metrics=["accuracy", "cost"], metricFunctions=[COST]),
        bad=on_task(**CUSTOM, metrics=["accuracy", "cost"], metricFunctions=[COST | {"name": "price"}]),
    ),
    Case(
        "metricForBestModel is a metric of one's own, or one that is listed",
        "tasks[]",
        "or list it in metrics",
        good=with_metric(CUSTOM | {"metricFunctions": [COST]}, "eval_cost"),
        bad=with_metric(CUSTOM | {"metricFunctions": [COST | {"name": "price"}]}, "cost"),
    ),
)
METRIC_CASES = tuple(
    Case(
        f"metricForBestModel of {task.name}",
        "tasks[]",
        f"training.metricForBestModel is not measured in {task.name}: use one of {', '.join(task.measured)}",
        good=with_metric({"name": task.name}, f"eval_{task.measured[-1]}"),
        bad=with_metric({"name": task.name}, "recall"),
    )
    for task in GLUE_TASKS.values()
)
SPEC_CASES = (
    Case(
        "a leaderboard needs predictions",
        "",
        "leaderboard needs predictions",
        good={"leaderboard": {}, "predict": True},
        bad={"leaderboard": {}, "predict": False},
    ),
    Case(
        "tuned hyperparameters lie in s3",
        "",
        "hyperparametersFrom.uri must be s3://bucket/path",
        good={"hyperparametersFrom": {"uri": "s3://bucket/hps"}},
        bad={"hyperparametersFrom": {"uri": "https://host/hps"}},
    ),
    Case(
        "one source of tuned hyperparameters",
        "hyperparametersFrom",
        "set exactly one of hpSearchRef, configMapRef and uri",
        good={"hyperparametersFrom": {"hpSearchRef": {"name": "search"}}},
        bad={"hyperparametersFrom": {"hpSearchRef": {"name": "search"}, "uri": "s3://bucket/hps"}},
    ),
    Case(
        "metricForBestModel for all tasks",
        "",
        "training.metricForBestModel is not measured in every task",
        good={"training": {"metricForBestModel": "accuracy"}, "tasks": [{"name": "rte"}, {"name": "mrpc"}]},
        bad={"training": {"metricForBestModel": "accuracy"}, "tasks": [{"name": "rte"}, {"name": "cola"}]},
    ),
    Case(
        "a thousand runs at most",
        "",
        "at most 1000 runs over all tasks",
        good={"runs": 100, "tasks": [CUSTOM | {"name": f"task-{k}"} for k in range(10)]},
        bad={"runs": 100, "tasks": [CUSTOM | {"name": f"task-{k}"} for k in range(10)] + [{"name": "rte", "runs": 1}]},
    ),
    Case(
        "the model's uri",
        "model",
        "uri must be hf://org/name",
        good={"model": {"uri": "pvc://claim/bert"}},
        bad={"model": {"uri": "bert-base-cased"}},
    ),
    Case(
        "a sparse type keeps its zeros",
        "model",
        "type is no sparse type, so zeros would not be kept: use one of fully_static_sparse_bert, ",
        good={"model": {"uri": "s3://bucket/m", "type": "static_sparse_encoder_bert"}},
        bad={"model": {"uri": "s3://bucket/m", "type": "static_sparse_bert"}},
    ),
    Case(
        "the data's uri",
        "data",
        "uri must be hf://org/name",
        good={"data": {"uri": "s3://bucket/glue"}},
        bad={"data": {"uri": "https://host/glue"}},
    ),
    *(
        Case(
            f"a claim that can be, at {at}",
            f"{at}.uri",
            "a pvc:// URI begins with the name of a PersistentVolumeClaim",
            good={at: {"uri": good}},
            bad={at: {"uri": "pvc://../../victim"}},
        )
        for at, good in (("model", "pvc://a.b-1"), ("data", "pvc://c/x"), ("hyperparametersFrom", "s3://b/pvc://x"))
    ),
)
POD_CASES = tuple(
    Case(
        f"execution.runsPerPod: {bad}",
        "execution.runsPerPod",
        "this is no number of runs: use Auto, or a whole number from 1 to 1000",
        good={"execution": {"runsPerPod": good}},
        bad={"execution": {"runsPerPod": bad}},
    )
    for good, bad in (("Auto", "auto"), (1, 0), (1000, 1001), ("Auto", "3"))
)
BUDGET_CASES = (
    Case(
        "a budget is of something",
        "budget",
        "set gpuHours, time, or both",
        good={"budget": {"gpuHours": 0.5, "time": "1d12h"}},
        bad={"budget": {}},
    ),
    Case(
        "the time of a budget is a duration",
        "budget.time",
        "this is no duration: write it as 90m, 12h or 1d12h",
        good={"budget": {"time": "90m"}},
        bad={"budget": {"time": "90"}},
    ),
)
NOTIFICATION_CASES = (
    Case(
        "a receiver has one address",
        "notifications[]",
        "set exactly one of url and urlSecretRef",
        good={"notifications": [{"name": "chat", "urlSecretRef": {"name": "hook", "key": "url"}}]},
        bad={"notifications": [{"name": "chat"}]},
    ),
    Case(
        "what goes to Slack is not signed",
        "notifications[]",
        "signingSecretRef is for format JSON",
        good={"notifications": [{"name": "c", "url": "https://c.test", "signingSecretRef": {"name": "s", "key": "k"}}]},
        bad={
            "notifications": [
                {
                    "name": "c",
                    "url": "https://c.test",
                    "format": "Slack",
                    "signingSecretRef": {"name": "s", "key": "k"},
                }
            ]
        },
    ),
    *(
        Case(
            f"the address {bad!r}",
            "notifications[].url",
            "this is no address of a receiver: write https://HOST/PATH",
            good={"notifications": [{"name": "chat", "url": good}]},
            bad={"notifications": [{"name": "chat", "url": bad}]},
        )
        for good, bad in (
            ("https://c.test", "c.test"),
            ("https://c.test:8443/a/b?x=%20", "https://user:key@c.test/"),
            ("http://c.test/", "https://c.test/#a"),
            ("https://c.test/a@b", "https://c.test/a b"),
        )
    ),
)


def published(**entry: Any) -> dict[str, Any]:
    """A spec that publishes to a registry, unless the entry says more."""
    return {"publish": [{"name": "place", "to": "oci://registry.test/{task}", **entry}]}


KEYS = {"name": "keys"}
PUBLISH_CASES = (
    Case(
        "a run is named by task and number",
        "publish[].runs[]",
        "this is no run: write TASK/RUN",
        good=published(runs=["rte/0"]) | {"retention": {"models": "All"}},
        bad=published(runs=["rte"]),
    ),
    Case(
        "best runs or named ones",
        "publish[]",
        "tasks are published by their best runs, runs by name",
        good=published(runs=["rte/0"]) | {"retention": {"models": "All"}},
        bad=published(runs=["rte/0"], tasks=["rte"]),
    ),
    Case(
        "only the hub has public repositories",
        "publish[]",
        "public is of a repository of the hub",
        good=published(to="hf://team/{task}", public=True, secretRef=KEYS),
        bad=published(public=True),
    ),
    *(
        Case(
            f"{field} is of registries",
            "publish[]",
            "baseImage and plainHttp are of a registry",
            good=published(**{field: value}),
            bad=published(to="models:/{task}", **{field: value}),
        )
        for field, value in (("baseImage", "busybox:1"), ("plainHttp", True))
    ),
    Case(
        "a bucket has the keys of the storage",
        "publish[]",
        "an s3:// folder is written with the keys of the experiment's storage",
        good=published(secretRef={"name": "login"}),
        bad=published(to="s3://bucket/{task}", secretRef={"name": "login"}),
    ),
    *(
        Case(
            f"the place {bad!r}",
            "publish[].to",
            "this is no place of models: write hf://ORG/NAME[@BRANCH]",
            good=published(to=good, **({} if good.startswith(("oci", "s3")) else {"secretRef": KEYS})),
            bad=published(to=bad),
        )
        for good, bad in (
            ("hf://team/bert-{task}", "hf://bert"),
            ("oci://registry.test/a/{task}:v1", "oci://user:key@registry.test/a"),
            ("models:/bert-{task}", "models:/bert/1"),
            ("s3://bucket/folder/{run}", "s3://bucket"),
            ("hf://team/{run}", "hf://team/{seed}"),
            ("hf://team/a-{task}", "file:///tmp/a"),
        )
    ),
)
UNTIL = {"halfWidth": 0.5, "max": 10}
EITHER = "runs says how many seeds there are, runsUntil when there are enough"
SEEDS_CASES = (
    Case(
        "seeds are counted or added until they are enough",
        "",
        EITHER,
        good={"runsUntil": UNTIL},
        bad={"runs": 3, "runsUntil": UNTIL},
    ),
    Case(
        "a task's seeds are counted or added until they are enough",
        "tasks[]",
        EITHER,
        good={"runs": 3, **on_task(name="rte", runsUntil=UNTIL)},
        bad=on_task(name="rte", runs=3, runsUntil=UNTIL),
    ),
    Case(
        "the least seeds are not more than the most",
        "runsUntil",
        "min is more than max",
        good={"runsUntil": {**UNTIL, "min": 10}},
        bad={"runsUntil": {**UNTIL, "min": 11}},
    ),
    Case(
        "a task of folds has a number of seeds",
        "tasks[]",
        "folds share most of their training rows",
        good=on_task(**FOLDED, runs=2),
        bad=on_task(**FOLDED, runsUntil=UNTIL),
    ),
    Case(
        "folds have a number of seeds where others are added",
        "",
        "runsUntil: folds share most of their training rows",
        good={"runsUntil": UNTIL, **on_task(**FOLDED, runs=2)},
        bad={"runsUntil": UNTIL, **on_task(**FOLDED)},
    ),
    Case(
        "a cache is a claim or a folder of the node",
        "execution.cache",
        "give one of persistentVolumeClaim and hostPath",
        good={"execution": {"cache": {"persistentVolumeClaim": {"claimName": "models"}}}},
        bad={"execution": {"cache": CACHES}},
    ),
    Case(
        "a folder of the node has a whole path",
        "execution.cache.hostPath.path",
        "no folder of a node: write its whole path",
        good={"execution": {"cache": {"hostPath": {"path": "/var/cache/finetune"}}}},
        bad={"execution": {"cache": {"hostPath": {"path": "cache"}}}},
    ),
)
CASES = (
    *(TRAINING_CASES + TASK_CASES + METRIC_CASES + SPEC_CASES + STORAGE_CASES + POD_CASES + BUDGET_CASES),
    *(NOTIFICATION_CASES + SEEDS_CASES + PUBLISH_CASES),
)
MORE_GOOD = {
    "the task's own metric wins": {
        "training": {"metricForBestModel": "accuracy"},
        "tasks": [{"name": "cola", "training": {"metricForBestModel": "matthews_correlation"}}],
    },
    "every task has a loss": {"training": {"metricForBestModel": "loss"}},
    "leaderboard without predict": {"leaderboard": {}},
    "evalSteps beside epochs": {"training": {"numTrainEpochs": 3, "evalSteps": 100}},
    "every tracker": {"tracking": {"reportTo": ["tensorboard", "mlflow", "wandb"]}},
    "64 tasks": {"runs": 1, "tasks": [CUSTOM | {"name": f"task-{k}"} for k in range(64)]},
}
MORE_BAD = {
    "no task list means all nine": {"training": {"metricForBestModel": "accuracy"}},
    "rules hold for each task": {
        "tasks": [{"name": "rte"}, {"name": "cola", "training": TRAINING_CASES[1].bad["training"]}]
    },
    "no source of hyperparameters": {"hyperparametersFrom": {}},
    "a tracker that is none of the three": {"tracking": {"reportTo": ["comet_ml"]}},
    "a tracker twice": {"tracking": {"reportTo": ["wandb", "wandb"]}},
    "tracking without a tracker": {"tracking": {"project": "glue"}},
    "a receiver twice": {"notifications": [{"name": "chat", "url": "https://c.test"}] * 2},
    "a place twice": {"publish": [{"name": "place", "to": "oci://registry.test/a"}] * 2},
    "a task twice in a place": published(tasks=["rte", "rte"]),
    "an event twice": {"notifications": [{"name": "chat", "url": "https://c.test", "on": ["Failed", "Failed"]}]},
}


def by_id(case: Case) -> str:
    return case.id


@pytest.mark.parametrize("case", CASES, ids=by_id)
def test_a_spec_that_keeps_the_rule_is_accepted(api_client: client.ApiClient, case: Case) -> None:
    assert errors(api_client, experiment(**case.good)) is None


@pytest.mark.parametrize("case", CASES, ids=by_id)
def test_a_spec_that_breaks_the_rule_is_refused_with_its_message(api_client: client.ApiClient, case: Case) -> None:
    refusal = errors(api_client, experiment(**case.bad))

    assert refusal is not None
    assert case.message in refusal
    entries = case.bad.get("tasks") or case.bad.get("notifications") or case.bad.get("publish") or []
    path = case.at.replace("[]", f"[{len(entries) - 1}]")
    assert f"spec.{path}".rstrip(".") + ": Invalid value" in refusal


@pytest.mark.parametrize("spec", MORE_GOOD.values(), ids=MORE_GOOD)
def test_rules_that_meet_in_one_spec_let_it_pass(api_client: client.ApiClient, spec: dict[str, Any]) -> None:
    assert errors(api_client, experiment(**spec)) is None


@pytest.mark.parametrize("spec", MORE_BAD.values(), ids=MORE_BAD)
def test_rules_hold_where_their_field_is_given_otherwise(api_client: client.ApiClient, spec: dict[str, Any]) -> None:
    assert errors(api_client, experiment(**spec)) is not None


def test_all_problems_are_told_at_once(api_client: client.ApiClient) -> None:
    refusal = errors(
        api_client,
        experiment(training={"maxSteps": 10, "evalSteps": 11}, tasks=[{"name": "colla"}, {"name": "rte", "runs": 0}]),
    )

    assert refusal is not None
    assert "evalSteps must not exceed maxSteps" in refusal
    assert "name is none of GLUE's tasks" in refusal
    assert "should be greater than or equal to 1" in refusal


def test_a_name_of_253_characters_is_refused_with_the_remedy(api_client: client.ApiClient) -> None:
    refusal = errors(api_client, experiment("x" * 253))

    assert refusal is not None
    assert "metadata.name may have at most 40 characters" in refusal
    assert "choose a shorter name" in refusal


def test_a_name_of_40_characters_is_accepted(api_client: client.ApiClient) -> None:
    assert errors(api_client, experiment("x" * 40)) is None


def test_every_rule_of_the_crd_has_a_case() -> None:
    schema = experiment_crd(ExperimentStatus)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    covered = {(case.at, case.message) for case in CASES}

    without = [
        f"{path}: {message}"
        for path, message in rules_of(schema["properties"]["spec"], "")
        # A task's own training has the rules of spec.training.
        if not any(at in (path, path.removeprefix("tasks[].")) and part in message for at, part in covered)
    ]

    assert without == []


def rules_of(schema: dict[str, Any], path: str) -> Iterator[tuple[str, str]]:
    for rule in schema.get("x-kubernetes-validations", ()):
        yield path, rule["message"]
    for name, child in schema.get("properties", {}).items():
        yield from rules_of(child, f"{path}.{name}".lstrip("."))
    if "items" in schema:
        yield from rules_of(schema["items"], f"{path}[]")
