"""Signatures in Sigstore's bundles: `python -m finetune_release.signing FOLDER [KEY]`.

SHA256SUMS is signed as a file, provenance.json as an in-toto statement in a DSSE envelope. In CI that gives an identity
(GitHub Actions with `id-token: write`), Fulcio certifies it and Rekor logs it; KEY, a private key as PEM, is for
elsewhere. cosign verifies both (docs/releasing.md). Runs with `tools.python`.
"""

import base64
import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from securesystemslib.dsse import Envelope
from securesystemslib.signer import CryptoSigner
from sigstore.dsse import Statement
from sigstore.models import ClientTrustConfig
from sigstore.oidc import IdentityToken, detect_credential
from sigstore.sign import SigningContext
from sigstore_models.bundle.v1 import Bundle

_MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
_PAYLOAD_TYPE = "application/vnd.in-toto+json"

Sign = Callable[[bytes, bytes], tuple[str, str]]
"""Sums and statement -> their bundles."""


def by_key(key: Path) -> Sign:
    """Sign by a private key of one's own."""
    signer = CryptoSigner(load_pem_private_key(key.read_bytes(), password=None))

    def sign(sums: bytes, statement: bytes) -> tuple[str, str]:
        envelope = Envelope(statement, _PAYLOAD_TYPE, {})
        envelope.sign(signer)
        signature = {
            "messageDigest": {"algorithm": "SHA2_256", "digest": _base64(hashlib.sha256(sums).digest())},
            "signature": _base64(bytes.fromhex(signer.sign(sums).signature)),
        }
        signatures = [{"sig": given["sig"]} for given in envelope.to_dict()["signatures"]]
        dsse = {"payload": _base64(statement), "payloadType": _PAYLOAD_TYPE, "signatures": signatures}
        keyid = signer.public_key.keyid
        return _bundle(keyid, messageSignature=signature), _bundle(keyid, dsseEnvelope=dsse)

    return sign


def by_identity(token: str) -> Sign:
    """Sign by an identity that CI gives, with Sigstore's public instance."""
    context = SigningContext.from_trust_config(ClientTrustConfig.production())

    def sign(sums: bytes, statement: bytes) -> tuple[str, str]:
        with context.signer(IdentityToken(token)) as signer:
            return signer.sign_artifact(sums).to_json(), signer.sign_dsse(Statement(statement)).to_json()

    return sign


def _bundle(keyid: str, **content: Any) -> str:
    material = {"publicKey": {"hint": keyid}, "tlogEntries": []}
    bundle = {"mediaType": _MEDIA_TYPE, "verificationMaterial": material, **content}
    return Bundle.from_json(json.dumps(bundle)).to_json()


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def main(folder: Path, key: Path | None) -> str:
    """Sign what is in a folder, where there is anything to sign with; what was done, in words."""
    token = None if key else detect_credential()
    if not key and not token:
        return "not signed: there is no RELEASE_SIGNING_KEY, and no CI that gives an identity"
    sign = by_key(key) if key else by_identity(token)
    sums, statement = folder / "SHA256SUMS", folder / "provenance.json"
    bundles = sign(sums.read_bytes(), statement.read_bytes())
    for name, bundle in zip(("SHA256SUMS", "provenance"), bundles, strict=True):
        (folder / f"{name}.sigstore.json").write_text(bundle, encoding="utf-8")
    return f"signed by {key or 'the identity of CI'}"


if __name__ == "__main__":
    print(main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None))
