"""Tearing and deleting objects in the store."""

import hashlib
from collections.abc import Callable

from chaos.faults import Fault, Kind
from chaos.look import Eyes
from chaos.observed import Tampered
from chaos.subjects import Subject

Damage = Callable[[Eyes, Subject, Tampered, Fault], str]

AIMS: dict[Kind, str] = {
    **dict.fromkeys((Kind.RESULT_TORN, Kind.RESULT_DELETED, Kind.TRIAL_TORN, Kind.TRIAL_DELETED), "/result.json"),
    **dict.fromkeys((Kind.CLAIM_TORN, Kind.CLAIM_DELETED), "/claims/"),
    Kind.CHECKPOINT_TORN: "/checkpoint/",
}
"""What is in the key of an object that a kind of fault damages."""


def tear(eyes: Eyes, key: str) -> str:
    """Half of it, as a store leaves it that lost the rest; the etag of that."""
    data = eyes.read(key)
    half = data[: len(data) // 2]
    eyes.write(key, half)
    return hashlib.md5(half, usedforsecurity=False).hexdigest()


def _remove(eyes: Eyes, key: str) -> str:
    eyes.remove(key)
    return ""


def _chosen(eyes: Eyes, subject: Subject, place: str, name: str, draw: float) -> str:
    """A key below one of the subject's folders; "" where there is none."""
    root = f"{eyes.namespace}/{subject.handle.name}/{place}/"
    keys = sorted(key for key in eyes.look().keys or () if key.startswith(root) and name in key.removeprefix(root))
    return keys[int(draw * len(keys))] if keys else ""


def _of_result(place: str, act: Callable[[Eyes, str], str]) -> Damage:
    def damage(eyes: Eyes, subject: Subject, tampered: Tampered, fault: Fault) -> str:
        key = _chosen(eyes, subject, place, "/result.json", fault.draw)
        if key:
            tampered.keys[key] = eyes.now()
            if left := act(eyes, key):
                tampered.torn.add(left)
            # A look that began meanwhile may have seen either.
            tampered.keys[key] = eyes.now()
        return key

    return damage


def _of_claim(act: Callable[[Eyes, str], str]) -> Damage:
    def damage(eyes: Eyes, subject: Subject, tampered: Tampered, fault: Fault) -> str:
        key = _chosen(eyes, subject, "trials", "/claims/", fault.draw)
        if key:
            tampered.trials.add(key.partition("/claims/")[0])
            act(eyes, key)
        return key

    return damage


DAMAGES: dict[Kind, Damage] = {
    Kind.RESULT_TORN: _of_result("runs", tear),
    Kind.RESULT_DELETED: _of_result("runs", _remove),
    Kind.TRIAL_TORN: _of_result("trials", tear),
    Kind.TRIAL_DELETED: _of_result("trials", _remove),
    Kind.CLAIM_TORN: _of_claim(tear),
    Kind.CLAIM_DELETED: _of_claim(_remove),
}
