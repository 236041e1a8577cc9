"""Levels of a test that is looked at several times: group-sequential, by alpha spending.

Of the chance of a false alarm, alpha, each look may spend a part, so that all together spend alpha however early the
test ends: Lan and DeMets, Discrete sequential boundaries for clinical trials, 1983
(https://doi.org/10.1093/biomet/70.3.659), with their function that spends like Pocock's boundaries. The boundaries
follow from it by the recursion of Armitage, McPherson and Rowe, Repeated significance tests on accumulating data, 1969
(https://doi.org/10.2307/2343787), for normal values; for t tests a boundary is used as a level of p, as Jennison and
Turnbull do (Group Sequential Methods with Applications to Clinical Trials, 2000, section 3.8).
"""

from functools import cache
from math import e, erfc, exp, log, pi, sqrt
from statistics import NormalDist

FIRST_LOOK = 5
"""Seeds at the first look: with fewer, a t test that spends little can find nothing but differences of many spreads."""

OF_T_TESTS = 0.85
"""Share of alpha that is spent where there are several looks: p of t tests over few values that have most of them in
common passes its levels up to 1.17 times as often as that of normal values does (60,000 experiments without a
difference, of at most 10, 20 and 40 seeds, alpha 0.05 and a ninth of it)."""

_POINTS = 161
"""Of the grid of each look; levels then are right to four digits."""
_HALVINGS = 50


@cache
def looks(most: int) -> tuple[int, ...]:
    """The numbers of seeds that are looked at, up to `most`: each half as large again as the one before.

    They depend on nothing but `most`, so that whoever looks between them, or sees values, changes no level.
    """
    found = [min(FIRST_LOOK, most)]
    while found[-1] < most:
        found.append(min(most, found[-1] + max(2, found[-1] // 2)))
    return tuple(found)


def spent(share: float, alpha: float) -> float:
    """How much of alpha may be spent when a share (0 to 1) of the most seeds is there."""
    return alpha * log(1 + (e - 1) * share)


@cache
def levels(most: int, alpha: float) -> tuple[float, ...]:
    """What p, two-sided, must not exceed at each of `looks(most)`; ValueError if `most` is below 2."""
    if most < 2:
        raise ValueError(f"{most} seeds have no spread: give 2 or more")
    shares = tuple(n / most for n in looks(most))
    may = alpha * OF_T_TESTS if len(shares) > 1 else alpha
    return tuple(2 * (1 - NormalDist().cdf(z)) for z in boundaries(shares, may))


def boundaries(shares: tuple[float, ...], alpha: float) -> tuple[float, ...]:
    """The |z| to pass at each look; `shares` (0 to 1, rising) of the most seeds are there then."""
    found: list[float] = []
    paths, before = [(0.0, 1.0)], 0.0
    for share in shares:
        step, may = sqrt(share - before), spent(share, alpha) - spent(before, alpha)
        found.append(_bound(paths, step, sqrt(share), may))
        paths, before = _undecided(paths, step, found[-1] * sqrt(share)), share
    return tuple(found)


def _bound(paths: list[tuple[float, float]], step: float, scale: float, may: float) -> float:
    """The |z| that paths (place, weight) pass with the probability `may`, one step of that deviation further on."""
    low, high = 0.0, 10.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if _beyond(paths, step, middle * scale) > may:
            low = middle
        else:
            high = middle
    return high


def _beyond(paths: list[tuple[float, float]], step: float, edge: float) -> float:
    root = step * sqrt(2)
    return sum(weight * (erfc((edge - place) / root) + erfc((edge + place) / root)) / 2 for place, weight in paths)


def _undecided(paths: list[tuple[float, float]], step: float, edge: float) -> list[tuple[float, float]]:
    """The paths that are between the edges after the step: places and weights of Simpson's rule."""
    width = 2 * edge / (_POINTS - 1)
    height = 1 / (step * sqrt(2 * pi))
    made = []
    for index in range(_POINTS):
        place = -edge + index * width
        density = sum(weight * height * exp(-(((place - start) / step) ** 2) / 2) for start, weight in paths)
        simpson = 1 if index in {0, _POINTS - 1} else 4 if index % 2 else 2
        made.append((place, density * simpson * width / 3))
    return made
