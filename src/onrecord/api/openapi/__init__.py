"""The OpenAPI 3.1 document, built from the same field tables that check the requests."""

from onrecord.api.openapi.document import document

__all__ = ["document"]
