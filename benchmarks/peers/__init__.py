"""What is compared: one module for each peer, run as processes of their own by `benchmarks.field`."""
