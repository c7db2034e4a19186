"""How a configuration is written, whatever it says: text becomes a tree with positions, and a schema reads values out of the tree.

It owns the limits of depth and size, what an unquoted word means, and the sentences for wrong syntax, shapes and fields; which fields
there are it is told by its callers. `parse` makes the `tree` of YAML, with `wording` for the first mistakes in it, and `json_tree` that
of a JSON value; `scalars` gives a word its value; `schema` reads whole mappings and lists of them by tables of names and kinds.
"""
