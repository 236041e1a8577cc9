"""Runs that take turns in one process."""

import random

import pytest
import torch

from finetune_trainer.search.lockstep import Lockstep


def job(seed, evaluations, *, error=None):
    def run(observe):
        random.seed(seed)
        torch.manual_seed(seed)
        for step in range(1, evaluations + 1):
            observe({"step": step, "value": random.random() + torch.rand(1).item()})
        if error:
            raise error

    return run


def lines(lockstep):
    found = []
    while (lines := lockstep.advance()) is not None:
        found.append([(line["step"], line["value"]) for line in lines])
    return found


def test_every_run_draws_the_numbers_that_it_draws_alone():
    alone = [lines(Lockstep([job(seed, 3)])) for seed in (1, 2)]
    together = lines(Lockstep([job(1, 3), job(2, 3)]))
    assert [[step[place] for step in together] for place in (0, 1)] == [[step[0] for step in run] for run in alone]


def test_a_run_that_ends_earlier_keeps_its_last_line():
    together = lines(Lockstep([job(1, 1), job(2, 3)]))
    assert [[step for step, _ in both] for both in together] == [[1, 1], [1, 2], [1, 3]]


def test_what_a_run_raises_is_raised_here():
    lockstep = Lockstep([job(1, 1, error=ValueError("broken")), job(2, 5)])
    assert lockstep.advance() is not None
    with pytest.raises(ValueError, match="broken"):
        lockstep.advance()
    lockstep.end()
    assert lockstep.ended


def test_a_run_that_is_ended_gets_to_clean_up():
    cleaned = []

    def run(observe):
        try:
            observe({"step": 1})
        finally:
            cleaned.append(True)

    lockstep = Lockstep([run])
    lockstep.advance()
    lockstep.end()
    assert cleaned == [True]
    assert lockstep.advance() is None
