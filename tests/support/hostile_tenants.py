"""What one tenant applies to take the operator from all others, and what is to come of each object.

The store of these specs is tests/support/hostile_store.py. Nothing of it may do harm; each ends in a condition that
names the field, or works.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from finetune_core.json_types import Json

MERGES = "\n".join(
    [
        "l0: &l0 {learningRate: 1e-5}",
        *(f"l{n}: &l{n} {{{', '.join(f'k{m}: {{<<: *l{n - 1}}}' for m in range(5))}}}" for n in range(1, 9)),
    ]
)
"""A few hundred bytes that unfold to gigabytes where merge keys are read."""

CONFIG_MAPS: Mapping[str, str] = {
    "merges": MERGES,
    "date": "rte: {learningRate: 2024-13-45}",
    "digits": "rte: {trainEpochs: 1" + "0" * 5000 + "}",
    "deep": "[" * 20_000,
}
TARRED = 8
AT_ONCE = 4
"""Of what takes memory: as many as one namespace gets workers."""

KEYS = "keys"
"""The tenant's own Secret: any keys will do."""

KEY = "all.yaml"
NOWHERE = {"podTemplate": {"nodeSelector": {"finetune.dev/no-such-node": "true"}}}
"""Its pods wait for ever, so that no test has to run them."""


@dataclass(frozen=True)
class Hostile:
    """A spec, and what its status has to say: a condition's type, reason, and words of its message."""

    spec: Json
    type: str
    reason: str
    words: str


def hostiles(endpoint: str, tarred: int = TARRED) -> dict[str, Hostile]:
    """All of them, by the name of their object."""
    made = {name: _tuned(endpoint, name) for name in CONFIG_MAPS}
    for number in range(tarred):
        spec = _spec(endpoint, f"tar-{number}")
        made[f"tar-{number}"] = Hostile(spec, "Succeeded", "StorageUnavailable", "check storage.endpoint")
    lake = _spec(endpoint, "kept", model={"uri": "s3://lake"})
    made["lake"] = Hostile(lake, "Valid", "InputNotFound", "spec.model.uri: more than 10,000 objects lie at s3://lake")
    for number in range(AT_ONCE):
        # Plans that are none are made anew, and results that are none are no results.
        for bucket in ("plan", "values", "results"):
            made[f"{bucket}-{number}"] = Hostile(_spec(endpoint, bucket), "Valid", "Accepted", "")
        config = _spec(endpoint, "config")
        made[f"config-{number}"] = Hostile(config, "Valid", "InputNotFound", "spec.model.uri: s3://config/model/config")
        elements = _spec(endpoint, "elements")
        made[f"elements-{number}"] = Hostile(elements, "Succeeded", "StorageUnavailable", "the answer unfolds to more")
    return made


def config_map(name: str) -> Json:
    """The ConfigMap that the object of that name reads."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {KEY: CONFIG_MAPS[name]}}


def _spec(endpoint: str, bucket: str, **fields: Any) -> Json:
    return {
        "model": {"uri": f"s3://{bucket}/model"},
        "data": {"uri": f"s3://{bucket}/glue"},
        "tasks": [{"name": "rte", "runs": 2}],
        "storage": {"endpoint": endpoint, "bucket": bucket, "prefix": "out", "secretRef": {"name": KEYS}},
        "execution": NOWHERE,
        **fields,
    }


def _tuned(endpoint: str, name: str) -> Hostile:
    source = {"hyperparametersFrom": {"configMapRef": {"name": name, "key": KEY}}}
    return Hostile(_spec(endpoint, "kept", **source), "Valid", "InputNotFound", "spec.hyperparametersFrom: ")
