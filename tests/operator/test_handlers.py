"""Which object an event is about."""

import pytest

from finetune_kube.kinds import EXPERIMENT, SEARCH
from finetune_operator.handlers import owner_of


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"finetune.dev/experiment": "exp", "finetune.dev/role": "train"}, (EXPERIMENT.kind, "exp")),
        ({"finetune.dev/search": "hunt", "finetune.dev/role": "report"}, (SEARCH.kind, "hunt")),
        ({"app": "mine"}, None),
    ],
)
def test_a_child_is_its_owners_by_its_label(labels: dict[str, str], expected: tuple[str, str] | None) -> None:
    assert owner_of(labels) == expected
