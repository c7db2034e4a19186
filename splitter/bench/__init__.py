"""`splitter bench`: a load tester for one's own endpoint that says what it knows, and how well.

The way of a run: the command line becomes a `Plan` (`plan.py`); generator processes send by its schedule and report every request as a
`Sample`; the parent folds the samples into a `Tally`; the tally becomes a `Report`, which is judged, printed, written and compared. All
figures come from the report, so what the terminal, the JSON and the page say cannot differ.

Two rules hold everywhere. Latency counts from the moment a request was *meant* to be sent, so a stall of the server is seen by all requests
that fell into it and not by one. And whatever was meant to be sent is in the distribution, answered or not.
"""
