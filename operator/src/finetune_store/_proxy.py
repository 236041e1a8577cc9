"""Which proxy a request goes through: HTTPS_PROXY, HTTP_PROXY and NO_PROXY, read as curl and requests read them."""

from requests.utils import get_auth_from_url, get_environ_proxies, select_proxy
from urllib3.util import make_headers, parse_url


def proxy_of(url: str) -> str | None:
    """The proxy that this process's environment names for a URL, with a scheme; None for a direct connection.

    NO_PROXY may hold hosts, domains, addresses and IPv4 networks (10.0.0.0/8).
    """
    proxy = select_proxy(url, get_environ_proxies(url))
    if not proxy:
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def is_proxied(url: str) -> bool:
    """Whether requests for a URL go through a proxy, which then looks the host's address up."""
    return proxy_of(url) is not None


def proxy_keys(proxy: str) -> dict[str, str]:
    """The headers with the user and the password that a proxy's URL holds; empty without a user."""
    user, password = get_auth_from_url(proxy)
    return make_headers(proxy_basic_auth=f"{user}:{password}") if user else {}


def way_to(endpoint: str) -> str:
    """The endpoint for messages, with the proxy on the way to it, without that one's user and password."""
    proxy = proxy_of(endpoint)
    if proxy is None:
        return endpoint
    address = parse_url(proxy)
    return f"{endpoint} (through the proxy {address._replace(auth=None).url})"
