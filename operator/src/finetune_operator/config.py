"""The operator's settings, from its environment (set by the Helm chart)."""

import json
import socket
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from finetune_core.api import Storage
from finetune_core.notifying.addresses import AllowedHost, allowed_hosts
from finetune_core.problems import InvalidInputError, Problem
from finetune_operator.manifests.defaults import DEFAULTS, PodDefaults

ModelT = TypeVar("ModelT", bound=BaseModel)


@dataclass(frozen=True)
class Release:
    """A release of the chart: its replicas elect a leader by the Lease of this namespace and name."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True)
class Config:
    """How the operator works.

    `namespaces` empty means the whole cluster; `resync_seconds` is how often a living experiment is looked at without
    an event (progress, ETA, pods that cannot start). `workers` look at the same time; one namespace gets half of them
    at most (see `schedule`). `look_seconds` bound all that one look asks of stores.
    `release` None means that nobody else may act; `identity` names this process among the release's; `lease_seconds`:
    see `election.Timing`. `notification_hosts`: where notifications may be sent to. `operator_image` is its own, for
    pods that publish.
    """

    trainer_image: str
    image_pull_policy: str | None = None
    pods: PodDefaults = DEFAULTS
    namespaces: tuple[str, ...] = ()
    default_storage: Storage | None = None
    log_format: str = "text"
    health_port: int = 8080
    metrics_port: int = 9090
    workers: int = 16
    resync_seconds: float = 20.0
    look_seconds: float = 25.0
    release: Release | None = None
    identity: str = ""
    lease_seconds: int = 10
    notification_hosts: tuple[AllowedHost, ...] = ()
    operator_image: str | None = None

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "Config":
        """Read FINETUNE_* variables; InvalidInputError names the one that is missing or malformed."""
        image = env.get("FINETUNE_TRAINER_IMAGE", "")
        if not image:
            raise InvalidInputError((Problem("FINETUNE_TRAINER_IMAGE", "not set: name the trainer image"),))
        return cls(
            trainer_image=image,
            operator_image=env.get("FINETUNE_OPERATOR_IMAGE") or None,
            pods=_parsed(PodDefaults, env, "FINETUNE_PODS", "the chart's value pods") or DEFAULTS,
            image_pull_policy=env.get("FINETUNE_IMAGE_PULL_POLICY") or None,
            namespaces=_listed(env, "FINETUNE_NAMESPACES"),
            default_storage=_parsed(Storage, env, "FINETUNE_DEFAULT_STORAGE", "a storage block"),
            log_format=_one_of("FINETUNE_LOG_FORMAT", env.get("FINETUNE_LOG_FORMAT", "text"), ("text", "json")),
            health_port=int(_number(env, "FINETUNE_HEALTH_PORT", 8080, least=0)),
            metrics_port=int(_number(env, "FINETUNE_METRICS_PORT", 9090, least=0)),
            workers=int(_number(env, "FINETUNE_WORKERS", 16, least=1)),
            resync_seconds=_number(env, "FINETUNE_RESYNC_SECONDS", 20, least=1),
            release=_release(env.get("FINETUNE_RELEASE", "")),
            identity=env.get("FINETUNE_POD_NAME") or f"{socket.gethostname()}_{uuid.uuid4().hex[:8]}",
            lease_seconds=int(_number(env, "FINETUNE_LEASE_SECONDS", 10, least=1)),
            notification_hosts=allowed_hosts(
                _listed(env, "FINETUNE_NOTIFICATION_HOSTS"), "FINETUNE_NOTIFICATION_HOSTS"
            ),
        )


def _listed(env: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(text.strip() for text in env.get(name, "").split(",") if text.strip())


def _number(env: Mapping[str, str], name: str, default: float, *, least: float) -> float:
    text = env.get(name) or str(default)
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not value >= least:
        raise InvalidInputError((Problem(name, f"{text!r} is not a number of at least {least:g}"),))
    return value


def _release(text: str) -> Release | None:
    if not text:
        return None
    namespace, _, name = text.partition("/")
    if not namespace or not name or "/" in name:
        raise InvalidInputError((Problem("FINETUNE_RELEASE", f"{text!r} is not <namespace>/<name>"),))
    return Release(namespace, name)


def _one_of(name: str, value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise InvalidInputError((Problem(name, f"{value!r} is none of {', '.join(known)}"),))
    return value


def _parsed(model: type[ModelT], env: Mapping[str, str], name: str, what: str) -> ModelT | None:
    text = env.get(name, "")
    if not text.strip():
        return None
    try:
        return model.model_validate(json.loads(text))
    except (ValueError, ValidationError) as error:
        raise InvalidInputError((Problem(name, f"not {what}: {error}"),)) from error
