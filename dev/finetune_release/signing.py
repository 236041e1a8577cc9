"""Signatures of a release: SHA256SUMS as a file, provenance.json as an in-toto statement, each beside it.

By a private key as PEM, or in CI that gives an identity (GitHub Actions with `id-token: write`) by that; cosign
verifies both (docs/releasing.md).
"""

from pathlib import Path

from finetune_publish.signing import signer_of


def sign(folder: Path, key: Path | None) -> str:
    """Sign what is in a folder, where there is anything to sign with; what was done, in words."""
    signs = signer_of(key)
    if signs is None:
        return "not signed: there is no RELEASE_SIGNING_KEY, and no CI that gives an identity"
    bundles = {
        "SHA256SUMS": signs.file((folder / "SHA256SUMS").read_bytes()),
        "provenance": signs.statement((folder / "provenance.json").read_bytes()),
    }
    for name, bundle in bundles.items():
        (folder / f"{name}.sigstore.json").write_text(bundle, encoding="utf-8")
    return f"signed by {key or 'the identity of CI'}"
