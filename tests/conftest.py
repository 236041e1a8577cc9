"""What all tests share: hypothesis judges by results, not by how fast a busy machine is."""

import pytest
from hypothesis import HealthCheck, settings

# Their assertions say what was compared, as those of the tests do.
pytest.register_assert_rewrite("support")

settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")
