"""What a pod that reports or publishes says at its end, where the operator finds it."""

import json
from pathlib import Path

from finetune_core.results.run import FailureReason

_MAX_MESSAGE_BYTES = 3000
"""Kubernetes cuts termination messages at 4,096 bytes; a cut one would be no JSON."""


def say_last(reason: FailureReason, message: str, file: Path) -> None:
    """Leave it in the pod's termination message, where there is such a file."""
    if file.exists():
        told = message.encode()[:_MAX_MESSAGE_BYTES].decode(errors="ignore")
        file.write_text(json.dumps({"reason": reason.value, "message": told}, ensure_ascii=False))
