"""YAML bytes become a tree with positions, the tree becomes endpoints. Pure: no file is opened here and no clock is read.

Three parts, each of which imports only what stands before it. `reading` knows how things are written, but no field by its name. The
modules here know the words: `vocabulary` has every field, `forms`, `shares` and `registry` make drafts of what was read; then
`source.read_source` takes one file's bytes, and `compiled.compile_sources` all files together; both return every problem at once.
`body` is the same for bodies of the API. `writeback` is the way back: endpoints into the text of a file that people wrote, in place.
All of them name what is wrong, and where, with the values in `problems`.
"""
