"""From a command line to a plan: amounts, URLs, payloads, the model servers of `--direct`; and one request before the load."""
