"""Where notifications may be sent: the hosts that the administrator names. Pure.

Whoever writes a spec chooses an address. The operator, which sends to it, stands where authors may not stand: beside
the API server, the metadata of its node and every Service of the cluster.

    receiver.example.org             that host, by https on port 443, also in the organisation's own network
    http://chat.team.svc:8065        that one, without TLS and on another port
    *.example.org, *                 hosts below it, or any: by https on port 443, at public addresses alone
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

from finetune_core.api.notifications import URL_PATTERN
from finetune_core.names import quoted
from finetune_core.problems import InvalidInputError, Problem

_URL = re.compile(URL_PATTERN)
_ALLOWED = re.compile(
    r"(?:(?P<scheme>https?)://)?(?P<host>\*|(?:\*\.)?[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?)(?::(?P<port>[0-9]{1,5}))?"
)
_PORTS = {"https": 443, "http": 80}
_MAX_URL = 2048
_INSIDE_IPV6 = (ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"))
"""Of IPv6 addresses that gateways turn into IPv4 ones (RFC 6052, RFC 8215)."""

_OF_NODES = frozenset(map(ip_address, ("168.63.129.16", "100.100.100.200", "fd00:ec2::254")))
"""What nodes are told by at addresses that are not link-local: of Azure, Alibaba Cloud, AWS."""


@dataclass(frozen=True)
class Target:
    """Where a request goes: scheme, lower-case host, port, and path with query."""

    scheme: str
    host: str
    port: int
    path: str


@dataclass(frozen=True)
class AllowedHost:
    """An entry of the administrator's list; `host` may be `*` or begin with `*.`."""

    scheme: str
    host: str
    port: int

    @property
    def is_named(self) -> bool:
        """Whether it is one host, for which the administrator vouches, and not a pattern."""
        return "*" not in self.host

    def covers(self, target: Target) -> bool:
        """Whether requests may go there."""
        if (self.scheme, self.port) != (target.scheme, target.port):
            return False
        if self.host == "*":
            return True
        return target.host.endswith(self.host[1:]) if self.host.startswith("*.") else target.host == self.host

    def permits(self, address: str) -> bool:
        """Whether such a request may connect to an address that its host's name stands for."""
        if self.is_named and address == self.host:
            return True
        found = _unwrapped(ip_address(address.partition("%")[0]))
        return not _is_of_the_machine(found) and (self.is_named or found.is_global)


def target_of(url: str) -> Target | None:
    """Where a URL leads; None where it is none that a notification may have."""
    if len(url) > _MAX_URL or not _URL.fullmatch(url):
        return None
    parts = urlsplit(url)
    try:
        port = parts.port or _PORTS[parts.scheme]
    except ValueError:
        return None
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, (parts.hostname or "").lower(), port, path)


def rule_for(target: Target, allowed: tuple[AllowedHost, ...]) -> AllowedHost | None:
    """The entry that lets a request go there, one that names its host before a pattern; None where none does."""
    covering = [one for one in allowed if one.covers(target)]
    return next((one for one in covering if one.is_named), covering[0] if covering else None)


def allowed_hosts(texts: tuple[str, ...], field: str) -> tuple[AllowedHost, ...]:
    """The administrator's list; InvalidInputError names, under `field`, each entry that is none."""
    found, problems = [], []
    for text in texts:
        try:
            found.append(_allowed(text))
        except ValueError as error:
            problems.append(Problem(field, str(error)))
    if problems:
        raise InvalidInputError(tuple(problems))
    return tuple(found)


def _allowed(text: str) -> AllowedHost:
    match = _ALLOWED.fullmatch(text)
    if match is None or not 0 < int(match["port"] or 443) < 65536:
        raise ValueError(
            f"{quoted(text)} is no host: write chat.example.org, http://chat.team.svc:8065, *.example.org or *"
        )
    scheme = match["scheme"] or "https"
    made = AllowedHost(scheme, match["host"], int(match["port"] or _PORTS[scheme]))
    if not made.is_named and (made.scheme, made.port) != ("https", 443):
        raise ValueError(f"{quoted(text)}: a pattern is for https on port 443; name the host")
    return made


def _unwrapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that an IPv6 one leads to, where it does."""
    if isinstance(address, IPv4Address):
        return address
    inside = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
    if inside is None and any(address in network for network in _INSIDE_IPV6):
        inside = IPv4Address(int(address) & 0xFFFFFFFF)
    return inside or address


def _is_of_the_machine(address: IPv4Address | IPv6Address) -> bool:
    """Loopback, metadata of the node and the like: nothing that a name in an organisation's DNS stands for."""
    return (
        address.is_loopback
        or address.is_link_local
        or address.is_unspecified
        or address.is_multicast
        or address.is_reserved
        or address in _OF_NODES
    )
