"""The media plane: a process that captures, relays and paces RTP, and its control side."""
