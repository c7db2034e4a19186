"""Pure: facts and rules of HTTP/1.1 messages. httptools checks the syntax of every head; how long a body is, is decided here."""
