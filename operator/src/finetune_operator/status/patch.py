"""Merge patches: the least that turns one JSON object into another (RFC 7386). Pure."""

from finetune_core.json_types import Json


def merge_patch(before: Json, after: Json) -> Json:
    """What to send so that `before` becomes `after`; empty if they are equal. Vanished keys become null."""
    patch: Json = {key: None for key in before if key not in after}
    for key, value in after.items():
        old = before.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            inner = merge_patch(old, value)
            if inner:
                patch[key] = inner
        elif old != value or key not in before:
            patch[key] = value
    return patch
