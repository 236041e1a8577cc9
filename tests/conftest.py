"""What all tests share: servers, and that hypothesis judges by results, not by how fast a busy machine is."""

import logging
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

# Their assertions say what was compared, as those of the tests do.
pytest.register_assert_rewrite("support")

from support.servers import api_client, api_server, namespace, s3  # noqa: E402

__all__ = ["api_client", "api_server", "namespace", "s3"]

settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")


@pytest.fixture(autouse=True)
def log_levels() -> Iterator[None]:
    """Commands quieten libraries for the rest of their process; the tests after them want to hear them again."""
    loggers = [logging.getLogger(name) for name in ("finetune_store", "urllib3")]
    before = [logger.level for logger in loggers]
    yield
    for logger, level in zip(loggers, before, strict=True):
        logger.setLevel(level)
