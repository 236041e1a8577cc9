"""The whole program, as its pod runs it, against a real S3 server: same bytes as in a folder."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from finetune_store import DirectoryStore, S3Connection, Store, open_store
from support.search_trials import leave, mixed_trials, search_plan
from support.seaweed import SeaweedS3

pytestmark = pytest.mark.s3

PLAN = search_plan(proxy_for={"rte": ["qnli"]})


def report(environment: dict[str, str], digest: str, store: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "import sys; from finetune_report.cli import main; sys.exit(main())"]
    options = ["search", "--namespace=team", "--search=hunt", f"--expect-digest={digest}", f"--store={store}"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return subprocess.run([*command, *options], env=clean | environment, capture_output=True, text=True, check=False)


def digests(store: Store) -> dict[str, str]:
    found = {info.key: hashlib.sha256(store.get(info.key)).hexdigest() for info in store.list()}
    named = ("/summary.json", "/summary.md", "/summary.html")  # these name the store itself
    return {key: digest for key, digest in found.items() if not key.endswith(named)}


def test_report_on_s3_is_the_one_in_a_folder_and_a_second_run_changes_nothing(s3: SeaweedS3, tmp_path: Path) -> None:
    bucket = open_store("s3://results/of-searches", connection=S3Connection.from_env(s3.environment))
    folder = DirectoryStore(tmp_path)
    for store in (bucket, folder):
        digest = leave(store, PLAN, mixed_trials(PLAN, 8))
        done = report(s3.environment, digest, store.uri())
        assert done.returncode == 0, done.stderr
        assert store.stat("team/hunt/summary.json") is not None
    assert digests(bucket) == digests(folder)
    before = {info.key: info.modified for info in bucket.list()}
    assert report(s3.environment, digest, bucket.uri()).returncode == 0
    assert {info.key: info.modified for info in bucket.list()} == before
