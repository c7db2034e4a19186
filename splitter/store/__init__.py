"""Where configuration and what was learned of it live: the files that people write, and the state folder beside them."""
