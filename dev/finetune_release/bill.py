"""The bill of materials of an image, in CycloneDX's format: `python -m finetune_release.bill NAME VERSION ROOT FILE`.

Read from the image's files: Debian's packages of dpkg's list, Python's of their metadata. Runs with `tools.python`.
"""

import sys
from collections.abc import Iterator
from email import message_from_string
from importlib.metadata import Distribution, distributions
from pathlib import Path

from cyclonedx.factory.license import LicenseFactory
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

_LICENSES = LicenseFactory()


def bill(name: str, version: str, root: Path) -> str:
    """The bill of the image whose files are below `root`, as JSON; ValueError where the format's schema refuses it."""
    subject = Component(name=name, version=version, type=ComponentType.CONTAINER, bom_ref=name)
    found = sorted([*_debian(root), *_python(root)])
    materials = Bom(components=found)
    materials.metadata.component = subject
    materials.register_dependency(subject, found)
    text = JsonV1Dot6(materials).output_as_string(indent=1)
    if problem := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        raise ValueError(f"the bill of {name} is no CycloneDX: {problem}")
    return text


def _debian(root: Path) -> Iterator[Component]:
    status = root / "var/lib/dpkg/status"
    release = dict(line.split("=", 1) for line in (root / "etc/os-release").read_text().splitlines() if "=" in line)
    distribution = f"{release['ID']}-{release['VERSION_ID']}".replace('"', "")
    for stanza in status.read_text(encoding="utf-8").strip().split("\n\n"):
        package = message_from_string(stanza)
        if package["Status"] == "install ok installed":
            yield _component(
                package["Package"],
                package["Version"],
                PackageURL(
                    "deb",
                    "debian",
                    package["Package"],
                    package["Version"],
                    {"arch": package["Architecture"], "distro": distribution},
                ),
            )


def _python(root: Path) -> Iterator[Component]:
    folders = [str(path) for path in root.glob("opt/venv/lib/python3*/site-packages")]
    for found in distributions(path=folders):
        name = found.metadata["Name"]
        component = _component(name, found.version, PackageURL("pypi", None, name.lower(), found.version))
        if license_text := _license(found):
            component.licenses.add(_LICENSES.make_from_string(license_text))
        yield component


def _license(found: Distribution) -> str | None:
    """What a package says of its licence in a line; its whole text is no name of one."""
    said = found.metadata.get("License-Expression") or found.metadata.get("License")
    return said if said and "\n" not in said else None


def _component(name: str, version: str, purl: PackageURL) -> Component:
    return Component(name=name, version=version, type=ComponentType.LIBRARY, purl=purl, bom_ref=purl.to_string())


if __name__ == "__main__":
    Path(sys.argv[4]).write_text(bill(sys.argv[1], sys.argv[2], Path(sys.argv[3])), encoding="utf-8")
