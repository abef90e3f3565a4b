"""onrecord: a self-hosted call recording server that speaks Telnyx's Call Control API."""

__version__ = "0.1.0"
