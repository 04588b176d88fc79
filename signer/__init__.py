"""Key custody and the signing of batches: knows bytes and algorithms, nothing of time-stamps."""
