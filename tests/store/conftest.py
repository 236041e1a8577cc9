"""Both kinds of store."""

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from finetune_store import S3Connection, Store, open_store
from support.seaweed import SeaweedS3

BUCKET = "contract"


@pytest.fixture(scope="session")
def seaweed(s3: SeaweedS3) -> SeaweedS3:
    s3.create_bucket(BUCKET)
    return s3


@pytest.fixture
def s3_store(seaweed: SeaweedS3) -> Store:
    """An empty prefix in the real server's bucket."""
    return open_store(f"s3://{BUCKET}/{uuid4().hex}", connection=S3Connection.from_env(seaweed.environment))


@pytest.fixture(params=[pytest.param("s3", marks=pytest.mark.s3), "directory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """An empty store of either kind."""
    if request.param == "s3":
        made: Store = request.getfixturevalue("s3_store")
        return made
    return open_store((tmp_path / "store").as_uri())


@pytest.fixture
def anyone() -> Callable[..., Store]:
    """Opens a store on an endpoint with made-up keys; no retries unless asked for."""

    def open_there(endpoint: str, *, retry_seconds: float = 0, timeout_seconds: float = 10) -> Store:
        connection = S3Connection(endpoint=endpoint, region="us-east-1", access_key="key", secret_key="made-up-secret")
        return open_store(
            "s3://bucket/prefix",
            connection=connection,
            retry_seconds=retry_seconds,
            timeout_seconds=timeout_seconds,
        )

    return open_there
