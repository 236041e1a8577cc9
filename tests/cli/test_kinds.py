"""Names on the command line, completion, refusals."""

import pytest
import typer

from finetune_cli.commands.common import any_names
from finetune_client.errors import UsageError
from finetune_client.exits import Exit
from finetune_client.finding import split_name
from finetune_client.kube.failures import explain
from finetune_kube import kinds
from finetune_kube.errors import error_of
from support.world import World, spec_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("first", (kinds.KINDS, "first")),
        ("fte/first", ((kinds.EXPERIMENT,), "first")),
        ("HPSearch/first", ((kinds.SEARCH,), "first")),
        ("hpsearches/first", ((kinds.SEARCH,), "first")),
    ],
)
def test_a_name_may_say_its_kind(text: str, expected: tuple[tuple[kinds.Kind, ...], str]) -> None:
    assert split_name(text) == expected


def test_another_kind_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="pod is no kind"):
        split_name("pod/first")


@pytest.mark.parametrize(
    ("status", "data", "code", "words"),
    [
        (404, b"404 page not found\n", Exit.NOT_FOUND, "its CRDs are not installed"),
        (404, b'{"message": "not found"}', Exit.NOT_FOUND, "finetune status"),
        (401, b'{"message": "Unauthorized"}', Exit.REFUSED, "Log in"),
        (403, b'{"message": "forbidden"}', Exit.REFUSED, "patch on finetuneexperiments"),
        (403, b'{"message": "exceeded quota"}', Exit.REFUSED, "exceeded quota"),
        (409, b'{"message": "conflict"}', Exit.REFUSED, "submit --force"),
        (422, b'{"message": "spec.runs: too small"}', Exit.REFUSED, "spec.runs"),
        (503, b"down", Exit.UNREACHABLE, "Try again"),
    ],
)
def test_a_refusal_says_what_to_do(status: int, data: bytes, code: Exit, words: str) -> None:
    path = "/apis/finetune.dev/v1alpha1/namespaces/team/finetuneexperiments/first"

    error = explain(error_of(status, "PATCH", path, data))

    assert error.code == code
    assert words in str(error)


def context(**parameters: str | None) -> typer.Context:
    made = typer.Context(typer.main.get_command(typer.Typer(callback=lambda: None)))
    made.params = parameters
    return made


@pytest.mark.apiserver
@pytest.mark.s3
def test_the_shell_completes_names_from_the_cluster(world: World) -> None:
    for name in ("first", "fifth", "second"):
        world.apply(name, spec_of(world.server, {"rte": 1}))

    assert any_names(context(namespace=world.namespace), "fi") == ["fifth", "first"]


def test_without_a_cluster_the_shell_completes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "/nonexistent")

    assert any_names(context(), "") == []
