"""`splitter bench`: a load tester for one's own endpoint that says what it knows, and how well.

The way of a run (`run`, `load`): `setup` makes a `Plan` of the command line; the processes of `engine` send by it and report every request
as a `Sample`; the parent folds samples into a `Tally`, of which `figures` makes a `Report`; `output` shows and writes it. `api` knows the
endpoint, and `reload` moves its shares meanwhile. All figures come from the report, so what the terminal, the JSON and the page say cannot
differ.

Two rules hold everywhere. Latency counts from the moment a request was *meant* to be sent, so a stall of the server is seen by all requests
that fell into it and not by one. And whatever was meant to be sent is in the distribution, answered or not.
"""
