"""The HTTP edge: Telnyx's Call Control API, files, health and metrics. Decides nothing about calls."""
