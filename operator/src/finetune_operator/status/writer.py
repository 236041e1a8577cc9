"""Writing a status: one patch, then the events that tell of it, then what the courier is to tell."""

import time
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Generic

from finetune_core.api.notifications import Notification
from finetune_core.deciding.conditions import StatusT
from finetune_core.deciding.finish import with_finished
from finetune_core.json_types import Json
from finetune_core.notifying.bodies import About, document
from finetune_core.notifying.outbox import pending, seconds_until, with_outbox
from finetune_core.notifying.wanted import wanted
from finetune_kube.kinds import EXPERIMENT
from finetune_operator import manifests
from finetune_operator.cluster import Cluster
from finetune_operator.notifying.courier import Post
from finetune_operator.notifying.sending import Letter
from finetune_operator.status.notices import notices
from finetune_operator.status.patch import merge_patch
from finetune_operator.subject import Subject

_UNDER_WAY_SECONDS = 60.0
_FULL_SECONDS = 10.0

Patch = Callable[[manifests.Owner, Json, str], None]
"""Merge-patches the status of an object as of a resourceVersion."""


class StatusWriter(Generic[StatusT]):
    """Writes the statuses of one kind."""

    def __init__(self, cluster: Cluster, patch: Patch, post: Post, utc_now: Callable[[], datetime]) -> None:
        self._cluster = cluster
        self._patch = patch
        self._post = post
        self._utc_now = utc_now

    def write(self, subject: Subject[StatusT, Any], status: StatusT, raw_spec: Json, now: str) -> float | None:
        """Write it where it says anything new; seconds until what is still to be told wants another look."""
        about, generation = _about(subject.owner), subject.generation
        attempts, receivers = self._post.attempts(about), wanted(raw_spec)
        status = with_finished(status, subject.status, generation=generation, now=now)
        status = with_outbox(status, subject.status, receivers, attempts, uid=about.uid, generation=generation, now=now)
        patch = merge_patch(subject.raw_status, status.to_patch())
        if patch:
            self._patch(subject.owner, patch, subject.version)
        # Before anything else that may fail: an attempt that is counted twice is one too few.
        self._post.written(about, attempts)
        if patch:
            self._tell(subject, status, now)
        return self._hand_over(about, status, receivers)

    def _tell(self, subject: Subject[StatusT, Any], status: StatusT, now: str) -> None:
        owner = subject.owner
        for place, notice in enumerate(notices(subject.status, status)):
            event = manifests.event(
                owner,
                type_=notice.type,
                reason=notice.reason,
                message=notice.message,
                now=now,
                suffix=f"{time.time_ns():x}{place}",
            )
            self._cluster.create_event(owner.namespace, event)

    def _hand_over(self, about: About, status: StatusT, receivers: Iterable[Notification]) -> float | None:
        """Nothing is sent that is not in the status that was just written."""
        waiting = pending(status)
        if not waiting:
            return None
        by_name, now = {one.name: one for one in receivers}, self._utc_now()
        due = [(name, one) for name, one in waiting if not seconds_until(one, now)]
        letters = [Letter(one.id, about, by_name[name], document(one, about, status)) for name, one in due]
        all_taken = self._post.take(letters)
        soonest = min((seconds_until(one, now) for _, one in waiting if seconds_until(one, now)), default=None)
        # The courier asks for a look when it has tried; it may have ceased to lead in between.
        others = (_UNDER_WAY_SECONDS if all_taken else _FULL_SECONDS) if due else None
        return min(seconds for seconds in (soonest, others) if seconds is not None)


def _about(owner: manifests.Owner) -> About:
    return About(EXPERIMENT.api_version, owner.kind, owner.namespace, owner.name, owner.uid)
