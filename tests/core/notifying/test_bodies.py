"""What is sent: the JSON object that docs/how-to/notifications.md shows, a text for Slack, and a signature."""

import hashlib
import hmac
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from finetune_core.api.notifications import NotificationEvent, NotificationFormat, PendingNotification
from finetune_core.api.search_status import BestTrial, HPSearchStatus, SearchTaskStatus
from finetune_core.api.status import BestRun, ExperimentStatus, ResultUris, RunCounts, TaskStatus
from finetune_core.json_types import Json
from finetune_core.notifying.bodies import About, body, document, signature

ABOUT = About("finetune.dev/v1alpha1", "FinetuneExperiment", "nlp", "glue", "a-uid")
PAGE = Path(__file__).parents[3] / "docs/how-to/notifications.md"
SENT = "2026-01-01T00:00:05Z"
BEST = BestRun(run=2, run_id="0" * 16, seed=7, value=0.661, step=500, uri="s3://b/x")
STATUS = ExperimentStatus(
    runs=RunCounts(total=45, summary="45/45"),
    score="84.21 (2/2)",
    gpu_hours=1.5,
    tasks=(
        TaskStatus(name="rte", metric="accuracy", runs="5/5", best=BEST),
        TaskStatus(name="cola", metric="matthews_correlation", runs="0/5", failed=5),
    ),
    results=ResultUris(json_="s3://b/r.json", csv="s3://b/r.csv", markdown="s3://b/r.md", html="s3://b/report.html"),
)


def entry(event: str = "Finished", message: str = "All 45 runs succeeded.", **fields: Json) -> PendingNotification:
    return PendingNotification.model_validate(
        {"id": "d" * 32, "event": event, "time": "2026-01-01T00:00:00Z", "reason": "R", "message": message, **fields}
    )


def test_an_end_tells_of_all_tasks() -> None:
    said = json.loads(body(document(entry(), ABOUT, STATUS), NotificationFormat.JSON, SENT))
    assert said == {
        "version": 1,
        "id": "d" * 32,
        "event": "Finished",
        "time": "2026-01-01T00:00:00Z",
        "sent": SENT,
        "object": {
            "apiVersion": "finetune.dev/v1alpha1",
            "kind": "FinetuneExperiment",
            "namespace": "nlp",
            "name": "glue",
            "uid": "a-uid",
        },
        "reason": "R",
        "message": "All 45 runs succeeded.",
        "progress": "45/45",
        "score": "84.21 (2/2)",
        "gpuHours": 1.5,
        "tasks": [
            {
                "name": "rte",
                "metric": "accuracy",
                "done": "5/5",
                "failed": 0,
                "best": {"run": 2, "id": "0" * 16, "value": 0.661, "step": 500},
            },
            {"name": "cola", "metric": "matthews_correlation", "done": "0/5", "failed": 5, "best": None},
        ],
        "results": "s3://b/report.html",
    }


def test_a_new_best_tells_of_its_tasks_and_of_hyperparameters_where_a_search_found_them() -> None:
    best = BestTrial(trial=4, trial_id="abc", value=0.7, step=10, hyperparameters={"learningRate": 5e-5})
    tasks = tuple(SearchTaskStatus(name=name, metric="accuracy", trials="1/2", best=best) for name in ("rte", "cola"))
    said = document(entry("NewBest", tasks=["cola"]), ABOUT, HPSearchStatus(tasks=tasks))
    assert [task["name"] for task in said["tasks"]] == ["cola"]
    assert said["tasks"][0]["best"]["hyperparameters"] == {"learningRate": 5e-5}
    assert (said["progress"], said["score"], said["results"]) == (None, None, None)


def test_slack_gets_a_text() -> None:
    said = json.loads(body(document(entry(), ABOUT, STATUS), NotificationFormat.SLACK, SENT))
    assert list(said) == ["text"]
    assert said["text"].splitlines() == [
        ":white_check_mark: FinetuneExperiment *nlp/glue*: R (45/45 done, score 84.21 (2/2))",
        "All 45 runs succeeded.",
        "• rte: accuracy 66.10",
        "s3://b/report.html",
    ]


def test_text_of_others_addresses_nobody_in_a_chat() -> None:
    hostile = "<!channel> <https://evil.test|results> @all\n> quoted"
    said = json.loads(body(document(entry(message=hostile), ABOUT, STATUS), NotificationFormat.SLACK, SENT))["text"]
    assert "<" not in said
    assert ">" not in said
    assert "@all" not in said
    assert len(said.splitlines()) == 4


def test_every_event_has_a_sign() -> None:
    for event in NotificationEvent:
        assert body(document(entry(event.value), ABOUT, STATUS), NotificationFormat.SLACK, SENT)


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.S)


def test_the_page_shows_the_object_as_it_is() -> None:
    (shown,) = map(json.loads, blocks("json"))
    said = json.loads(body(document(entry(), ABOUT, STATUS), NotificationFormat.JSON, SENT))
    assert list(shown) == list(said)
    assert list(shown["object"]) == list(said["object"])
    assert list(shown["tasks"][0]) == list(said["tasks"][0])
    assert list(shown["tasks"][0]["best"]) == list(said["tasks"][0]["best"])


def test_the_pages_own_code_knows_what_is_ours_and_new() -> None:
    (code,) = blocks("python")
    scope: dict[str, Any] = {}
    exec(code, scope)
    is_ours = scope["is_ours"]
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    content, old = (body(document(entry(), ABOUT, STATUS), NotificationFormat.JSON, sent) for sent in (now, SENT))
    assert is_ours(b"key", content, signature(b"key", content))
    assert not is_ours(b"another", content, signature(b"key", content))
    assert not is_ours(b"key", content + b" ", signature(b"key", content))
    assert not is_ours(b"key", old, signature(b"key", old))


def test_the_signature_is_githubs() -> None:
    content = b"Hello, World!"
    secret = b"It's a Secret to Everybody"
    # The example of https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
    assert signature(secret, content) == "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    assert signature(secret, content) == "sha256=" + hmac.new(secret, content, hashlib.sha256).hexdigest()
