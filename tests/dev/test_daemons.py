"""Programs that keep running: recognised, left alone, mended, ended."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from finetune_dev.errors import DaemonError
from finetune_dev.node.daemons import Daemon, Daemons, began_of
from finetune_dev.shell import wait_for

SLEEPER = Daemon("sleeper", ("sleep", "300"))


@pytest.fixture
def daemons(tmp_path: Path) -> Iterator[Daemons]:
    daemons = Daemons(tmp_path / "records", tmp_path / "logs")
    yield daemons
    for name in daemons.names():
        daemons.stop(name)


def _record(tmp_path: Path, name: str = "sleeper") -> str:
    return (tmp_path / "records" / f"{name}.json").read_text()


def test_running_program_is_left_alone(daemons: Daemons, tmp_path: Path) -> None:
    daemons.ensure(SLEEPER)
    before = _record(tmp_path)
    daemons.ensure(SLEEPER)
    assert _record(tmp_path) == before
    assert daemons.is_running("sleeper")


def test_changed_configuration_file_starts_the_program_anew(daemons: Daemons, tmp_path: Path) -> None:
    configuration = tmp_path / "configuration"
    configuration.write_text("a")
    daemon = Daemon("sleeper", SLEEPER.command, (configuration,))
    daemons.ensure(daemon)
    before = _record(tmp_path)
    configuration.write_text("b")
    daemons.ensure(daemon)
    assert _record(tmp_path) != before
    assert daemons.is_running("sleeper")


def test_stopped_program_is_gone_and_forgotten(daemons: Daemons) -> None:
    daemons.ensure(SLEEPER)
    daemons.stop("sleeper")
    assert not daemons.is_running("sleeper")
    assert daemons.names() == []


def test_program_that_ignores_being_asked_is_killed(daemons: Daemons, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    script = f'trap "" TERM; touch {ready}; while :; do sleep 1; done'
    daemons.ensure(Daemon("stubborn", ("sh", "-c", script)))
    daemons.wait("stubborn", "its start", ready.exists, seconds=10)
    daemons.stop("stubborn")
    assert not daemons.is_running("stubborn")


def test_record_of_a_process_of_another_boot_is_stale(daemons: Daemons, tmp_path: Path) -> None:
    daemons.ensure(SLEEPER)
    path = tmp_path / "records/sleeper.json"
    current = path.read_text()
    path.write_text(current.replace('"boot": "', '"boot": "another-'))
    assert not daemons.is_running("sleeper")
    path.write_text(current)


def test_other_process_that_got_the_id_is_not_taken_for_the_program_nor_ended(daemons: Daemons, tmp_path: Path) -> None:
    daemons.ensure(SLEEPER)
    path = tmp_path / "records/sleeper.json"
    current = path.read_text()
    path.write_text(current.replace('"began": ', '"began": 1'))
    daemons.stop("sleeper")
    path.write_text(current)
    assert daemons.is_running("sleeper")


def test_waiting_ends_with_the_log_as_soon_as_the_program_does(daemons: Daemons) -> None:
    daemons.ensure(Daemon("broken", ("sh", "-c", "echo cannot bind; exit 1")))
    with pytest.raises(DaemonError, match=r"broken ended while waiting for its port(.|\n)*cannot bind"):
        daemons.wait("broken", "its port", lambda: False, seconds=30)


def test_start_time_is_read_behind_a_name_with_blanks_and_brackets() -> None:
    after_name = " ".join(["S", *map(str, range(4, 53))])
    assert began_of(f"12 (a) b (c)) {after_name}") == 22


def test_zombie_has_ended() -> None:
    assert began_of("12 (a) " + " ".join(["Z", *map(str, range(4, 53))])) is None


def test_a_signal_reaches_the_program_and_no_successor_of_its_id(daemons: Daemons) -> None:
    daemons.ensure(SLEEPER)
    daemons.signal("sleeper", signal.SIGKILL)
    wait_for("it to end", lambda: not daemons.is_running("sleeper"), seconds=10)

    with pytest.raises(DaemonError, match="sleeper does not run, so it gets no SIGCONT"):
        daemons.signal("sleeper", signal.SIGCONT)
