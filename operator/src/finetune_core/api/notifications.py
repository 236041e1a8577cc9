"""`spec.notifications`: whom the operator tells when something ends, fails, stalls or gets better.

And `status.notifications`: what has been told to whom, and what is still to be told. What happened is written there by
the request that writes the status in which it happened, and is sent afterwards. So it is neither lost nor told as new
when the operator dies in between.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from finetune_core.api.common import ApiModel, Key, Name, ShortName, rules, worded

MAX_NOTIFICATIONS = 8


class NotificationEvent(StrEnum):
    """What can be told."""

    FINISHED = "Finished"
    FAILED = "Failed"
    RUN_FAILED = "RunFailed"
    STALLED = "Stalled"
    BLOCKED = "Blocked"
    NEW_BEST = "NewBest"
    PUBLISHED = "Published"


class NotificationFormat(StrEnum):
    """What a receiver reads."""

    JSON = "JSON"
    SLACK = "Slack"


DEFAULT_EVENTS = (NotificationEvent.FINISHED, NotificationEvent.FAILED, NotificationEvent.STALLED)

_PATH = "[-A-Za-z0-9._~!$&()*+,;=:@%/]*"
# No user before the host, no backslash, no space: every reader of such a URL finds the same host in it.
URL_PATTERN = f"^https?://[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?(:[0-9]{{1,5}})?(/{_PATH})?([?]{_PATH})?$"
URL_FORM = "no address of a receiver: write https://HOST/PATH, without a user, and encode what is no plain character"

_Url = Annotated[
    str,
    *worded("url", URL_PATTERN, URL_FORM),
    Field(max_length=2048),
]


class SecretKeyRef(ApiModel):
    """A key of a Secret in the namespace of the resource."""

    name: Annotated[Name, Field(description="The Secret.")]
    key: Annotated[Key, Field(description="The key in it.")]


class Notification(ApiModel):
    """A receiver, and what the operator sends it. It changes no result and no run id; one that fails stops no run."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            ("has(self.url) != has(self.urlSecretRef)", "set exactly one of url and urlSecretRef"),
            (
                "!has(self.signingSecretRef) || !has(self.format) || self.format == 'JSON'",
                "signingSecretRef is for format JSON: Slack knows a sender by the address alone",
            ),
        )
    )

    name: Annotated[ShortName, Field(description="The receiver's name, in status and messages.")]
    url: Annotated[
        _Url | None,
        Field(description="Where to send to, for an address that is no secret. Slack's addresses are secrets."),
    ] = None
    url_secret_ref: SecretKeyRef | None = Field(
        default=None, description="Where to send to: a key of a Secret that holds the address."
    )
    format: Annotated[
        NotificationFormat,
        Field(
            description="JSON: a documented object, which can be signed. Slack: a text, as Slack, Mattermost and "
            "Rocket.Chat take it."
        ),
    ] = NotificationFormat.JSON
    signing_secret_ref: SecretKeyRef | None = Field(
        default=None,
        description="A key of a Secret; what is sent is signed with its value (HMAC-SHA256, in the header "
        "X-Finetune-Signature-256).",
    )
    on: Annotated[
        tuple[NotificationEvent, ...],
        Field(
            min_length=1,
            max_length=len(NotificationEvent),
            description="Finished: nothing more will happen, whether it went well or not. Failed: it has ended without "
            "success; with Finished beside it, it is sent once. RunFailed: a run, or a cluster of a search, failed for "
            "good. Stalled: a run gives no sign of life. Blocked: it cannot go on until somebody mends something. "
            "NewBest: a task has a better best run or trial, or its first one. Published: models lie where "
            "spec.publish says, or could not be published.",
            json_schema_extra={"x-kubernetes-list-type": "set"},
        ),
    ] = DEFAULT_EVENTS


NotificationsChoice = Annotated[
    tuple[Notification, ...] | None,
    Field(
        max_length=MAX_NOTIFICATIONS,
        description="Whom to tell of the end, failures, stalls and new bests. Default: nobody.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    ),
]


class PendingNotification(ApiModel):
    """Something that a receiver has not taken yet."""

    id: Annotated[str, Field(description="Stays the same in each attempt: X-Finetune-Delivery.")]
    event: Annotated[NotificationEvent, Field(description="What happened.")]
    time: Annotated[str, Field(description="When it was seen.")]
    reason: Annotated[str, Field(description="One word for programs.")]
    message: Annotated[str, Field(description="What happened, for people.")]
    tasks: Annotated[tuple[str, ...], Field(description="The tasks that it is about; of an end all.")] = ()
    attempts: Annotated[int, Field(description="How often it was sent in vain.")] = 0
    next_attempt: Annotated[str | None, Field(description="Not before this time; unset: at once.")] = None


class NotificationStatus(ApiModel):
    """A receiver that something was told, or is to be told."""

    name: Annotated[str, Field(description="Name of the receiver, as in spec.notifications.")]
    delivered: Annotated[int, Field(description="How many it has taken.")] = 0
    last_delivered: Annotated[str | None, Field(description="When it took the last one.")] = None
    given_up: Annotated[int, Field(description="How many were given up.")] = 0
    problem: Annotated[str | None, Field(description="Why it did not take the last one; unset when it did.")] = None
    pending: Annotated[tuple[PendingNotification, ...], Field(description="What it has not taken yet.")] = ()


NotificationsStatus = Annotated[
    tuple[NotificationStatus, ...] | None,
    Field(
        description="What was told to whom, and what is still to be told.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    ),
]
