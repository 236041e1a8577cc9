"""How the processes of a run share each step's examples."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune_trainer.run.sampling import EpochSampler, StepBatches


class Place:
    """A process among those of its run, without the others."""

    def __init__(self, rank, count):
        self.rank, self.count = rank, count

    def share(self, pieces):
        return pieces[self.rank :: self.count]


def batches(rows, rank, count, *, passes, size, epoch=0):
    order = EpochSampler([1 + row % 7 for row in range(rows)], batch_size=count * passes * size, seed=3)
    made = StepBatches(order, batch_size=count * passes * size, pass_size=size, ranks=Place(rank, count))
    made.set_epoch(epoch)
    return made


@given(
    rows=st.integers(1, 80),
    count=st.integers(1, 4),
    passes=st.integers(1, 3),
    size=st.integers(1, 5),
    epoch=st.integers(0, 2),
)
def test_the_processes_train_on_each_example_of_a_step_once_and_weigh_it_alike(rows, count, passes, size, epoch):
    of_each = [batches(rows, rank, count, passes=passes, size=size, epoch=epoch) for rank in range(count)]
    whole = count * passes * size
    alone = EpochSampler([1 + row % 7 for row in range(rows)], batch_size=whole, seed=3)
    alone.set_epoch(epoch)
    order = list(alone)
    steps = -(-rows // whole)
    cut = [list(one) for one in of_each]
    assert [len(one) for one in of_each] == [len(made) for made in cut]
    for step in range(steps):
        expected = order[step * whole : (step + 1) * whole]
        weights = dict.fromkeys(expected, 0.0)
        for one, made in zip(of_each, cut, strict=True):
            examples, own = one.shares(step + steps * epoch)
            assert examples == len(expected)
            # Every step but the last has as many passes as Trainer waits for.
            mine = made[step * passes :] if step == steps - 1 else made[step * passes : (step + 1) * passes]
            assert 1 <= len(mine) <= passes
            assert max(map(len, mine)) <= size
            for batch in mine:
                # A pass's loss is the mean over its examples, weighted as the trainer does; gradients are averaged.
                share = count * len(batch) / examples if own else 0.0
                for example in batch:
                    weights[example] += share / len(batch) / count
        assert weights == pytest.approx(dict.fromkeys(expected, 1 / len(expected)))


def test_a_process_alone_has_the_batches_in_their_order():
    made = batches(11, 0, 1, passes=2, size=2)
    flat = [index for batch in made for index in batch]
    assert [len(batch) for batch in made] == [2, 2, 2, 2, 2, 1]
    assert sorted(flat) == list(range(11))
    assert [made.shares(step) for step in range(4)] == [(4, 4), (4, 4), (3, 3), (4, 4)]


def test_a_process_without_an_example_takes_part_with_one_that_counts_for_nothing():
    first, second = (batches(5, rank, 2, passes=1, size=2) for rank in range(2))
    assert [len(batch) for batch in first] == [len(batch) for batch in second] == [2, 1]
    assert list(first)[-1] == list(second)[-1]
    assert (first.shares(1), second.shares(1)) == ((1, 1), (1, 0))
