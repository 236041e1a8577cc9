"""A published model's folder against its provenance."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from finetune_core.publishing.findings import (
    Finding,
    Verdict,
    check_card,
    check_files,
    check_predictions,
    check_statement,
)
from finetune_core.publishing.provenance import CARD, PROVENANCE, SIGNATURE, Statement
from finetune_publish.signing import BadSignatureError, check_by_identity, check_by_key, signed_statement
from finetune_publish.sums import sums

_MOST_BYTES = 16 << 20
"""Of a provenance, its bundle, or a card."""
_SIGNATURE = "signature"


@dataclass(frozen=True)
class Signer:
    """Who should have signed: the holder of a public key's other half, or an identity that an issuer vouches for."""

    key: Path | None = None
    identity: str | None = None
    issuer: str | None = None

    @property
    def named(self) -> bool:
        """Whether there is one."""
        return self.key is not None or self.identity is not None


@dataclass(frozen=True)
class Checked:
    """What was found, and the provenance, where it can be read."""

    findings: tuple[Finding, ...]
    statement: Statement | None

    @property
    def signed(self) -> bool:
        """Whether it was signed by whom it should be."""
        return any(one.what == _SIGNATURE and one.verdict == Verdict.EQUAL for one in self.findings)


def check(folder: Path, signer: Signer) -> Checked:
    """All that can be compared without doing the run again. UsageError for a key that is none."""
    signature = _check_signature(folder, signer)
    try:
        statement = Statement.model_validate_json(_read(folder / PROVENANCE))
    except (ValidationError, ValueError, OSError) as error:
        unreadable = Finding("provenance", Verdict.DIFFERS, f"{PROVENANCE} cannot be read: {_first(error)}")
        return Checked((unreadable, signature), None)
    return Checked((*_compared(folder, statement), signature), statement)


def _compared(folder: Path, statement: Statement) -> Iterator[Finding]:
    found = sums(folder)
    yield from check_files(statement, found)
    yield check_statement(statement)
    yield from check_predictions(statement.facts, found)
    if CARD in found:
        yield check_card(statement.facts, _read(folder / CARD).decode(errors="replace"))


def _check_signature(folder: Path, signer: Signer) -> Finding:
    if not (folder / SIGNATURE).is_file():
        verdict = Verdict.DIFFERS if signer.named else Verdict.UNKNOWN
        return Finding(_SIGNATURE, verdict, "there is none: anybody can have written this provenance")
    try:
        bundle = _read(folder / SIGNATURE).decode()
        if signed_statement(bundle) != _read(folder / PROVENANCE):
            return Finding(_SIGNATURE, Verdict.DIFFERS, f"what was signed is not {PROVENANCE}")
        return _check_signer(bundle, signer)
    except (BadSignatureError, ValueError, OSError) as error:
        return Finding(_SIGNATURE, Verdict.DIFFERS, _first(error))


def _check_signer(bundle: str, signer: Signer) -> Finding:
    if signer.key is not None:
        check_by_key(bundle, signer.key)
        return Finding(_SIGNATURE, Verdict.EQUAL, f"by the key of {signer.key}")
    if signer.identity is not None:
        check_by_identity(bundle, signer.identity, signer.issuer or "")
        return Finding(_SIGNATURE, Verdict.EQUAL, f"by {signer.identity}")
    return Finding(_SIGNATURE, Verdict.UNKNOWN, "whose it is was not looked at: give --key, or --identity and --issuer")


def _read(path: Path) -> bytes:
    if path.stat().st_size > _MOST_BYTES:
        raise ValueError(f"{path.name} has more than {_MOST_BYTES >> 20} MB")
    return path.read_bytes()


def _first(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
