"""`make bench-replay`: policies of searches over recorded learning curves, compared search by search.

Nothing is trained: bench/curves/curves.jsonl.gz has the curves. A search draws a share of a setting's configurations,
with one seed, in a random order; every policy replays the same draws. What each exports and trains stands against the
full search, which does every trial to its end.

    make bench-replay BENCH_ARGS="--searches 200"
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from curves.policies.freeze_thaw import FreezeThaw, freeze_thaw
from curves.policies.patient import Patience, patient
from curves.policies.pausing import Rungs, halving, promoting
from curves.policies.stopping import asha, full
from curves.policies.warm import Known, begun, known, misleading
from curves.recorded import CURVES, read_lines
from curves.replay import Draw, Interval, Outcome, Pool, replay
from curves.search import Policy, loss, loss_until, value_then_loss
from finetune_core.api.search import Asha
from machine import describe, write_section

Prior = Callable[[Draw, Pool], Sequence[Known]]


@dataclass(frozen=True)
class Kind:
    """A kind of search; with a prior, the trials that it expects most of come first."""

    name: str
    policy: Policy
    prior: Prior | None = None


def same_task(draw: Draw, pool: Pool) -> Sequence[Known]:
    """A finished search of the same setting, over configurations that this one does not have."""
    drawn, seed = {curve.configuration for curve in draw.curves}, draw.curves[0].seed
    return known([curve for curve in pool.curves(draw.setting, seed) if curve.configuration not in drawn])


def turned_round(draw: Draw, pool: Pool) -> Sequence[Known]:
    """The same, with the values turned round."""
    return misleading(same_task(draw, pool))


def other_model(draw: Draw, pool: Pool) -> Sequence[Known]:
    """A finished search of a setting with the other model."""
    kind = draw.setting.rpartition("-")[2]
    return known(pool.curves(next(name for name in pool.settings if not name.endswith(kind))))


def kinds() -> list[Kind]:
    """What is compared; the first is what the others are compared with."""
    mixed = loss_until(0.3)
    rungs = Rungs((0.1, 0.3), 4, mixed)
    return [
        Kind("full search", full),
        Kind("ASHA as it is (1/4, factor 3, stopped for good)", asha(Asha())),
        Kind("halving, loss (0.2, factor 3)", halving(Rungs((0.2,), 3, loss))),
        Kind("halving, loss (0.35, factor 2)", halving(Rungs((0.35,), 2, loss))),
        Kind("halving that waits until a quarter has moved", patient(Patience(0.1, 2.5, 4, mixed, 0.25))),
        Kind("ASHA that promotes (0.1, 0.3, factor 3)", promoting(Rungs((0.1, 0.3), 3, mixed))),
        Kind("halving, loss (0.1, 0.3, factor 4)", halving(replace(rungs, score=loss))),
        Kind("halving, metric (0.1, 0.3, factor 4)", halving(replace(rungs, score=value_then_loss))),
        Kind("halving, loss then metric (0.1, 0.3, factor 4)", halving(rungs)),
        Kind("freeze-thaw, loss (a fifth)", freeze_thaw(FreezeThaw(0.1, 0.2, loss))),
        Kind("freeze-thaw, metric (a fifth)", freeze_thaw(FreezeThaw(0.1, 0.2, value_then_loss))),
        Kind("freeze-thaw, metric (a third)", freeze_thaw(FreezeThaw(0.1, 0.35, value_then_loss))),
        Kind("half of the trials, no prior", halving(rungs, part=0.5)),
        Kind("half of the trials, prior of the same task", halving(rungs, part=0.5), same_task),
        Kind("half of the trials, prior of another model and task", halving(rungs, part=0.5), other_model),
        Kind("half of the trials, prior turned round", halving(rungs, part=0.5), turned_round),
    ]


def run(kind: Kind, draw: Draw, pool: Pool) -> Outcome:
    """One search; a prior changes the order of its trials."""
    if kind.prior is not None:
        curves = begun(draw.curves, kind.prior(draw, pool), len(draw.curves))
        draw = replace(draw, curves=curves)
    return replay(kind.policy, draw, pool)


def report(draws: Sequence[Draw], outcomes: dict[str, list[Outcome]], pool: Pool, *, seconds: float) -> str:
    """Both tables in Markdown."""
    base = next(iter(outcomes.values()))
    settings = sorted({draw.setting for draw in draws})
    sizes = ", ".join(f"{name} ({len(pool.curves(name))})" for name in settings)
    trials = sorted({len(draw.curves) for draw in draws})
    lines = [
        "## Policies of searches, replayed over recorded curves (`make bench-replay`)",
        "",
        f"{describe()}. Settings, with their configurations: {sizes}; {len(draws)} searches of {trials[0]} to "
        f"{trials[-1]} trials for each policy, the same ones, {seconds:.0f} s for all. Values x100. *Value* is the "
        "difference of what is exported from the full search's, search by search, with its 95 % interval; *worst* the "
        "lowest mean of a "
        "setting; *level* the share of searches not more than 0.5 points below; *fresh* the difference of the exported "
        "configurations with another seed; *anew* the steps if a paused trial begins anew instead of going on from its "
        "state. Searches of a setting share its curves: an interval says how well the mean over these curves is known, "
        "and nothing of other tasks.",
        "",
        "| policy | steps | anew | value | worst | level | fresh |",
        "|---|---|---|---|---|---|---|",
        *(whole_row(name, draws, base, ones) for name, ones in outcomes.items()),
        "",
        "By setting, the difference of values and, in brackets, the share of the steps:",
        "",
        f"| policy | {' | '.join(settings)} |",
        f"|---|{'---|' * len(settings)}",
        *(setting_row(name, draws, base, ones, settings) for name, ones in outcomes.items()),
    ]
    return "\n".join(lines) + "\n"


def whole_row(name: str, draws: Sequence[Draw], base: Sequence[Outcome], ones: Sequence[Outcome]) -> str:
    """One policy over all settings."""
    values = differences(base, ones)
    pairs = [(first.fresh, one.fresh) for first, one in zip(base, ones, strict=True)]
    fresh = [100 * (one - first) for first, one in pairs if first is not None and one is not None]
    settings = sorted({draw.setting for draw in draws})
    worst = min(statistics.fmean(of_setting(setting, draws, values)) for setting in settings)
    cells = [
        name,
        f"{statistics.fmean(one.steps for one in ones):.3f}",
        f"{statistics.fmean(one.steps + one.again for one in ones):.3f}",
        interval(values),
        f"{worst:+.2f}",
        f"{100 * statistics.fmean(value >= -0.5 for value in values):.0f} %",
        interval(fresh) if len(fresh) > 1 else "",
    ]
    return f"| {' | '.join(cells)} |"


def setting_row(
    name: str, draws: Sequence[Draw], base: Sequence[Outcome], ones: Sequence[Outcome], settings: Sequence[str]
) -> str:
    """One policy, setting by setting."""
    values, steps = differences(base, ones), [one.steps for one in ones]
    cells = [
        f"{statistics.fmean(of_setting(setting, draws, values)):+.2f} "
        f"({statistics.fmean(of_setting(setting, draws, steps)):.2f})"
        for setting in settings
    ]
    return f"| {name} | {' | '.join(cells)} |"


def differences(base: Sequence[Outcome], ones: Sequence[Outcome]) -> list[float]:
    """Of the values, in points, search by search."""
    return [100 * (one.value - first.value) for first, one in zip(base, ones, strict=True)]


def of_setting(setting: str, draws: Sequence[Draw], figures: Sequence[float]) -> list[float]:
    """Those of a setting's searches."""
    return [figure for draw, figure in zip(draws, figures, strict=True) if draw.setting == setting]


def interval(values: Sequence[float]) -> str:
    """`-0.31 [-0.40, -0.22]`."""
    found = Interval.of(values)
    return f"{found.mean:+.2f} [{found.low:+.2f}, {found.high:+.2f}]"


def main() -> None:
    """Replay everything, print and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--searches", type=int, default=200, help="of each setting")
    parser.add_argument("--trials", type=int, default=16, help="of a search, where a setting has so many")
    parser.add_argument("--least", type=int, default=12, help="configurations that a setting must have to be searched")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    pool = Pool(read_lines(CURVES))
    draws = [
        draw
        for setting in pool.settings
        if len(pool.curves(setting)) >= arguments.least
        for draw in pool.draws(setting, arguments.searches, trials=arguments.trials, seed=arguments.seed)
    ]
    outcomes: dict[str, list[Outcome]] = {}
    began = time.monotonic()
    for kind in kinds():
        outcomes[kind.name] = [run(kind, draw, pool) for draw in draws]
    text = report(draws, outcomes, pool, seconds=time.monotonic() - began)
    print(text)
    write_section("bench-replay", text)


if __name__ == "__main__":
    main()
