"""Addresses of Services, which only their cluster can reach."""

import re
import socket
from urllib.parse import urlsplit

_SERVICE = re.compile(r"(?P<name>[a-z0-9-]+)\.(?P<namespace>[a-z0-9-]+)\.svc(\..+)?")


def service_of(endpoint: str) -> tuple[str, str] | None:
    """Name and namespace of the Service that an http endpoint names; None where this machine knows the host."""
    parts = urlsplit(endpoint)
    found = _SERVICE.fullmatch(parts.hostname or "")
    if found is None or parts.scheme != "http" or _known(found[0]):
        return None
    return found["name"], found["namespace"]


def service_namespace(endpoint: str) -> str | None:
    """The namespace of the Service that a port would be forwarded to; None if none would be."""
    service = service_of(endpoint)
    return None if service is None else service[1]


def _known(host: str) -> bool:
    try:
        socket.getaddrinfo(host, None)
    except socket.gaierror:
        return False
    return True
