"""Where the stand-ins write what they were told, and how they go wrong."""

import json
import os
import threading
from pathlib import Path
from typing import Any


def called(call: str, /, **values: Any) -> None:
    """A line of JSON; before it, what the test has this call do."""
    fails = os.environ.get("FAKE_TRACKER_FAILS", "")
    if fails == f"{call} raises":
        key = os.environ.get("WANDB_API_KEY")
        raise ConnectionError(f"no answer from https://me:{key}@tracker.test/api with key {key}")
    if fails == f"{call} hangs":
        threading.Event().wait()
    with Path(os.environ["FAKE_TRACKER_LOG"]).open("a") as log:
        log.write(json.dumps({"call": call, **values}, default=str) + "\n")
