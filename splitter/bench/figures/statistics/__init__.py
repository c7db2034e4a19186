"""How sure one can be of the figures of a run: intervals and tests, from their definitions and without a library.

`special` has the two functions that all of it rests on, `intervals` proportions, `quantiles` percentiles of durations, `splits` tests of
shares, `pairs` means of paired differences. Intervals are of 95 %. That they hold the truth that often is what the tests measure.
"""

CONFIDENCE = 0.95
