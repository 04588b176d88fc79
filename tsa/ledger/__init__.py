"""The durable record of every token issued: writing, reading, checking and keeping it."""
