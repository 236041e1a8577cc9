"""What `finetune status` shows of an object, from its status alone."""

from datetime import UTC, datetime
from typing import Any

from rich.console import Console

from finetune_cli.shown.objects import page
from finetune_client.overview import overview
from support.experiments import experiment


def shown(**status: Any) -> list[str]:
    manifest = experiment("demo")
    manifest["metadata"] |= {"namespace": "team", "creationTimestamp": "2026-01-01T00:00:00Z"}
    console = Console(width=200)
    with console.capture() as capture:
        console.print(page(overview({**manifest, "status": status}), datetime(2026, 1, 2, tzinfo=UTC)))
    return [line.rstrip() for line in capture.get().splitlines()]


def test_a_zip_is_shown_with_the_files_that_are_placeholders() -> None:
    zipped = {"uri": "s3://b/team/demo/submission.zip", "placeholders": ["AX.tsv", "QQP.tsv"]}
    assert shown(leaderboard=zipped)[-1] == (
        "leaderboard zip: s3://b/team/demo/submission.zip (placeholders: AX.tsv, QQP.tsv)"
    )
    assert shown(leaderboard={"uri": zipped["uri"]})[-1] == "leaderboard zip: s3://b/team/demo/submission.zip"


def test_warnings_are_shown() -> None:
    assert "warning: rte: maxSteps 10 is no multiple" in shown(warnings=["rte: maxSteps 10 is no multiple"])
