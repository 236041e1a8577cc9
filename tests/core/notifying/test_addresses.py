"""Where notifications may be sent: to hosts that the administrator names, never to what stands beside the operator."""

import pytest

from finetune_core.notifying.addresses import AllowedHost, allowed_hosts, rule_for, target_of
from finetune_core.problems import InvalidInputError


def hosts(*texts: str) -> tuple[AllowedHost, ...]:
    return allowed_hosts(texts, "notifications.allowedHosts")


def may(url: str, *texts: str) -> bool:
    target = target_of(url)
    return target is not None and rule_for(target, hosts(*texts)) is not None


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://hooks.slack.com/services/T/B/x", "hooks.slack.com"),
        ("https://HOOKS.slack.com", "hooks.slack.com"),
        ("https://hooks.slack.com:443/x?a=b&c=%20", "hooks.slack.com"),
        ("https://a.example.org/", "*.example.org"),
        ("https://anything.test/", "*"),
        ("http://chat.team.svc:8065/hooks/x", "http://chat.team.svc:8065"),
        ("https://chat.team.svc:8443/", "chat.team.svc:8443"),
    ],
)
def test_what_is_named_may_be_reached(url: str, allowed: str) -> None:
    assert may(url, allowed)


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://evil.test/", "hooks.slack.com"),
        ("https://evil.test/hooks.slack.com", "hooks.slack.com"),
        ("https://hooks.slack.com.evil.test/", "hooks.slack.com"),
        ("https://evilexample.org/", "*.example.org"),
        ("https://example.org/", "*.example.org"),
        ("http://hooks.slack.com/", "hooks.slack.com"),
        ("https://hooks.slack.com:6443/", "hooks.slack.com"),
        ("https://anything.test:6443/", "*"),
        ("http://anything.test/", "*"),
        ("https://hooks.slack.com@evil.test/", "hooks.slack.com"),
        ("https://evil.test\\@hooks.slack.com/", "hooks.slack.com"),
        ("https://evil.test#hooks.slack.com", "hooks.slack.com"),
        ("https://hooks.slack.com\r\nHost: x/", "hooks.slack.com"),
        ("https://hooks.slack.com\n", "hooks.slack.com"),
        ("https://[::1]/", "*"),
        ("https://hooks.slack.com:99999/", "*"),
        ("ftp://hooks.slack.com/", "*"),
        ("https:///x", "*"),
        ("", "*"),
    ],
)
def test_nothing_else_may(url: str, allowed: str) -> None:
    assert not may(url, allowed)


def test_nothing_may_where_nothing_is_named() -> None:
    assert not may("https://hooks.slack.com/")


INSIDE = ["10.96.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "fd00::1", "::ffff:10.0.0.1", "64:ff9b::a60:1"]
MACHINE = ["127.0.0.1", "::1", "169.254.169.254", "fe80::1%eth0", "0.0.0.0", "::", "224.0.0.1", "ff02::1"]
MACHINE += ["::ffff:169.254.169.254", "2002:7f00:1::", "64:ff9b::a9fe:a9fe", "168.63.129.16", "100.100.100.200"]
MACHINE += ["fd00:ec2::254", "::127.0.0.1"]


@pytest.mark.parametrize("address", INSIDE + MACHINE)
@pytest.mark.parametrize("pattern", ["*", "*.example.org"])
def test_a_pattern_lets_nobody_reach_what_is_not_public(address: str, pattern: str) -> None:
    (rule,) = hosts(pattern)
    assert not rule.permits(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808"])
def test_a_pattern_is_for_public_addresses(address: str) -> None:
    (rule,) = hosts("*")
    assert rule.permits(address)


def test_a_named_host_may_be_in_the_organisations_network_and_is_never_the_machine_itself() -> None:
    (rule,) = hosts("chat.example.org")
    assert [address for address in INSIDE if not rule.permits(address)] == []
    assert [address for address in MACHINE if rule.permits(address)] == []


def test_an_address_that_is_named_as_such_may_be_reached() -> None:
    (rule,) = hosts("http://127.0.0.1:8080")
    assert rule.permits("127.0.0.1")
    assert not rule.permits("127.0.0.2")


def test_a_host_that_is_named_counts_before_a_pattern() -> None:
    target = target_of("https://chat.example.org/")
    assert target is not None
    found = rule_for(target, hosts("*", "chat.example.org"))
    assert found is not None
    assert found.is_named


@pytest.mark.parametrize(
    "text", ["", "https://", "a b", "*example.org", "http://*", "*:8080", "host:0", "host:70000", "-x"]
)
def test_what_is_no_host_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        hosts("fine.test", text)
    (problem,) = caught.value.problems
    assert problem.field == "notifications.allowedHosts"
