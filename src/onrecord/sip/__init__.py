"""The SIP user agent core: bytes and time in, bytes, events and deadlines out (RFC 3261, RFC 6026)."""
