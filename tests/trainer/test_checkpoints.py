"""What a run goes on from is the whole of what one attempt saved, whatever others do, and whatever becomes of it."""

import itertools
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune_core.layout import ExperimentLayout
from finetune_store import DirectoryStore
from finetune_trainer.stored.checkpoints import Checkpoints
from support.checkpoints import files, point_anew, pointers
from support.interleaving import CutOffError, PausingStore, interleave

LAYOUT = ExperimentLayout("team", "exp").run("rte", "0123456789abcdef")
FILES = ("model.safetensors", "optimizer.pt", "trainer_state.json")


def state(attempt: str, step: int) -> str:
    """What is in every file of a checkpoint: as many bytes, whoever saved it."""
    return f"{attempt} at {step:03}"


def save(checkpoints: Checkpoints, attempt: str, step: int, folder: Path) -> None:
    local = folder / f"saved-{step}"
    local.mkdir(parents=True)
    for name in FILES:
        (local / name).write_text(state(attempt, step))
    checkpoints.save(local, step)


def content(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


class Place:
    """A store, and attempts that save to it and go on from it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = DirectoryStore(root / "store")

    def attempt(self, name: str) -> Checkpoints:
        return Checkpoints(self.store, LAYOUT, name, self.root / name)

    def save(self, attempt: str, *steps: int) -> None:
        for step in steps:
            save(self.attempt(attempt), attempt, step, self.root / attempt)

    def restored(self) -> tuple[dict[str, str], int] | None:
        """Files and step of what the next attempt goes on from."""
        found = self.attempt("next").restore()
        return found and (content(found[0]), found[1])

    def pointers(self) -> list[Path]:
        return pointers(self.root / "store", LAYOUT)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def whole(attempt: str, step: int) -> tuple[dict[str, str], int]:
    return dict.fromkeys(FILES, state(attempt, step)), step


def test_the_last_one_saved_is_gone_on_from_and_it_alone_is_kept(place: Place) -> None:
    place.save("first", 5, 10)
    assert place.restored() == whole("first", 10)
    assert len(list(place.store.list())) == len(FILES) + 1


def test_each_attempt_has_a_folder_and_the_furthest_one_is_gone_on_from(place: Place) -> None:
    place.save("lost", 10)
    place.save("successor", 5)
    folders = {info.key.split("/")[6] for info in place.store.list(LAYOUT.checkpoint)}
    assert folders == {"lost", "successor"}
    assert place.restored() == whole("lost", 10)


def test_an_older_attempts_go_once_the_newer_one_is_further_along(place: Place) -> None:
    place.save("lost", 10)
    place.save("successor", 11)
    assert [pointer.parent.name for pointer in place.pointers()] == ["successor"]
    assert len(list(place.store.list())) == len(FILES) + 1


def test_none_stay_when_the_run_has_its_result(place: Place) -> None:
    place.save("lost", 10)
    place.save("successor", 5)
    place.attempt("successor").clear()
    assert list(place.store.list()) == []


def changed(pointer: Path) -> None:
    weights = files(pointer) / "model.safetensors"
    weights.write_text("x" * weights.stat().st_size)  # no other size


def cut_short(pointer: Path) -> None:
    (files(pointer) / "optimizer.pt").unlink()


def no_json(pointer: Path) -> None:
    pointer.write_text("{")


def of_another_run(pointer: Path) -> None:
    point_anew(pointer, runId="fedcba9876543210")


def of_another_attempt(pointer: Path) -> None:
    point_anew(pointer, attempt="other")


def says_another_step(pointer: Path) -> None:
    pointer.write_text(json.dumps({**json.loads(pointer.read_bytes()), "step": 7}))


DAMAGES = [
    pytest.param(changed, "model.safetensors has SHA-256 ", id="other content"),
    pytest.param(cut_short, "optimizer.pt is missing", id="missing file"),
    pytest.param(no_json, "is no pointer to a checkpoint", id="torn pointer"),
    pytest.param(of_another_run, "it says that it is of 'fedcba9876543210/last'", id="another run's"),
    pytest.param(of_another_attempt, "it says that it is of '0123456789abcdef/other'", id="another attempt's"),
    pytest.param(says_another_step, "is not the one that was written for it", id="another step's"),
]


@pytest.mark.parametrize(("damage", "word"), DAMAGES)
def test_a_damaged_one_is_not_used_and_the_next_older_one_is(
    place: Place, caplog: pytest.LogCaptureFixture, damage, word: str
) -> None:
    place.save("last", 10)
    (last,) = place.pointers()
    place.save("older", 5)
    damage(last)
    assert place.restored() == whole("older", 5)
    assert word in caplog.text
    assert "the checkpoint of step 10 that attempt last saved is not used" in caplog.text


@pytest.mark.parametrize(("damage", "word"), DAMAGES)
def test_without_another_one_the_run_starts_anew(place: Place, damage, word: str) -> None:
    place.save("last", 10)
    damage(*place.pointers())
    assert place.restored() is None


def test_files_that_nobody_saved_are_not_fetched(place: Place) -> None:
    place.save("last", 10)
    (pointer,) = place.pointers()
    (files(pointer) / "scheduler.pt").write_text("of somebody else")
    assert place.restored() == whole("last", 10)


def test_one_that_an_earlier_version_saved_is_not_used_with_a_word_and_goes_with_the_first_of_this_one(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    place.store.put(f"{LAYOUT.checkpoint}/3/model.safetensors", b"w")
    place.store.put(f"{LAYOUT.checkpoint}/latest.json", b'{"step": 3, "files": {"model.safetensors": 1}}')
    assert place.restored() is None
    assert "the checkpoint of an earlier version of the trainer is not used" in caplog.text
    place.save("new", 1)
    assert place.restored() == whole("new", 1)
    assert len(list(place.store.list())) == len(FILES) + 1


def saving(place: Place, name: str, *steps: int):
    """An attempt that pauses before each of its requests."""

    def act(pause) -> None:
        own = Checkpoints(PausingStore(place.root / "store", pause), LAYOUT, name, place.root / name)
        for step in steps:
            save(own, name, step, place.root / name)

    return act


def test_of_two_attempts_that_save_the_same_step_at_once_one_stays(place: Place) -> None:
    turns = itertools.cycle([0, 1])
    interleave([saving(place, "one", 5), saving(place, "two", 5)], lambda living: (next(turns) % living, False))
    assert place.restored() == whole("two", 5)


def test_one_that_is_dropped_while_it_is_fetched_is_no_reason_to_start_anew(place: Place) -> None:
    place.save("lost", 5)
    found = []

    def look(pause) -> None:
        looking = Checkpoints(PausingStore(place.root / "store", pause), LAYOUT, "look", place.root / "look")
        found.append(looking.restore())

    looked = iter([0, 0])  # up to its listing, and through it; then the other attempt saves, then it goes on
    interleave([look, saving(place, "lost", 10)], lambda living: (next(looked, living - 1), False))
    ((folder, step),) = found
    assert (content(folder), step) == whole("lost", 10)


STEPS = st.lists(st.integers(1, 6), min_size=1, max_size=3, unique=True).map(sorted)
BOTH = st.tuples(STEPS, STEPS)


@settings(max_examples=80, deadline=None)
@given(saved=BOTH, data=st.data())
def test_whatever_two_attempts_do_at_once_a_third_goes_on_from_the_whole_state_of_one(saved, data) -> None:
    """They save at once, either may be killed anywhere, and meanwhile somebody looks what to go on from."""
    names, done, looks = ("one", "two"), [], []
    with tempfile.TemporaryDirectory() as root:
        place = Place(Path(root))

        def attempt(name: str, steps: list[int]):
            def act(pause) -> None:
                for step in steps:
                    saving(place, name, step)(pause)
                    done.append(step)

            return act

        def look(pause) -> None:
            before = max(done, default=0)
            seen = Checkpoints(PausingStore(place.root / "store", pause), LAYOUT, "look", place.root / "look")
            found = seen.restore()
            looks.append((before, found and (content(found[0]), found[1])))

        def choose(living: int) -> tuple[int, bool]:
            return data.draw(st.tuples(st.integers(0, living - 1), st.sampled_from([False] * 12 + [True])))

        interleave([*map(attempt, names, saved), look], choose)
        looks.append((max(done, default=0), place.restored()))

    for before, found in looks:
        allowed = [whole(name, step) for name, steps in zip(names, saved, strict=True) for step in steps]
        assert found in allowed or (found is None and not before)
        assert (found[1] if found else 0) >= before


def test_an_attempt_that_is_cut_off_says_so_to_nobody() -> None:
    """The tool of the test above: who is killed does not go on."""
    went_on = []

    def act(pause) -> None:
        try:
            pause()
        except Exception:  # noqa: BLE001 - that no handler sees it is what is tried
            went_on.append("handled")
        went_on.append("after")

    interleave([act], lambda _: (0, True))
    assert went_on == []
    assert not issubclass(CutOffError, Exception)
