"""A plan that no ConfigMap can hold is refused with its largest task, before anything is created."""

from copy import deepcopy
from pathlib import Path

import pytest

from finetune_kube.kinds import CONFIG_MAP, JOB
from support.hostile_place import BASES, KINDS, collection, operating

LABELS = {"small": 100, "large": 999}
TASKS = 20


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", LABELS)
def test_it_is_refused_with_the_largest_task_and_the_remedy(tmp_path: Path, kind: str, size: str) -> None:
    spec = deepcopy(BASES[kind])
    (task,) = spec["tasks"]
    labels = [f"{number:04d}-{'x' * 59}" for number in range(LABELS[size])]
    spec["tasks"] = [{**task, "name": f"task-{number}", "labels": labels} for number in range(TASKS)]
    spec["tasks"][7]["labels"] = [*labels, "one-more"]
    with operating(tmp_path) as place:
        place.put(kind, spec)
        place.look(kind, 3)
        created = [path for path in place.api.objects if path.startswith(f"{collection(JOB)}/")]
        valid = place.valid(kind)
    if size == "small":
        assert (valid["status"], len(created) > 0) == ("True", True)
        return
    assert (valid["status"], valid["reason"], created) == ("False", "InvalidSpec", [])
    assert "spec.tasks[task-7]: the plan has 1,3" in valid["message"]
    assert "pods can be given 983,040" in valid["message"]
    assert "use fewer or shorter labels" in valid["message"]
    assert not [path for path in place.api.objects if path.startswith(f"{collection(CONFIG_MAP)}/one-")]
