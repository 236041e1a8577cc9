"""The operator's settings, from its environment (set by the Helm chart)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from finetune_core.problems import InvalidInputError, Problem
from finetune_core.spec import Storage


@dataclass(frozen=True)
class Config:
    """How the operator works.

    `namespaces` empty means the whole cluster; `resync_seconds` is how often a living experiment is looked at without
    an event (progress, ETA, pods that cannot start).
    """

    trainer_image: str
    image_pull_policy: str | None = None
    namespaces: tuple[str, ...] = ()
    default_storage: Storage | None = None
    log_format: str = "text"
    health_port: int = 8080
    metrics_port: int = 9090
    workers: int = 8
    resync_seconds: float = 20.0

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "Config":
        """Read FINETUNE_* variables; InvalidInputError names the one that is missing or malformed."""
        image = env.get("FINETUNE_TRAINER_IMAGE", "")
        if not image:
            raise InvalidInputError((Problem("FINETUNE_TRAINER_IMAGE", "not set: name the trainer image"),))
        names = env.get("FINETUNE_NAMESPACES", "").split(",")
        return cls(
            trainer_image=image,
            image_pull_policy=env.get("FINETUNE_IMAGE_PULL_POLICY") or None,
            namespaces=tuple(name.strip() for name in names if name.strip()),
            default_storage=_storage(env.get("FINETUNE_DEFAULT_STORAGE", "")),
            log_format=env.get("FINETUNE_LOG_FORMAT", "text"),
            health_port=int(env.get("FINETUNE_HEALTH_PORT", "8080")),
            metrics_port=int(env.get("FINETUNE_METRICS_PORT", "9090")),
            workers=int(env.get("FINETUNE_WORKERS", "8")),
            resync_seconds=float(env.get("FINETUNE_RESYNC_SECONDS", "20")),
        )


def _storage(text: str) -> Storage | None:
    if not text.strip():
        return None
    try:
        return Storage.model_validate(json.loads(text))
    except (ValueError, ValidationError) as error:
        raise InvalidInputError((Problem("FINETUNE_DEFAULT_STORAGE", f"not a storage block: {error}"),)) from error
