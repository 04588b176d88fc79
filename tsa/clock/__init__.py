"""The clock: its sources, the gate, the journal, and genTime."""
