"""Whether an API server answers."""

import ssl
import urllib.error
import urllib.request
from pathlib import Path

_TIMEOUT_SECONDS = 5


def answers(url: str, *, authority: Path, token: str) -> bool:
    """Whether a GET of `url` (on the API server that `authority` vouches for) is answered with 200."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    # The environment's proxies are for the outside; this server is on this machine.
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}),
        urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=str(authority))),
    )
    try:
        with opener.open(request, timeout=_TIMEOUT_SECONDS) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False
