"""The chart of a release: it names the images that it was released with by digest."""

import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from finetune_dev.kubectl import program
from finetune_dev.paths import REPOSITORY
from finetune_dev.shell import run, step
from finetune_release.facts import Facts, Registry
from finetune_release.images import CHART_BLOCKS, Archive
from finetune_release.texts import pinned_values

_CHART = REPOSITORY / "helm/finetune-operator"


def package(facts: Facts, images: Iterable[Archive], folder: Path) -> Path:
    """Pack the chart into `folder`. Without a registry its images are named as in the tree, with their digests."""
    repositories = {image.name: facts.registry.image(image.name) if facts.registry else image.name for image in images}
    pins = {CHART_BLOCKS[image.name]: (repositories[image.name], image.digest) for image in images}
    with tempfile.TemporaryDirectory() as temporary:
        chart = Path(temporary) / _CHART.name
        shutil.copytree(_CHART, chart)
        values = chart / "values.yaml"
        values.write_text(pinned_values(values.read_text(encoding="utf-8"), pins), encoding="utf-8")
        helm = program("helm")
        run(helm, "lint", "--strict", chart)
        run(helm, "package", chart, "--version", facts.version, "--app-version", facts.version, "--destination", folder)
    return folder / f"{_CHART.name}-{facts.version}.tgz"


def push(chart: Path, registry: Registry) -> None:
    """Push the packed chart as an OCI artifact."""
    plain = ("--plain-http",) if registry.plain else ()
    with step("pushing the chart"):
        run(program("helm"), "push", chart, registry.charts, *plain)
