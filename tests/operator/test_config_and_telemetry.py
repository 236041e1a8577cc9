"""Settings from the environment, health and metrics, and what counts as news."""

import pytest
from prometheus_client import generate_latest

from finetune_core.problems import InvalidInputError
from finetune_operator.config import Config, Release
from finetune_operator.handlers import is_news
from finetune_operator.main import main
from finetune_operator.telemetry import Health, Telemetry
from finetune_operator.telemetry.metrics import MOST_OBJECTS

IMAGE = {"FINETUNE_TRAINER_IMAGE": "example.test/trainer:1"}


def test_defaults_watch_the_whole_cluster() -> None:
    config = Config.from_env(IMAGE)
    assert (config.namespaces, config.default_storage, config.workers) == ((), None, 16)


def test_everything_can_be_set() -> None:
    config = Config.from_env(
        {
            **IMAGE,
            "FINETUNE_NAMESPACES": "a, b,",
            "FINETUNE_DEFAULT_STORAGE": '{"bucket": "results", "secretRef": {"name": "keys"}}',
            "FINETUNE_LOG_FORMAT": "json",
            "FINETUNE_WORKERS": "3",
            "FINETUNE_RESYNC_SECONDS": "2.5",
            "FINETUNE_IMAGE_PULL_POLICY": "Never",
            "FINETUNE_OPERATOR_IMAGE": "example.test/operator:1",
            "FINETUNE_RELEASE": "system/ft",
            "FINETUNE_POD_NAME": "ft-1",
            "FINETUNE_LEASE_SECONDS": "30",
            "FINETUNE_NOTIFICATION_HOSTS": "hooks.slack.com, *.example.org",
        }
    )
    assert config.namespaces == ("a", "b")
    assert config.default_storage is not None
    assert config.default_storage.bucket == "results"
    assert (config.log_format, config.workers, config.resync_seconds) == ("json", 3, 2.5)
    assert (config.image_pull_policy, config.operator_image) == ("Never", "example.test/operator:1")
    assert (config.release, config.identity, config.lease_seconds) == (Release("system", "ft"), "ft-1", 30)
    assert [one.host for one in config.notification_hosts] == ["hooks.slack.com", "*.example.org"]


def test_two_processes_outside_a_cluster_have_different_identities() -> None:
    assert Config.from_env(IMAGE).identity != Config.from_env(IMAGE).identity


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FINETUNE_TRAINER_IMAGE", ""),
        ("FINETUNE_DEFAULT_STORAGE", "{"),
        ("FINETUNE_DEFAULT_STORAGE", '{"bucket": "results", "what": 1}'),
        ("FINETUNE_WORKERS", "0"),
        ("FINETUNE_WORKERS", "many"),
        ("FINETUNE_HEALTH_PORT", "http"),
        ("FINETUNE_RESYNC_SECONDS", "nan"),
        ("FINETUNE_LOG_FORMAT", "xml"),
        ("FINETUNE_RELEASE", "ft"),
        ("FINETUNE_NOTIFICATION_HOSTS", "https://chat.example.org/hook"),
        ("FINETUNE_RELEASE", "a/b/c"),
        ("FINETUNE_LEASE_SECONDS", "0"),
    ],
)
def test_what_cannot_be_used_is_named(name: str, value: str) -> None:
    with pytest.raises(InvalidInputError, match=name):
        Config.from_env({**IMAGE, name: value})


def test_the_command_ends_with_64_and_says_what_is_not_set(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("FINETUNE_TRAINER_IMAGE", raising=False)
    assert main(["run"]) == 64
    assert "FINETUNE_TRAINER_IMAGE: not set" in capsys.readouterr().err


def test_the_operator_is_healthy_when_nothing_waits() -> None:
    assert Health(stale_after=0.0).problem(waiting=0, overdue=0.0) is None


def test_it_is_unhealthy_when_work_is_overdue_and_nothing_succeeds() -> None:
    problem = Health(stale_after=-1.0).problem(waiting=3, overdue=400.0)
    assert problem is not None
    assert "3 experiments wait" in problem


def test_a_success_makes_it_healthy_again() -> None:
    health = Health(stale_after=300.0)
    health.succeeded()
    assert health.problem(waiting=3, overdue=400.0) is None


def test_requests_are_counted_by_verb_and_resource() -> None:
    telemetry = Telemetry()
    telemetry.count_request("GET", "jobs")
    telemetry.count_store_request("get")
    text = generate_latest(telemetry.registry).decode()
    assert 'finetune_api_requests_total{resource="jobs",verb="GET"} 1.0' in text
    assert 'finetune_store_requests_total{operation="get"} 1.0' in text


def test_gpu_time_by_name_is_of_a_bounded_number_of_objects() -> None:
    telemetry = Telemetry()
    spent = {("FinetuneExperiment", "team", f"exp-{k}"): float(k) for k in range(1, MOST_OBJECTS + 3)}
    telemetry.show_gpu_seconds(spent)
    telemetry.show_gpu_seconds(spent)
    lines = [line for line in generate_latest(telemetry.registry).decode().splitlines() if "gpu_seconds{" in line]
    assert len(lines) == MOST_OBJECTS + 1
    assert 'finetune_gpu_seconds{kind="FinetuneExperiment",name="exp-3",watched_namespace="team"} 3.0' in lines
    assert 'finetune_gpu_seconds{kind="",name="",watched_namespace=""} 3.0' in lines, "1 + 2"

    telemetry.show_gpu_seconds({})
    assert "gpu_seconds{" not in generate_latest(telemetry.registry).decode()


@pytest.mark.parametrize(
    ("event", "metadata", "observed", "news"),
    [
        (None, {"generation": 1}, 1, True),
        ("ADDED", {"generation": 1}, None, True),
        ("MODIFIED", {"generation": 1}, 1, False),
        ("MODIFIED", {"generation": 2}, 1, True),
        ("MODIFIED", {"generation": 1, "deletionTimestamp": "now"}, 1, True),
        ("DELETED", {"generation": 1}, 1, True),
    ],
)
def test_the_echo_of_the_operators_own_writing_is_no_news(
    event: str | None, metadata: dict, observed: int | None, news: bool
) -> None:
    status = {"observedGeneration": observed} if observed else {}
    assert is_news(event, {"metadata": metadata, "status": status}) is news
