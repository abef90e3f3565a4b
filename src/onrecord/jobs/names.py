"""What both ends of the queues agree on: names, fixed ids and waits. Pure."""

from onrecord.core.ids import EventId, NodeId, RecordingId

APPLICATION = "onrecord"

VERSION = "1"
"""Ours, not computed from the code: a job that waited is run by the program that is there now."""

FINISH = "finish"
DELIVER = "deliver"
DELIVERY_QUEUE = "delivery"

RETRY_SECS: tuple[float, ...] = (1, 5, 30, 120, 600)
"""Waits before the further tries of a job that raised; then it is given up."""


def spool_queue(node: NodeId) -> str:
    """The queue of jobs that need the spools of one node."""
    return f"spool.{node}"


def finish_id(recording_id: RecordingId, tries: int) -> str:
    """The id of a finish job after ``tries`` failed ones."""
    return f"finish.{recording_id}.{tries}" if tries else f"finish.{recording_id}"


def deliver_id(event_id: EventId, number: int, tries: int) -> str:
    """The id of a delivery job; ``tries`` counts jobs that raised, not answers of a receiver."""
    return f"deliver.{event_id}.{number}.{tries}" if tries else f"deliver.{event_id}.{number}"
