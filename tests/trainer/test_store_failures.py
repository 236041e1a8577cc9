"""What a run's exit code says where the store was in the way: nobody's try is used up where its keeper can mend it."""

from types import SimpleNamespace

import pytest

from finetune_core.results.run import ExitCode, FailureReason
from finetune_store import (
    AccessDeniedError,
    InvalidCredentialsError,
    NoSuchBucketError,
    NotFoundError,
    StoreFullError,
    TlsError,
    UnreachableError,
)
from finetune_trainer.run.session import classify


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UnreachableError("no answer"), ExitCode.STORE),
        (AccessDeniedError("denied"), ExitCode.STORE),
        (InvalidCredentialsError("the key has expired"), ExitCode.STORE),
        (NoSuchBucketError("there is none"), ExitCode.STORE),
        (StoreFullError("raise the quota"), ExitCode.STORE),
        (TlsError("not trusted"), ExitCode.STORE),
        (NotFoundError("no such object"), ExitCode.RETRY),
    ],
)
def test_a_store_that_can_be_mended_uses_up_no_try(tmp_path, error, code):
    known = classify(SimpleNamespace(work=tmp_path), None, error)

    assert (known.exit_code, known.reason) == (code, FailureReason.STORE)
    assert str(error) in str(known)
