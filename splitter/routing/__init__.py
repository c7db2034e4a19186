"""Pure: a plain document becomes an immutable snapshot, and a ticket becomes a served entity. No I/O, no clock, no randomness."""
