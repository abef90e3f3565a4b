"""Session descriptions (RFC 8866) and offer/answer (RFC 3264) for one stream of G.711 audio. Pure."""
