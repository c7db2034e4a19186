"""How a run is shown: progress while it lasts, the summary on a terminal, JSON, one page, and the files they go to."""
