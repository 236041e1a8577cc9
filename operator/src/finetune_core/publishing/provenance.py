"""Where a published model comes from: an in-toto statement of SLSA's provenance over the files beside it.

https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md, https://slsa.dev/spec/v1.1/provenance. All that
SLSA asks for follows from `internalParameters.facts`; what is written otherwise was changed by somebody.
"""

from collections.abc import Iterator, Mapping
from typing import Literal

from pydantic import Field

from finetune_core.frozen import Document
from finetune_core.publishing.facts import Facts
from finetune_core.stored import RelativePath, Sha256

PROVENANCE = "provenance.json"
SIGNATURE = "provenance.sigstore.json"
CARD = "README.md"
PREDICTIONS = "predictions"
UNNAMED = frozenset({PROVENANCE, SIGNATURE})
"""The files that the statement cannot name."""

PAYLOAD_TYPE = "application/vnd.in-toto+json"


class Sum(Document):
    """A file's SHA-256."""

    sha256: Sha256


class Subject(Document):
    """A file of the model's folder."""

    name: RelativePath
    digest: Sum


class Resource(Document):
    """What went into the run, or came out of it: a ResourceDescriptor."""

    name: str
    uri: str | None = None
    digest: dict[str, str] = {}


class Asked(Document):
    """What was asked for."""

    experiment: str
    task: str
    run: int
    seed: int
    settings: dict[str, object]
    hyperparameters: str | None


class Inside(Document):
    """All that is known, enough to do the run again."""

    facts: Facts


class BuildDefinition(Document):
    """See SLSA."""

    build_type: Literal["urn:finetune.dev:run:v1"] = "urn:finetune.dev:run:v1"
    external_parameters: Asked
    internal_parameters: Inside
    resolved_dependencies: tuple[Resource, ...]


class Builder(Document):
    """What trained it, with the versions of what decides numbers."""

    id: Literal["urn:finetune.dev:trainer"] = "urn:finetune.dev:trainer"
    version: dict[str, str]


class Metadata(Document):
    """The run's id, and when it was done."""

    invocation_id: str
    started_on: str
    finished_on: str


class RunDetails(Document):
    """See SLSA. By-products are the predicted test and dev sets, by their digests."""

    builder: Builder
    metadata: Metadata
    byproducts: tuple[Resource, ...]


class Predicate(Document):
    """See SLSA."""

    build_definition: BuildDefinition
    run_details: RunDetails


class Statement(Document):
    """The whole of it."""

    type_: Literal["https://in-toto.io/Statement/v1"] = Field("https://in-toto.io/Statement/v1", alias="_type")
    subject: tuple[Subject, ...]
    predicate_type: Literal["https://slsa.dev/provenance/v1"] = "https://slsa.dev/provenance/v1"
    predicate: Predicate

    @property
    def facts(self) -> Facts:
        """What it says of the run."""
        return self.predicate.build_definition.internal_parameters.facts

    @property
    def sums(self) -> dict[str, str]:
        """File -> SHA-256."""
        return {one.name: one.digest.sha256 for one in self.subject}


def statement_of(facts: Facts, sums: Mapping[str, str]) -> Statement:
    """The statement over files (path -> SHA-256)."""
    subject = tuple(Subject(name=name, digest=Sum(sha256=sums[name])) for name in sorted(sums))
    definition = BuildDefinition(
        external_parameters=_asked(facts),
        internal_parameters=Inside(facts=facts),
        resolved_dependencies=tuple(_dependencies(facts)),
    )
    details = RunDetails(
        builder=Builder(version=facts.result.versions),
        metadata=Metadata(
            invocation_id=f"{facts.run.run_id}/{facts.result.attempt}",
            started_on=facts.result.started_at,
            finished_on=facts.result.finished_at,
        ),
        byproducts=tuple(_byproducts(facts)),
    )
    return Statement(subject=subject, predicate=Predicate(build_definition=definition, run_details=details))


def _asked(facts: Facts) -> Asked:
    return Asked(
        experiment=facts.plan.folder,
        task=facts.run.task,
        run=facts.run.run,
        seed=facts.run.seed,
        settings=facts.task.settings.identity(),
        hyperparameters=facts.task.hyperparameters_source,
    )


def _dependencies(facts: Facts) -> Iterator[Resource]:
    yield Resource(name="model", uri=facts.plan.model.uri, digest=_digest_set(facts.plan.model.digest))
    yield Resource(name="data", uri=facts.task.data.uri, digest=_digest_set(facts.task.data.digest))
    if facts.result.image:
        _, _, digest = facts.result.image.partition("@")
        yield Resource(name="image", uri=facts.result.image, digest=_digest_set(digest) if digest else {})


def _byproducts(facts: Facts) -> Iterator[Resource]:
    for name, file in facts.result.predictions.items():
        yield Resource(name=f"{PREDICTIONS}/{name}", digest={"sha256": file.sha256})
    for name, dev in facts.result.dev_predictions.items():
        yield Resource(name=f"dev/{name}", digest={"sha256": dev.sha256})


def _digest_set(digest: str) -> dict[str, str]:
    """`md5s:abc` as SLSA has digests: by the name of how they are made."""
    how, _, value = digest.partition(":")
    return {how: value}
