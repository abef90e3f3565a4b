"""Every metric that the server exports, in one place: ``GET /metrics`` and docs/reference name these.

The media and worker processes report their figures to the control process, which sets them here.
"""

from prometheus_client import Counter, Gauge, Histogram

SIP_REJECTED = Counter(
    "onrecord_sip_rejected_total", "SIP messages refused before a dialog saw them.", ["reason"]
)
CALLS = Counter("onrecord_calls_total", "Legs that began.", ["direction"])
LEGS_LIVE = Gauge("onrecord_legs_live", "Legs that have not ended.")
RECORDINGS_LIVE = Gauge("onrecord_recordings_live", "Recordings that are being captured.")
LISTENING_BACKLOG = Gauge(
    "onrecord_listening_backlog_seconds",
    "How far the listening to recordings with timeout_secs is behind.",
)
RECORDINGS = Counter("onrecord_recordings_total", "Recordings that ended.", ["outcome"])
RECORDING_FAULTS = Counter(
    "onrecord_recording_faults_total",
    "Finished recordings by what is wrong with them, as far as something is.",
    ["fault"],
)
RTP_RECEIVED = Counter("onrecord_rtp_received_total", "RTP packets received.")
RTP_DROPPED = Counter("onrecord_rtp_dropped_total", "RTP datagrams not kept.", ["reason"])
WEBHOOKS = Counter("onrecord_webhooks_total", "Webhook attempts.", ["outcome"])
TRANSCRIPTIONS = Counter(
    "onrecord_transcriptions_total", "Tries at a transcription.", ["engine", "outcome"]
)
FILE_MOVES = Counter(
    "onrecord_file_moves_total",
    "Tries to move a file into the bucket that had not taken it.",
    ["outcome"],
)
API_ERRORS = Counter("onrecord_api_errors_total", "API requests refused.", ["code"])
COMMAND_SECONDS = Histogram(
    "onrecord_command_seconds", "Time to carry out a call command.", ["command"]
)
