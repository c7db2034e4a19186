"""Endpoints into the text of a file that people wrote, in place: only characters change that must. `rewrite` is the one way in.

What to change: `meaning` tells what a draft asks for, whatever its form; `pairing` which served entity became which; `idiom` in what
words and manners the endpoint is written. Of these `plan` makes `edits`, changes of the tree, with `fields` for one mapping and a
module for each form, `plan_short` and `plan_long`.

How it is written: `pen` carries the edits out on a `page`, the text with its lines: `blocks` for entries on lines of their own, `flows`
for those between braces, `render` for the text of what is new. In the end `proof` reads the result again, and only what is proven to
mean the wish, and to have kept everything else, leaves the package.
"""
