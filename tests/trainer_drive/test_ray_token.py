"""Ray itself: asked for tokens and given none, it does not start, so that a cluster is closed or not there at all."""

import os
import subprocess
import sys
from pathlib import Path

from finetune_operator.executors.ray_access import ASK_FOR_TOKEN


def test_a_head_that_is_to_ask_for_a_token_and_has_none_does_not_start(tmp_path: Path) -> None:
    variables = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    environment = {**variables, **ASK_FOR_TOKEN, "HOME": str(tmp_path), "RAY_USAGE_STATS_ENABLED": "0"}
    ray = Path(sys.executable).with_name("ray")

    started = subprocess.run(
        [ray, "start", "--head", "--num-cpus=0", "--port=0", f"--temp-dir={tmp_path}", "--include-dashboard=false"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert started.returncode != 0
    assert "no authentication token was found" in started.stderr
