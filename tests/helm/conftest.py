"""What the tests of the chart share."""

from support.apiserver import api_client, api_server, namespace

__all__ = ["api_client", "api_server", "namespace"]
