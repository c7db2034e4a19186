"""YAML bytes become a tree with positions, the tree becomes endpoints. Pure: no file is opened here and no clock is read.

`source.read_source` takes one file's bytes, `compiled.compile_sources` all files together; both return every problem at once.
`rewrite.rewrite` is the way back: endpoints into the text of a file that people wrote, in place.
"""
