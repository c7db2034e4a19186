"""`python -m splitter` is the command `splitter`."""

from splitter.cli import main

if __name__ == "__main__":
    main()
