"""Moves requests: client connections, connections to model servers, and the exchange between two of them.

`exchange.py` is the way of a request from top to bottom; `docs/life-of-a-request.md` tells it in words.
"""
