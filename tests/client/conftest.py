"""A real API server for the tests that talk to one."""

from support.apiserver import api_client, api_server, namespace

__all__ = ["api_client", "api_server", "namespace"]
