"""The kinds that the command line goes by, and labels that the operator sets (finetune_operator.names has the same)."""

from dataclasses import dataclass

from finetune_client.errors import UsageError
from finetune_core.crd import GROUP, VERSION

MANAGED_BY = "app.kubernetes.io/managed-by=finetune-operator"
ROLE_LABEL = f"{GROUP}/role"
PLAN_ANNOTATION = f"{GROUP}/plan"
INDEX_ANNOTATION = "batch.kubernetes.io/job-completion-index"
JOB_NAME_LABEL = "batch.kubernetes.io/job-name"
PLAN_FILE = "plan.json"


@dataclass(frozen=True)
class Kind:
    """A custom resource: its names, and the label that its children carry."""

    kind: str
    plural: str
    short: str
    label: str

    @property
    def api(self) -> str:
        """Group and version."""
        return f"{GROUP}/{VERSION}"

    @property
    def words(self) -> frozenset[str]:
        """What it goes by on the command line, as with kubectl."""
        return frozenset({self.plural, self.kind.lower(), self.short})


EXPERIMENT = Kind("FinetuneExperiment", "finetuneexperiments", "fte", f"{GROUP}/experiment")
SEARCH = Kind("HPSearch", "hpsearches", "hps", f"{GROUP}/search")
KINDS = (EXPERIMENT, SEARCH)


def kind_of(name: str) -> Kind:
    """The kind of a manifest's `kind`; ValueError for another."""
    for kind in KINDS:
        if kind.kind == name:
            return kind
    raise ValueError(name)


def split_name(text: str) -> tuple[tuple[Kind, ...], str]:
    """`fte/first` -> (experiments, first); a bare name may be of either kind."""
    word, slash, name = text.partition("/")
    if not slash:
        return KINDS, text
    for kind in KINDS:
        if word.lower() in kind.words:
            return (kind,), name
    raise UsageError(f"{word} is no kind", "Write NAME, fte/NAME (experiments) or hps/NAME (searches).")
