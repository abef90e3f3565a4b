"""What both ends of the queues agree on: names, fixed ids and waits. Pure."""

from onrecord.core.ids import EventId, NodeId, RecordingId, TranscriptionId

APPLICATION = "onrecord"

VERSION = "1"
"""Ours, not computed from the code: a job that waited is run by the program that is there now."""

FINISH = "finish"
DELIVER = "deliver"
MOVE = "move"
TRANSCRIBE = "transcribe"
DELIVERY_QUEUE = "delivery"

RETRY_SECS: tuple[float, ...] = (1, 5, 30, 120, 600)
"""Waits before the further tries of a job that raised; then it is given up."""


TRANSCRIBE_RETRY_SECS: tuple[float, ...] = (5, 30, 120, 600, 1800, 3600, 7200, 14400)
"""The same of transcriptions: an engine's service may be out of order for hours."""
MOVE_RETRY_SECS: tuple[float, ...] = (300, 900, 3600, 10800, 21600, 43200, *[86400] * 6)
"""The same of files that a bucket does not take: about a week."""


def transcription_queue(node: NodeId) -> str:
    """The queue of transcriptions of one node, which run one after another."""
    return f"transcription.{node}"


def transcribe_id(transcription_id: TranscriptionId, tries: int) -> str:
    """The id of a transcription's job after ``tries`` failed ones."""
    return f"transcribe.{transcription_id}.{tries}" if tries else f"transcribe.{transcription_id}"


def spool_queue(node: NodeId) -> str:
    """The queue of jobs that need the spools of one node."""
    return f"spool.{node}"


def moving_queue(node: NodeId) -> str:
    """The queue of files of one node that are to be moved: their own, as a bucket may be slow."""
    return f"moving.{node}"


def finish_id(recording_id: RecordingId, tries: int) -> str:
    """The id of a finish job after ``tries`` failed ones."""
    return f"finish.{recording_id}.{tries}" if tries else f"finish.{recording_id}"


def move_id(recording_id: RecordingId, since_ns: int, tries: int) -> str:
    """The id of a job that moves a file; a row of tries is told from others by when it began."""
    return f"move.{recording_id}.{since_ns}.{tries}"


def deliver_id(event_id: EventId, number: int, tries: int) -> str:
    """The id of a delivery job; ``tries`` counts jobs that raised, not answers of a receiver."""
    return f"deliver.{event_id}.{number}.{tries}" if tries else f"deliver.{event_id}.{number}"
