"""Where finished recordings are kept, and the links that give them out."""

from onrecord.storage.links import LinkError, LinkFault
from onrecord.storage.local import LocalStorage

__all__ = ["LinkError", "LinkFault", "LocalStorage"]
