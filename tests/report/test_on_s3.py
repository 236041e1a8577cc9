"""The whole program, as its pod runs it, against a real S3 server: same bytes as in a folder."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from finetune_core.tasks.registry import GLUE_TASKS
from finetune_store import DirectoryStore, S3Connection, Store, open_store
from support.report_store import finish_run, layout_of
from support.results import all_prediction_files, plan_of
from support.seaweed import SeaweedS3

pytestmark = pytest.mark.s3

PLAN = plan_of(dict.fromkeys(GLUE_TASKS, 5), leaderboard={})
FILES = all_prediction_files()


def fill(store: Store) -> None:
    store.put(layout_of(PLAN).plan, PLAN.to_bytes())
    for task, planned in PLAN.tasks.items():
        predictions = {file.name: FILES[file.name] for file in planned.definition.submission}
        for run in range(5):
            # Ties at the top: run 1 and run 3.
            value = (0.4, 0.6, 0.5, 0.6, 0.1)[run]
            finish_run(store, PLAN, task, run, value, predictions=predictions if run == 1 else None)


def finetune_report(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "import sys; from finetune_report.cli import main; sys.exit(main())", *arguments]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return subprocess.run(command, env=clean | environment, capture_output=True, text=True, check=False)


def digests(store: Store) -> dict[str, str]:
    found = {info.key: hashlib.sha256(store.get(info.key)).hexdigest() for info in store.list()}
    # These name the store itself.
    own = ("/results.json", "/results.md", "/report.html", "/finetuning_results.csv")
    return {key: digest for key, digest in found.items() if not key.endswith(own)}


def test_report_on_s3_is_the_one_in_a_folder_and_a_second_run_changes_nothing(s3: SeaweedS3, tmp_path: Path) -> None:
    bucket = open_store("s3://results/of-reports", connection=S3Connection.from_env(s3.environment))
    folder = DirectoryStore(tmp_path)
    fill(bucket)
    fill(folder)
    build = ("build", "--plan-key", layout_of(PLAN).plan)
    first = finetune_report({**s3.environment, "FINETUNE_STORE": "s3://results/of-reports"}, *build)
    assert first.returncode == 0, first.stderr
    assert finetune_report({"FINETUNE_STORE": tmp_path.as_uri()}, *build).returncode == 0
    assert digests(bucket) == digests(folder)
    assert bucket.stat(layout_of(PLAN).submission) is not None

    written = {info.key: info.modified for info in bucket.list()}
    assert finetune_report({**s3.environment, "FINETUNE_STORE": "s3://results/of-reports"}, *build).returncode == 0
    assert {info.key: info.modified for info in bucket.list()} == written

    shown = finetune_report(s3.environment, "show", "--store", "s3://results/of-reports", "team/demo")
    assert shown.stdout == bucket.get(layout_of(PLAN).results("md")).decode()


@pytest.mark.parametrize(
    ("uri", "change"),
    [
        ("s3://no-such-bucket", {}),
        ("s3://results/of-reports", {"AWS_SECRET_ACCESS_KEY": "wrong"}),
    ],
)
def test_a_store_that_somebody_has_to_mend_uses_up_no_retry(s3: SeaweedS3, uri: str, change: dict[str, str]) -> None:
    ended = finetune_report({**s3.environment, **change}, "show", "--store", uri, "team/demo")
    assert ended.returncode == 75
    assert "Traceback" not in ended.stderr
