"""Amounts of resources as Kubernetes writes them."""

from decimal import Decimal

from kubernetes.utils.quantity import parse_quantity


def quantity(amount: int | str) -> Decimal:
    """`500m` -> 0.5, `4Gi` -> 4294967296; ValueError for what is no quantity (a parsed spec holds none)."""
    parsed: Decimal = parse_quantity(amount)  # type: ignore[no-untyped-call]
    return parsed
