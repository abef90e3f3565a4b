"""The benchmark: what a recorded call costs, beside the least that it could cost."""
