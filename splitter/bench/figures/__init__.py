"""From what was counted to what can be said of it. Pure.

`assemble` makes a report of a tally by means of the other modules; `thresholds` judges one report, `compare` puts two side by side. What
they know of chance is in `statistics`.
"""
