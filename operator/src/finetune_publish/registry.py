"""A tag in a registry of images: an image with the model in /models, and beside it, as TAG-modelkit, a ModelKit."""

import json
import re
import tempfile
from pathlib import Path

from finetune_client.errors import RefusedError, UsageError
from finetune_core.json_types import Json
from finetune_core.publishing.facts import Facts
from finetune_publish import images
from finetune_publish.base_images import Base, Platform, bases, nothing
from finetune_publish.places import Options, Pushed
from finetune_publish.registry_client import INDEX, MANIFEST, Repository, document

# https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_HOST = r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?"
_REFERENCE = re.compile(
    rf"(?P<name>{_HOST}/{_PART}(?:/{_PART})*)(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{{0,117}}))?"
    r"(?:@(?P<digest>sha256:[0-9a-f]{64}))?",
    re.ASCII,
)
_KIT_SUFFIX = "-modelkit"
_LATEST = "latest"
_NATIVE = (
    "oci+native:// takes KServe 0.20 and volumes of images (Kubernetes 1.33); with --base-image it is a modelcar, for "
    "KServe of before"
)


class RegistryPlace:
    """See `places.Place`."""

    def __init__(self, name: str, tag: str, digest: str | None, options: Options) -> None:
        self._name = name
        self._tag = tag
        self._digest = digest
        self._options = options
        self._repository = Repository(name, plain_http=options.plain_http)

    @property
    def load_from(self) -> str:
        """See Place."""
        return f"/{images.FOLDER}"

    def require_writable(self) -> None:
        """See Place."""
        if self._digest:
            raise UsageError(f"oci://{self._name}@{self._digest} is a digest", "Publish to a tag.")
        there = None if self._options.replace else self._repository.find(self._tag)
        if there is not None and f"oci://{self._name}@{there.digest}" not in self._options.own:
            raise RefusedError(
                f"oci://{self._name}:{self._tag} is there already",
                "Choose another tag; or --replace: then the tag is of the new model, the old one has its digest alone.",
            )

    def push(self, folder: Path, facts: Facts) -> Pushed:
        """See Place. Tags are written last, so that they mean the old model or the new one."""
        with tempfile.TemporaryDirectory(prefix="finetune-layer-") as scratch:
            archive = Path(scratch, "layer.tar")
            images.write_layer(folder, archive)
            layer = self._repository.put_blob(archive, images.LAYER)
        kit = images.kit_manifest(self._blob(images.kit_config(layer, facts), images.KIT_CONFIG), layer, facts)
        entries = [(platform, self._image(base, platform, layer, facts)) for platform, base in self._bases().items()]
        index = document(images.image_index(entries, facts), INDEX)
        self._repository.put(index, self._tag)
        self._repository.put(document(kit, MANIFEST), f"{self._tag}{_KIT_SUFFIX}")
        scheme, note = ("oci", "") if self._options.base_image else ("oci+native", _NATIVE)
        there = f"{self._name}@{index.digest}"
        return Pushed(f"oci://{there}", f"{scheme}://{there}", note)

    def fetch(self, scratch: Path) -> Path:
        """See Place. Of an image on another one, the model is the last layer."""
        found = self._repository.get(self._digest or self._tag).said
        try:
            if "manifests" in found:
                found = self._repository.get(found["manifests"][0]["digest"]).said
            layer = found["layers"][-1]["digest"]
        except (LookupError, TypeError) as error:
            raise RefusedError(f"oci://{self._name} is no image", "It was not published from here.") from error
        with tempfile.TemporaryDirectory(prefix="finetune-layer-") as begun:
            archive = Path(begun, "layer.tar")
            self._repository.get_blob(layer, archive)
            images.read_layer(archive, scratch)
        return scratch

    def _bases(self) -> dict[Platform, Base]:
        """What the image is built on, by platform."""
        if self._options.base_image is None:
            return nothing()
        name, tag, digest = _parsed(self._options.base_image)
        return bases(Repository(name, plain_http=self._options.plain_http), digest or tag)

    def _image(self, base: Base, platform: Platform, layer: Json, facts: Facts) -> Json:
        base.copy_to(self._repository)
        config = self._blob(images.image_config(base.config, layer, platform, facts), images.CONFIG)
        return self._repository.put(document(images.image_manifest(config, [*base.layers, layer], facts), MANIFEST))

    def _blob(self, value: Json, media_type: str) -> Json:
        with tempfile.TemporaryDirectory(prefix="finetune-config-") as scratch:
            path = Path(scratch, "config.json")
            path.write_text(json.dumps(value, sort_keys=True), encoding="utf-8")
            return self._repository.put_blob(path, media_type)


def _parsed(reference: str) -> tuple[str, str, str | None]:
    """Repository, tag and digest; UsageError."""
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        raise UsageError(
            f"{reference} is no image in a registry", "Write REGISTRY/NAME[:TAG], the name in lower-case letters."
        )
    # Docker's own registry answers at another address than it is called.
    name = re.sub(r"^docker\.io/", "registry-1.docker.io/", match["name"])
    return name, match["tag"] or _LATEST, match["digest"]


def open_place(uri: str, options: Options) -> RegistryPlace:
    """A tag or a digest by its URI; UsageError."""
    return RegistryPlace(*_parsed(uri.removeprefix("oci://")), options)
