"""Texts of a release, from what is known; pure."""

import re
from collections.abc import Mapping
from typing import Any

from finetune_dev.errors import DevError

PLUGIN = "finetune"


def notes(changelog: str, version: str, home: str = "") -> str:
    """The part of the changelog that is about a version, or what is unreleased where it has none yet.

    Links into the repository lead to its `home`, where there is one: the notes are read elsewhere.
    """
    parts = re.split(r"^## +(.+?)\s*$", changelog, flags=re.MULTILINE)
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    for heading in (version, "Unreleased"):
        if text := sections.get(heading, "").strip():
            linked = re.sub(r"\]\((?!\w+://)", f"]({home}/blob/v{version}/", text) if home else text
            return f"# {version}\n\n{linked}\n"
    raise DevError(f"CHANGELOG.md says nothing of {version}: write a section `## {version}`")


def pinned_values(values: str, images: Mapping[str, tuple[str, str]]) -> str:
    """A chart's values.yaml that names images by digest; comments stay.

    `images`: the name of the values' block -> repository and digest. Raises `DevError` where there is no such block.
    """
    for block, (repository, digest) in images.items():
        pattern = rf'(^{block}:\n(?:  .*\n)*?  repository: ).*(\n(?:  .*\n)*?  digest: )""$'
        values, count = re.subn(pattern, rf'\g<1>{repository}\g<2>"{digest}"', values, flags=re.MULTILINE)
        if count != 1:
            raise DevError(f"values.yaml of the chart has no block `{block}` with repository and an empty digest")
    return values


def krew_manifest(version: str, uri: str, sha256: str, homepage: str) -> dict[str, Any]:
    """The plugin for krew (https://krew.sigs.k8s.io/docs/developer-guide/plugin-manifest/)."""
    platform = {
        "selector": {"matchExpressions": [{"key": "os", "operator": "In", "values": ["darwin", "linux"]}]},
        "uri": uri,
        "sha256": sha256,
        "bin": f"kubectl-{PLUGIN}",
        "files": [{"from": "*", "to": "."}],
    }
    return {
        "apiVersion": "krew.googlecontainertools.github.com/v1alpha2",
        "kind": "Plugin",
        "metadata": {"name": PLUGIN},
        "spec": {
            "version": f"v{version}",
            **({"homepage": homepage} if homepage else {}),
            "shortDescription": "Fine-tune models: submit, watch, compare",
            "description": "Checks, submits, watches and changes experiments and hyperparameter searches of the\n"
            "finetune operator, and fetches and compares their results.\n",
            "caveats": "Needs Python 3.11 or later. The first call makes an environment of its own below\n"
            "~/.cache/finetune, with packages from PyPI that are pinned by their hashes.\n",
            "platforms": [platform],
        },
    }


def provenance(subjects: Mapping[str, str], source: Mapping[str, Any], builder: Mapping[str, str]) -> dict[str, Any]:
    """An in-toto statement of SLSA's provenance (https://slsa.dev/spec/v1.1/provenance).

    `subjects`: name -> SHA-256; `source`: the commit as a ResourceDescriptor; `builder`: its `id` and, where the run
    has an address, `run`.
    """
    metadata = {"metadata": {"invocationId": builder["run"]}} if builder.get("run") else {}
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": name, "digest": {"sha256": digest}} for name, digest in subjects.items()],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": "urn:finetune.dev:make-release:v1",
                "externalParameters": {"command": "make release"},
                "resolvedDependencies": [dict(source)],
            },
            "runDetails": {"builder": {"id": builder["id"]}, **metadata},
        },
    }
