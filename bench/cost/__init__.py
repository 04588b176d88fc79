"""What a stamp costs: CPU time and latency beside the raw signature, beside other servers, and as things grow."""
