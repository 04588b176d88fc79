"""The processes of a server: the supervisor, its workers, and what it has done in a child of its own."""
