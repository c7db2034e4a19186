"""The process that one administers: it reads the configuration, publishes it, and answers what is not a prediction."""
