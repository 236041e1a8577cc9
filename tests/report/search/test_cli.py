import json
import subprocess
import sys
from pathlib import Path

import pytest

from finetune_core.results.run import ExitCode
from finetune_report import cli
from finetune_store import POD_RETRY_SECONDS, DirectoryStore
from support.search_trials import layout_of, leave, mixed_trials, search_plan

PLAN = search_plan()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty store that FINETUNE_STORE names; termination messages go to a file beside it."""
    folder = tmp_path / "store"
    monkeypatch.setenv("FINETUNE_STORE", folder.as_uri())
    termination = tmp_path / "termination-log"
    termination.touch()
    monkeypatch.setattr(cli, "TERMINATION_LOG", termination)
    return folder


def search(*more: str) -> int:
    return cli.main(["search", "--namespace", "team", "--search", "hunt", *more])


def termination(folder: Path) -> dict[str, str]:
    found: dict[str, str] = json.loads((folder.parent / "termination-log").read_text())
    return found


def test_a_report_is_written_and_its_table_printed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = DirectoryStore(folder)
    digest = leave(store, PLAN, mixed_trials(PLAN, 4))
    assert search("--expect-digest", digest) == 0
    assert capsys.readouterr().out == store.get("team/hunt/summary.md").decode()


def test_the_wrong_digest_has_whoever_ordered_it_look_again(folder: Path) -> None:
    store = DirectoryStore(folder)
    digest = leave(store, PLAN, mixed_trials(PLAN, 2))
    assert search("--expect-digest", "0123456789abcdef") == ExitCode.RESULTS_CHANGED
    assert digest in termination(folder)["message"]
    assert store.stat(layout_of(PLAN).summary("json")) is None


def test_a_search_that_is_not_there_ends_with_64_and_says_where_it_was_looked_for(folder: Path) -> None:
    assert search("--expect-digest", "0") == 64
    assert "team/hunt/search.json does not exist" in termination(folder)["message"]


@pytest.mark.parametrize("content", [b"{", b"{}"])
def test_a_plan_that_cannot_be_read_ends_with_64(folder: Path, content: bytes) -> None:
    DirectoryStore(folder).put(layout_of(PLAN).plan, content)
    assert search("--expect-digest", "0") == 64
    assert "is no plan of this version" in termination(folder)["message"]


def test_the_command_line_needs_nothing_that_only_the_trainers_image_has() -> None:
    script = (
        "import sys, finetune_report.cli, finetune_report.search\n"
        "print(sorted({'matplotlib', 'optuna', 'jinja2', 'pandas', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_store_that_is_away_is_waited_for_as_long_as_by_trainers(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, asked = DirectoryStore(folder), []
    leave(store, PLAN, mixed_trials(PLAN, 2))

    def opened(_uri: str, *, retry_seconds: float, **_: object) -> DirectoryStore:
        asked.append(retry_seconds)
        return store

    monkeypatch.setattr(cli, "open_store", opened)
    assert search() == 0
    assert asked == [POD_RETRY_SECONDS]
