"""`make bench-seeds`: whether the rules that add seeds keep what they promise, on experiments drawn from recorded runs.

Each experiment is drawn with replacement from the values of one recorded task (bench/seeds.json: real runs, a seed
each), or from a distribution; so the true mean is known. The rules are those of `finetune_core.seeds`.

Intervals: `runsUntil` with half-widths that are shares of the task's standard deviation; how often the mean ± what is
promised holds the true one, and how many seeds that takes. Beside it a rule that stops as soon as the 95 % interval is
narrow, and shows that one.

Comparisons: pairs of experiments of nine tasks without any difference (is any called different?), and with one (is it
found, and by how many seeds?). Beside it the t test of `finetune compare`, asked again after each seed.
"""

import argparse
import json
import random
from collections.abc import Callable, Iterator, Sequence
from math import sqrt
from pathlib import Path
from statistics import NormalDist, fmean, pstdev

from scipy import special

from finetune_core.api import RunsUntil
from finetune_core.results.aggregate import deviation
from finetune_core.results.comparison.significance import ALPHA, Estimate, Kind
from finetune_core.results.intervals import half_width
from finetune_core.seeds.comparing import by_holm
from finetune_core.seeds.enough import Enough
from finetune_core.seeds.narrow import judge
from finetune_core.seeds.pairing import SeedRun, SeedSequence, sequence_of
from machine import describe, write_section

RECORDED = Path(__file__).parent / "seeds.json"
Draw = Callable[[random.Random], float]
_TASKS = 9
_SHARE = 4
"""Of so many experiments one is done by the rules that are only there to be compared with."""


class Population:
    """What seeds are drawn from; its true mean and deviation are known."""

    def __init__(self, name: str, draw: Draw, mean: float, std: float) -> None:
        self.name, self.draw, self.mean, self.std = name, draw, mean, std

    def values(self, rng: random.Random, n: int) -> list[float]:
        """The values of n seeds."""
        return [self.draw(rng) for _ in range(n)]


def populations() -> list[Population]:
    """The recorded tasks first; then what recorded runs may not show: skewed ones, and runs that collapse."""
    recorded = json.loads(RECORDED.read_text())["tasks"]
    made = [_recorded(f"{name} ({one['metric']}, {len(one['values'])} runs)", one["values"]) for name, one in recorded]
    return [
        *made,
        Population("normal", lambda rng: rng.gauss(0, 1), 0.0, 1.0),
        Population("skewed (gamma, shape 2)", lambda rng: -rng.gammavariate(2, 1), -2.0, sqrt(2)),
        Population("a run in five collapses", _collapsing, -0.4, sqrt(0.2 * 0.8 * 4 + 0.09)),
    ]


def _recorded(name: str, values: Sequence[float]) -> Population:
    return Population(name, lambda rng: rng.choice(values), fmean(values), pstdev(values))


def _collapsing(rng: random.Random) -> float:
    return rng.gauss(-2 if rng.random() < 0.2 else 0, 0.3)


def grown(draw: Callable[[int], Sequence[float]], until: RunsUntil) -> tuple[list[float], Enough, float | None]:
    """An experiment's values when `runsUntil` has stopped, why it did, and the half-width that it promises."""
    values = list(draw(until.least))
    while (verdict := judge(values, len(values), until)).enough == Enough.GOES_ON:
        values += draw(verdict.runs - len(values))
    return values, verdict.enough, verdict.half


def naive(draw: Callable[[int], Sequence[float]], until: RunsUntil) -> tuple[list[float], float | None]:
    """Seed by seed until the 95 % interval is narrow; with that interval."""
    values = list(draw(until.least))
    while True:
        half = half_width(len(values), deviation(values))
        if len(values) >= until.most or (half and half <= until.half_width):
            return values, half
        values += draw(1)


def intervals(experiments: int) -> Iterator[str]:
    """The table of intervals, in Markdown."""
    yield (
        "| seeds of | runsUntil | half-width / std | kept (95 % CI) | no promise | narrow | seeds | naive | "
        "seeds | max |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for population in populations():
        for least, most in ((3, 10), (5, 20)):
            for share in (0.5, 0.75, 1.0, 1.5):
                until = RunsUntil(least=least, most=most, half_width=share * population.std)
                yield _interval_row(population, until, share, experiments)


def _interval_row(population: Population, until: RunsUntil, share: float, experiments: int) -> str:
    rng = random.Random(f"{population.name} {until.least} {share}")

    def draw(n: int) -> list[float]:
        return population.values(rng, n)

    ours = [grown(draw, until) for _ in range(experiments)]
    theirs = [naive(draw, until) for _ in range(experiments // _SHARE)]
    kept = sum(half is None or _holds(population, values, half) for values, _, half in ours)
    silent = fmean(half is None for _, _, half in ours)
    narrow = fmean(why == Enough.NARROW for _, why, _ in ours)
    plain = fmean(half is not None and _holds(population, values, half) for values, half in theirs)
    return (
        f"| {population.name} | {until.least} to {until.most} | {share:g} | {rate(kept, experiments)} | "
        f"{silent:.1%} | {narrow:.0%} | {fmean(len(values) for values, _, _ in ours):.1f} | "
        f"{plain:.1%} | {fmean(len(values) for values, _ in theirs):.1f} | "
        f"{_always(population, until.most, rng, experiments // _SHARE):.1%} |"
    )


def _always(population: Population, most: int, rng: random.Random, experiments: int) -> float:
    """Coverage of the 95 % interval of so many seeds, without any rule."""
    samples = [population.values(rng, most) for _ in range(experiments)]
    halves = [half_width(most, deviation(values)) or 0.0 for values in samples]
    return fmean(_holds(population, values, half) for values, half in zip(samples, halves, strict=True))


def _holds(population: Population, values: Sequence[float], half: float) -> bool:
    return abs(fmean(values) - population.mean) <= half


def rate(found: int, of: int) -> str:
    """`93.1 % [92.0, 94.1]`: a share with Wilson's interval at 95 %."""
    z, share = NormalDist().inv_cdf(0.975), found / of
    middle, wide = share + z * z / (2 * of), z * sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    low, high = ((middle + sign * wide) / (1 + z * z / of) for sign in (-1, 1))
    return f"{100 * share:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"


def t_test(before: Sequence[float], after: Sequence[float], kind: Kind) -> Estimate:
    """As `finetune_report.significance.t_test`, without the interval: a hundredth of the time."""
    if kind == Kind.PAIRED:
        sides = [[second - first for first, second in zip(before, after, strict=True)]]
        distance = fmean(sides[0])
    else:
        sides, distance = [[*before], [*after]], fmean(after) - fmean(before)
    parts = [_variance(side) / len(side) for side in sides]
    weights = sum(part**2 / (len(side) - 1) for part, side in zip(parts, sides, strict=True))
    if not weights:
        return Estimate(t=0.0, df=0.0, p=1.0, low=0.0, high=0.0)
    t, df = distance / sqrt(sum(parts)), sum(parts) ** 2 / weights
    return Estimate(t=t, df=df, p=float(2 * special.stdtr(df, -abs(t))), low=0.0, high=0.0)


def _variance(values: Sequence[float]) -> float:
    mean = fmean(values)
    return sum((value - mean) ** 2 for value in values) / (len(values) - 1)


def comparisons(experiments: int, most: int) -> Iterator[str]:
    """The table of comparisons, in Markdown."""
    yield "| seeds of | test | tasks | difference / std | false (95 % CI) | found (95 % CI) | seeds | naive | seeds |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for population in populations():
        for kind in Kind:
            for shift, tasks in ((0.0, 1), (0.0, _TASKS), (1.0, 1), (1.5, 1)):
                yield _comparison_row(population, kind, (shift, tasks), experiments, most)


def _comparison_row(population: Population, kind: Kind, asked: tuple[float, int], experiments: int, most: int) -> str:
    (shift, tasks), rng = asked, random.Random(f"{population.name} {kind} {asked}")
    false = found = seeds = plainly = plain_seeds = 0
    for place in range(experiments):
        pairs = {str(task): _pair(population, kind, shift, most, rng) for task in range(tasks)}
        looks = by_holm({task: _sequence(kind, *pair) for task, pair in pairs.items()}, t_test, most).values()
        false += any(look.decides and (not shift or (look.difference or 0) < 0) for look in looks)
        found += bool(shift) and all(look.decides and (look.difference or 0) > 0 for look in looks)
        seeds += sum(look.seeds for look in looks)
        if place % _SHARE == 0:
            said, asked_for = _asked_again(kind, *pairs["0"])
            plainly, plain_seeds = plainly + _SHARE * said, plain_seeds + _SHARE * asked_for
    return (
        f"| {population.name} | {kind} | {tasks} | {shift:g} | {rate(false, experiments)} | "
        f"{rate(found, experiments) if shift else '–'} | {seeds / tasks / experiments:.1f} | "
        f"{plainly / experiments:.1%} | {plain_seeds / experiments:.1f} |"
    )


def _pair(
    population: Population, kind: Kind, shift: float, most: int, rng: random.Random
) -> tuple[list[float], list[float]]:
    """Two experiments' values, the second better by so many deviations; of pairs half of the variance is shared."""
    before, after = (population.values(rng, most) for _ in range(2))
    shared = population.values(rng, most) if kind == Kind.PAIRED else [0.0] * most
    move = shift * population.std * (sqrt(2) if kind == Kind.PAIRED else 1)
    return (
        [value + common for value, common in zip(before, shared, strict=True)],
        [value + common + move for value, common in zip(after, shared, strict=True)],
    )


def _sequence(kind: Kind, before: Sequence[float], after: Sequence[float]) -> SeedSequence:
    apart = 0 if kind == Kind.PAIRED else len(before)
    first = [SeedRun(seed, ended=True, value=value) for seed, value in enumerate(before)]
    return sequence_of(first, [SeedRun(seed + apart, ended=True, value=value) for seed, value in enumerate(after)])


def _asked_again(kind: Kind, before: Sequence[float], after: Sequence[float]) -> tuple[bool, int]:
    """Whether the plain t test, asked again after each seed from the third on, ever says that there is a difference."""
    for n in range(3, len(before) + 1):
        if t_test(before[:n], after[:n], kind).p <= ALPHA:
            return True, n
    return False, len(before)


def _interval_lines(options: argparse.Namespace) -> Iterator[str]:
    yield "## Seeds until a mean is sure (`runsUntil`)"
    yield ""
    yield from _drawn(options)
    yield ""
    yield (
        "Kept: how often the mean ± what is promised holds the true mean, or nothing is promised (more than half of "
        "the values are the same). Naive: seed by seed until the 95 % interval is narrow, and how often that one holds "
        "it. Max: the same of the 95 % interval of always as many seeds as there may be."
    )
    yield ""
    yield from intervals(options.experiments)


def _comparison_lines(options: argparse.Namespace) -> Iterator[str]:
    yield "## Seeds until a comparison is decided (`compare --until-decided`)"
    yield ""
    yield from _drawn(options)
    yield ""
    yield (
        f"At most {options.max_seeds} seeds a side. False: a wrong verdict on any of the tasks. Deviations are those "
        "of what is tested: of a side's values, or of paired differences. Naive: how often a plain t test of one task, "
        "asked again after each seed from the third on, says that there is a difference."
    )
    yield ""
    yield from comparisons(options.experiments, options.max_seeds)


def _drawn(options: argparse.Namespace) -> Iterator[str]:
    yield (
        f"{describe()}. `make bench-seeds`: {options.experiments} experiments a row (naive and max: a quarter), drawn "
        "from recorded runs (bench/seeds.json says which) and from three distributions."
    )


PARTS = {"intervals": _interval_lines, "comparisons": _comparison_lines}


def main() -> None:
    """Run the parts, print their tables as they come, and write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--experiments", type=int, default=2000, help="of each row")
    parser.add_argument("--max-seeds", type=int, default=20, help="of comparisons")
    options = parser.parse_args()
    for part in options.parts:
        lines = []
        for line in PARTS[part](options):
            print(line, flush=True)
            lines.append(line)
        write_section(f"bench-seeds-{part}", "\n".join(lines))


if __name__ == "__main__":
    main()
