"""RTP and RTCP on the wire (RFC 3550, RFC 3551, RFC 4733): pure parsing, building, statistics."""
