"""`--reload`: shares move while the load runs, every answer is looked at, and what was found is put back.

`moves` says where to, `mover` changes, `witness` looks, and `proof` is the whole of it.
"""
