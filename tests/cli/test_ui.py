"""`finetune ui`: what it serves is in tests/ui; here is how it begins and ends."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from finetune_store import DirectoryStore
from support.filled_store import running_experiment

from .conftest import Run


def test_it_says_where_it_serves_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    running_experiment(DirectoryStore(tmp_path / "results"))
    command = [sys.executable, "-c", "import sys; from finetune_cli.app import main; sys.exit(main())"]
    process = subprocess.Popen(
        [*command, "ui", "--store", "results", "--port", "0"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"NO_PROXY": "*"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
    )
    assert process.stderr
    with process, process.stderr as said:
        found = re.search(r"Serving (http://127\.0\.0\.1:\d+)", said.readline())
        assert found
        with requests.Session() as session:
            session.trust_env = False
            assert "team/demo" in session.get(found[1], timeout=30).text
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert said.read() == ""


def test_a_port_in_use_is_told(tmp_path: Path, run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = run("ui", "--store", str(tmp_path), "--port", str(port))
    assert said.code == 1
    assert f"cannot listen on 127.0.0.1:{port}" in said.text
    assert "--port" in said.text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--host", "0.0.0.0"], "--auth token"),
        (["--auth", "token", "--store", "results"], "Leave one of them out"),
    ],
)
def test_what_would_show_too_much_is_refused(run: Run, arguments: list[str], words: str) -> None:
    said = run("ui", *arguments)
    assert said.code == 2
    assert words in said.text


def test_without_a_cluster_it_says_what_else_there_is(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "absent"))
    said = run("ui")
    assert said.code == 5
    assert "--store" in said.text
