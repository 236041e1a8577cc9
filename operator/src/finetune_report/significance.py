"""scipy's t tests for the core's comparisons. Importing this takes a second: do it where it is needed."""

import warnings
from collections.abc import Sequence

from scipy import stats

from finetune_core.results.comparison.significance import LEVEL, Estimate, Kind


def t_test(before: Sequence[float], after: Sequence[float], kind: Kind) -> Estimate:
    """`finetune_core.results.comparison.significance.TTest`: mean(after) - mean(before), two-sided, interval at LEVEL.

    Paired by `scipy.stats.ttest_rel`; Welch's by `ttest_ind`, which does not take the two spreads for equal.
    """
    with warnings.catch_warnings():
        # A sample without any spread is a sound one for Welch's test if the other has some; both never come here.
        warnings.filterwarnings("ignore", "Precision loss occurred in moment calculation", RuntimeWarning)
        if kind == Kind.PAIRED:
            made = stats.ttest_rel(after, before)
        else:
            made = stats.ttest_ind(after, before, equal_var=False)
        low, high = made.confidence_interval(LEVEL)
    return Estimate(t=float(made.statistic), df=float(made.df), p=float(made.pvalue), low=float(low), high=float(high))
