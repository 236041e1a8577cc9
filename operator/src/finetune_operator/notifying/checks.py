"""What is found out about notifications before anything runs: whether they could be sent as things are."""

from collections.abc import Iterator

from finetune_core.api.notifications import Notification
from finetune_core.api.status import Reason
from finetune_core.json_types import Json
from finetune_core.notifying.addresses import AllowedHost
from finetune_core.problems import InvalidInputError
from finetune_operator.cluster import Cluster
from finetune_operator.notifying.destination import NoSuchValueError, ReadSecret, destination, signing_secret
from finetune_operator.problems import CannotRunError


def check_notifications(
    cluster: Cluster, namespace: str, wanted: tuple[Notification, ...], allowed: tuple[AllowedHost, ...]
) -> None:
    """CannotRunError names each Secret that is missing and each address that is not allowed; nothing is sent."""

    def read(name: str) -> Json | None:
        return cluster.get_secret(namespace, name)

    found = [error for one in wanted for error in _errors(one, read, allowed)]
    problems = tuple(problem for error in found for problem in error.problems)
    if problems:
        # The Secret may come, and the administrator may add the host.
        missing = any(isinstance(error, NoSuchValueError) for error in found)
        raise CannotRunError(problems, Reason.SECRET_NOT_FOUND if missing else Reason.REJECTED, retry=True)


def _errors(one: Notification, read: ReadSecret, allowed: tuple[AllowedHost, ...]) -> Iterator[InvalidInputError]:
    try:
        destination(one, read, allowed)
    except InvalidInputError as error:
        yield error
    try:
        signing_secret(one, read)
    except InvalidInputError as error:
        yield error
