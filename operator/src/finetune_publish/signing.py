"""Signatures in Sigstore's bundles, of models (`finetune publish`) and of releases (`finetune_release`).

An in-toto statement is signed in a DSSE envelope, another file as it is. By an identity (CI with `id-token: write`),
Fulcio certifies it and Rekor logs it; by a key of one's own it is in no log. cosign reads both
(https://docs.sigstore.dev/about/bundle/).
"""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any, Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import Error as SignatureLibraryError
from securesystemslib.signer import CryptoSigner, Signature, SSlibKey  # type: ignore[attr-defined]
from sigstore_models.bundle.v1 import Bundle

from finetune_client.errors import UsageError
from finetune_core.publishing.provenance import PAYLOAD_TYPE

_MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"


class BadSignatureError(Exception):
    """A bundle is none, or its signature is not of what it should be of, or not by whom; the message says which."""


class Signs(Protocol):
    """Who signs."""

    def file(self, content: bytes) -> str:
        """The bundle over a file's content."""

    def statement(self, content: bytes) -> str:
        """The bundle that holds an in-toto statement."""


class ByKey:
    """A private key of one's own: PEM, without a password. UsageError where it is none."""

    def __init__(self, key: Path) -> None:
        try:
            self._signer = CryptoSigner(load_pem_private_key(key.read_bytes(), password=None))
        except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise UsageError(f"{key} is no private key without a password: {error}", _NEW_KEY) from error

    def file(self, content: bytes) -> str:
        """See Signs."""
        signed = {
            "messageDigest": {"algorithm": "SHA2_256", "digest": _base64(hashlib.sha256(content).digest())},
            "signature": _base64(bytes.fromhex(self._signer.sign(content).signature)),
        }
        return self._bundle(messageSignature=signed)

    def statement(self, content: bytes) -> str:
        """See Signs."""
        envelope = Envelope(content, PAYLOAD_TYPE, {})
        envelope.sign(self._signer)
        signatures = [{"sig": given["sig"]} for given in envelope.to_dict()["signatures"]]
        dsse = {"payload": _base64(content), "payloadType": PAYLOAD_TYPE, "signatures": signatures}
        return self._bundle(dsseEnvelope=dsse)

    def _bundle(self, **content: Any) -> str:
        material = {"publicKey": {"hint": self._signer.public_key.keyid}, "tlogEntries": []}
        bundle = {"mediaType": _MEDIA_TYPE, "verificationMaterial": material, **content}
        return Bundle.from_json(json.dumps(bundle)).to_json()


_NEW_KEY = "openssl ecparam -genkey -name prime256v1 -noout -out key.pem makes one."


class ByIdentity:
    """An identity that CI gives, with Sigstore's public instance."""

    def __init__(self, token: str) -> None:
        from sigstore.models import ClientTrustConfig  # noqa: PLC0415 - seconds to import, and seldom needed
        from sigstore.oidc import IdentityToken  # noqa: PLC0415
        from sigstore.sign import SigningContext  # noqa: PLC0415

        self._context = SigningContext.from_trust_config(ClientTrustConfig.production())
        self._token = IdentityToken(token)

    def file(self, content: bytes) -> str:
        """See Signs."""
        with self._context.signer(self._token) as signer:
            return signer.sign_artifact(content).to_json()

    def statement(self, content: bytes) -> str:
        """See Signs."""
        from sigstore.dsse import Statement  # noqa: PLC0415

        with self._context.signer(self._token) as signer:
            return signer.sign_dsse(Statement(content)).to_json()


def signer_of(key: Path | None) -> Signs | None:
    """Who signs: the key, else the identity that CI gives, else nobody. UsageError."""
    if key is not None:
        return ByKey(key)
    from sigstore.oidc import detect_credential  # noqa: PLC0415

    token = detect_credential()
    return ByIdentity(token) if token else None


def signed_statement(bundle: str) -> bytes:
    """The statement that a bundle holds, whoever signed it; BadSignatureError."""
    return _envelope(bundle)[0]


def check_by_key(bundle: str, key: Path) -> None:
    """BadSignatureError unless the statement in a bundle was signed by the key of this public one; UsageError."""
    try:
        public = SSlibKey.from_crypto(load_pem_public_key(key.read_bytes()))
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise UsageError(f"{key} is no public key: {error}", "Give the public one, as PEM.") from error
    statement, signatures = _envelope(bundle)
    for signature in signatures:
        given = {public.keyid: Signature(public.keyid, signature.hex())}
        try:
            Envelope(statement, PAYLOAD_TYPE, given).verify([public], 1)
        except SignatureLibraryError:
            continue
        return
    raise BadSignatureError(f"it was not signed by the key of {key}")


def check_by_identity(bundle: str, identity: str, issuer: str) -> None:
    """BadSignatureError unless this identity signed the statement in a bundle, as Sigstore's public instance has it."""
    from sigstore.errors import Error  # noqa: PLC0415
    from sigstore.models import Bundle as Signed  # noqa: PLC0415
    from sigstore.verify import Verifier, policy  # noqa: PLC0415

    try:
        signed = Signed.from_json(bundle)
        Verifier.production().verify_dsse(signed, policy.Identity(identity=identity, issuer=issuer))
    except (Error, ValueError) as error:
        raise BadSignatureError(f"it was not signed by {identity}: {error}") from error


def _envelope(bundle: str) -> tuple[bytes, list[bytes]]:
    """Statement and signatures of a bundle."""
    try:
        envelope = Bundle.from_json(bundle).to_dict()["dsseEnvelope"]
        payload = base64.b64decode(envelope["payload"], validate=True)
        signatures = [base64.b64decode(one["sig"], validate=True) for one in envelope["signatures"]]
    except (ValueError, LookupError) as error:
        raise BadSignatureError("it is no bundle with an in-toto statement") from error
    if envelope["payloadType"] != PAYLOAD_TYPE:
        raise BadSignatureError(f"what it signs is no in-toto statement but {envelope['payloadType'][:100]!r}")
    return payload, signatures


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
