"""Where finished recordings are kept, and the links that give them out."""

from onrecord.storage.links import LinkError, LinkFault, Links
from onrecord.storage.local import LocalStorage

__all__ = ["LinkError", "LinkFault", "Links", "LocalStorage"]
