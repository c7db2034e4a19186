"""Pages of the reference, made of the code: `make docs` writes them, and a test fails where one of them says something else."""
