"""What the use cases need of the outside. Adapters satisfy these protocols without importing them."""

from onrecord.service.ports.calls import Listening, MediaPlane, Prompts, Signalling
from onrecord.service.ports.files import Bucket, Buckets, Links, Served, Storage
from onrecord.service.ports.store import Store, Unit
from onrecord.service.ports.webhooks import Policy, Sender
from onrecord.service.ports.work import Mastered, Mastering, Reported, Transcribed, Transcriber

__all__ = [
    "Bucket",
    "Buckets",
    "Links",
    "Listening",
    "Mastered",
    "Mastering",
    "MediaPlane",
    "Policy",
    "Prompts",
    "Reported",
    "Sender",
    "Served",
    "Signalling",
    "Storage",
    "Store",
    "Transcribed",
    "Transcriber",
    "Unit",
]
