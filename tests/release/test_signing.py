"""Sums and provenance: they name what is there, and their signatures are in the format that cosign reads."""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from finetune_release.__main__ import attest
from finetune_release.facts import Facts
from finetune_release.images import Archive

IN_GITHUB = {
    "GITHUB_SERVER_URL": "https://example.com",
    "GITHUB_REPOSITORY": "a/b",
    "GITHUB_RUN_ID": "7",
    "GITHUB_WORKFLOW_REF": "a/b/.github/workflows/release.yml@refs/tags/v1.2.3",
}


@pytest.fixture
def release(tmp_path: Path) -> Path:
    folder = tmp_path / "release"
    folder.mkdir()
    (folder / "crds.yaml").write_text("crds")
    (folder / "wheel.whl").write_text("wheel")
    return folder


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def test_sums_and_provenance_name_every_file_and_the_images_by_digest(release: Path) -> None:
    image = Archive("finetune-operator", release / "x.oci.tar", f"sha256:{'a' * 64}")
    attest(Facts("1.2.3", "c0ffee", home="https://example.com/a/b"), [image], release, IN_GITHUB)

    sums = {name: hashlib.sha256((release / name).read_bytes()).hexdigest() for name in ("crds.yaml", "wheel.whl")}
    assert (release / "SHA256SUMS").read_text() == "".join(f"{digest}  {name}\n" for name, digest in sums.items())
    statement = read(release / "provenance.json")
    named = {subject["name"]: subject["digest"]["sha256"] for subject in statement["subject"]}
    assert named == {**sums, "finetune-operator": "a" * 64}
    (source,) = statement["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert source["digest"] == {"gitCommit": "c0ffee"}
    assert source["uri"] == "git+https://example.com/a/b@refs/tags/v1.2.3"
    details = statement["predicate"]["runDetails"]
    assert details["builder"]["id"] == f"https://example.com/{IN_GITHUB['GITHUB_WORKFLOW_REF']}"
    assert details["metadata"]["invocationId"] == "https://example.com/a/b/actions/runs/7"
    # No key, and no identity here.
    assert not list(release.glob("*.sigstore.json"))


def test_a_key_of_ones_own_signs_both_and_a_changed_byte_is_found(release: Path, tmp_path: Path) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    key = tmp_path / "release.pem"
    key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    attest(Facts("1.2.3", "c0ffee", signing_key=key), [], release, {})

    sums, statement = (release / "SHA256SUMS").read_bytes(), (release / "provenance.json").read_bytes()
    signed = read(release / "SHA256SUMS.sigstore.json")["messageSignature"]
    assert base64.b64decode(signed["messageDigest"]["digest"]) == hashlib.sha256(sums).digest()
    envelope = read(release / "provenance.sigstore.json")["dsseEnvelope"]
    assert base64.b64decode(envelope["payload"]) == statement
    # https://github.com/secure-systems-lab/dsse/blob/master/protocol.md
    kind = envelope["payloadType"]
    encoded = f"DSSEv1 {len(kind)} {kind} {len(statement)} ".encode() + statement
    for signature, content in ((signed["signature"], sums), (envelope["signatures"][0]["sig"], encoded)):
        private.public_key().verify(base64.b64decode(signature), content, ec.ECDSA(SHA256()))
        with pytest.raises(InvalidSignature):
            private.public_key().verify(base64.b64decode(signature), content + b" ", ec.ECDSA(SHA256()))
