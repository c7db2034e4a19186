"""The process that one administers: it reads the configuration, publishes it to the workers, and answers what is not a prediction."""
