"""What a spool says of itself in its first record: enough to master the file without the database."""

from dataclasses import dataclass

from onrecord.core.ids import CallControlId, LegId, NodeId, RecordingId


@dataclass(frozen=True, slots=True)
class SpoolHeader:
    """The parameters of a recording that its file depends on, and the clocks at its start."""

    recording_id: RecordingId
    leg_id: LegId
    call_control_id: CallControlId
    node: NodeId
    format: str
    """``wav`` or ``mp3``."""
    channels: str
    """``single`` or ``dual``."""
    track: str
    """``both``, ``inbound`` or ``outbound``; a single track is always mono."""
    channel_a: str
    """Which track of the leg is channel A of a dual file: ``inbound`` or ``outbound``."""
    started_utc_ns: int
    started_monotonic_ns: int
    """When the recording was asked for, on the monotonic clock of boot ``boot_id``."""
    boot_id: str
    trim: str | None = None
    """``trim-silence`` or None."""
    timeout_secs: int = 0
    """Silence that ends the recording while it runs; 0: somebody else ends it."""
    custom_file_name: str | None = None
    pause_mode: str = "absent"
    """``absent``: a pause is left out of the file; ``silence``: it is silence of its length."""
    sample_rate: int = 0
    """Of the file: 8000, 16000 or 48000; 0: that of the best codec that was heard."""
