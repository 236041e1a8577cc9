"""A plugin of proxy.py: names that nobody else knows. Loaded by the proxy's own process."""

import json
import os

from proxy.http.proxy import HttpProxyBasePlugin

_ADDRESSES: dict[str, str] = json.loads(os.environ["PROXY_NAMES"])


class NamesPlugin(HttpProxyBasePlugin):
    """Resolves the hosts of $PROXY_NAMES, JSON of name to address."""

    def resolve_dns(self, host: str, port: int) -> tuple[str | None, tuple[str, int] | None]:
        """The address, and no address of its own to ask from."""
        return _ADDRESSES.get(host), None
