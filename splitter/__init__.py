"""splitter: a reverse proxy that puts several model versions behind one serving endpoint."""

__version__ = "0.1.0"
