"""What splitter's API is asked: a client, its answers and errors, and what is known of the endpoint by them."""
