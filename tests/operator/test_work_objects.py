"""What the operator creates and changes, to the byte: a change is meant, and its diff is looked at.

`tests/data/work_objects.json` holds the writing requests of a few objects: names, revisions (fingerprints are part of
them), plans and manifests. `write` makes it anew, only where a change of them is meant and told in the CHANGELOG.
"""

import json
from pathlib import Path

import pytest

from finetune_core.json_types import Json
from support.hostile_place import BASES, KINDS, Place, operating

EXPECTED = Path(__file__).parents[1] / "data" / "work_objects.json"
GPU = {"requests": {"cpu": "3", "memory": "8Gi"}, "limits": {"nvidia.com/gpu": 2, "memory": "16Gi"}}
POD = {
    "labels": {"team": "nlp"},
    "env": [{"name": "HF_HOME", "value": "/work/hf"}],
    "nodeSelector": {"gpu": "a100"},
    "serviceAccountName": "trainer",
}
RICH = {"image": "mine:2", "parallelism": 3, "retries": 1, "queueName": "team", "resources": GPU, "podTemplate": POD}
CUT = "9.name-of-thirty-nine-characters-or-more"
CASES: dict[str, tuple[str, str, Json, Json]] = {
    "jobs": ("FinetuneExperiment", "one", {}, {}),
    "jobs that are resized": ("FinetuneExperiment", "one", {"parallelism": 2}, {"parallelism": 5}),
    "jobs with every option": ("FinetuneExperiment", CUT, {**RICH, "runsPerPod": 2, "retryToken": "again"}, {}),
    "ray": ("FinetuneExperiment", "one", {"mode": "RayCluster"}, {"mode": "RayCluster", "suspend": True}),
    "ray that is resized": (
        "FinetuneExperiment",
        "one",
        {"mode": "RayCluster"},
        {"mode": "RayCluster", "parallelism": 2},
    ),
    "ray with every option": (
        "FinetuneExperiment",
        CUT,
        {**RICH, "mode": "RayCluster", "ray": {"gpusPerRun": 0.5, "headResources": {"limits": {"cpu": "1"}}}},
        {},
    ),
    "from jobs to ray": ("FinetuneExperiment", "one", {}, {"mode": "RayCluster"}),
    "from ray to jobs": ("FinetuneExperiment", "one", {"mode": "RayCluster"}, {"mode": "Jobs"}),
    "search in jobs": ("HPSearch", "one", {"parallelism": 2}, {"parallelism": 1, "suspend": True}),
    "search in ray": (
        "HPSearch",
        CUT,
        {"mode": "RayCluster", "ray": {"cpusPerRun": 1}},
        {"mode": "RayCluster", "ray": {"cpusPerRun": 1}, "suspend": True},
    ),
}


def written(place: Place, kind: str, name: str, before: Json, after: Json) -> list[Json]:
    """The writing requests of looks at a new object, and at the same with another `execution`."""
    # The API server filled this in when they were first written, and so they have kept it.
    before, after = ({"runsPerPod": 1, **execution} for execution in (before, after or before))
    more = {"runs": 3} if kind == "FinetuneExperiment" else {"clusters": 2}
    metadata = {"name": name, "uid": "uid-1"}
    place.put(kind, {**BASES[kind], **more, "execution": before}, metadata=metadata)
    for execution in (before, after):
        held = place.held(KINDS[kind], name)
        if held["spec"]["execution"] != execution:
            held["spec"]["execution"] = execution
            held["metadata"]["generation"] += 1
        for _ in range(3):
            place.reconcilers[kind].reconcile("team", name)
    return [
        {"verb": request.verb, "path": request.path, "body": _lasting(request.body or {})}
        for request in place.api.requests
        if request.verb != "GET" and "dryRun" not in request.query and not request.path.endswith(("/events", "/status"))
    ]


def _lasting(body: Json) -> Json:
    """Without what the API server makes up, and without an empty map of annotations, which is none."""
    body = {key: value for key, value in body.items() if key != "preconditions"}
    made_up = ("uid", "resourceVersion", "generation")
    metadata = {key: value for key, value in body.get("metadata", {}).items() if key not in made_up}
    if not metadata.get("annotations", True):
        del metadata["annotations"]
    return {**body, "metadata": metadata}


@pytest.mark.parametrize("case", CASES)
def test_what_is_created_and_changed_is_what_it_was(tmp_path: Path, case: str) -> None:
    with operating(tmp_path) as place:
        made = written(place, *CASES[case])
    assert any(request["verb"] == "POST" and "spec" in request["body"] for request in made)
    assert json.dumps(made, sort_keys=True) == json.dumps(json.loads(EXPECTED.read_text())[case], sort_keys=True)


def write(folder: Path) -> None:
    """Write what is expected anew; each case needs a folder of its own."""
    found = {}
    for number, case in enumerate(CASES):
        with operating(folder / str(number)) as place:
            found[case] = written(place, *CASES[case])
    lines = [f"{json.dumps(case)}: {json.dumps(made, sort_keys=True)}" for case, made in found.items()]
    EXPECTED.write_text("{\n" + ",\n".join(lines) + "\n}\n")
