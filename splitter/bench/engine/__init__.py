"""The generators: processes that send by a schedule and report every request.

`schedule` says when, `pacing` wakes on time, `dispatch` gives each request to a `connection` of its lane (`lanes`), `wire` reads the
answer, `ledger` has what became of it, and `generator` is the process around them; `generators` is the parent's side, and `frames` what
the two say to each other.
"""
