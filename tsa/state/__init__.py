"""What a state folder holds, and what the processes of a server share: settings, paths, control.db, counts, the log."""
