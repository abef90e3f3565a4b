"""The schemas of fidelity: a recording's member, and its report."""

from onrecord.api.openapi.shapes import (
    RECORDING_ID,
    Schema,
    array,
    choice,
    flag,
    moment,
    number,
    obj,
    text,
)
from onrecord.timeline.deviations import Cause
from onrecord.timeline.gaps import GapCause

_PATH = f"/v2/recordings/{RECORDING_ID}/report"


def _measure(description: str, example: float) -> Schema:
    return {"type": "number", "description": description, "examples": [example]}


def _maybe(schema: Schema) -> Schema:
    return schema | {"type": [schema["type"], "null"]}


_MOS = _maybe(
    _measure(
        "Estimated opinion score of the received audio, 1 to 4.5, by the E-model (ITU-T G.107); "
        "null if none came.",
        4.41,
    )
)
_TRACK = choice("A track.", "inbound", "outbound")

FIDELITY = obj(
    {
        "mos": _MOS | {"description": f"{_MOS['description']} The lower of the tracks' scores."},
        "loss_percent": _measure("Packets lost, of the track that lost more.", 0.2),
        "gaps": number(
            "Gaps of all tracks, but for those in which the sender was silent by itself.", 3
        ),
        "gaps_millis": number("Length of those gaps together.", 60),
        "concealed_millis": number("Audio that was made up where packets were lost.", 60),
        "tracks_without_audio": array(_TRACK, "Tracks for which no audio came."),
        "silent": flag("There is nothing to be heard in the file.", False),
        "torn": flag("A crash cut the recording's last write off.", False),
        "report_url": text("Path of the whole report.", _PATH),
    },
    description="How faithful the file is, in a few figures.",
)

PICTURE_URL = text(
    "Link to the report as a picture, valid for ten minutes.",
    f"http://127.0.0.1:8080/pictures/{RECORDING_ID}.png?expires=1770092106&signature=c2lnbmVk",
)

_GAP = obj(
    {
        "start_millis": _measure("Where it begins.", 2000.0),
        "duration_millis": _measure("How long it is.", 40.0),
        "cause": choice("Why there is no audio.", *(cause.value for cause in GapCause)),
        "packets": number("Packets that are missing.", 2),
    }
)
_TOTAL = obj(
    {
        "count": number("How many there are.", 1),
        "duration_millis": _measure("Length of all of them.", 40.0),
    }
)
_CORRECTION = obj(
    {
        "at_millis": _measure("From where on.", 5.0),
        "shift_millis": _measure("How much later than before; negative is earlier.", 0.0),
        "cause": choice("Why.", *(cause.value for cause in Cause)),
    }
)
_CODEC = obj({"start_millis": _measure("From where on.", 5.0), "name": text("Its name.", "PCMU")})

_TRACK_REPORT = obj(
    {
        "packets": number("RTP packets received, without duplicates.", 500),
        "audio_packets": number("Those that carried audio.", 500),
        "lost": number("Packets that never came, by their sequence numbers.", 2),
        "late": number("Audio packets that came too late to be in the file.", 0),
        "duplicates": number("Packets that came again.", 0),
        "reordered": number("Packets that came after a later one.", 0),
        "invalid": number("Datagrams that are no RTP.", 0),
        "refused": number("Datagrams left out as more came than any call sends.", 0),
        "unknown": number("Packets of a payload type that nobody announced.", 0),
        "telephone_events": number("Packets of pressed keys.", 0),
        "comfort_noise": number("Packets of comfort noise.", 0),
        "loss_percent": _measure("Part of the packets that was lost.", 0.4),
        "loss_runs": number("In how many runs they were lost.", 1),
        "jitter_millis": _measure("Mean difference of the delays of neighbours.", 1.7),
        "drift_ppm": _measure("How much slower than ours the sender's clock ran.", 12.5),
        "concealed_millis": _measure("Audio that was made up.", 40.0),
        "blended_millis": _measure(
            "Audio of a fast clock that was blended to half its length to keep the track in time.",
            0,
        ),
        "missing_millis": _measure("Gaps but those in which the sender was silent.", 40.0),
        "one_way": flag("No audio came, while the other track has some.", False),
        "mos": _MOS,
        "mos_scale": choice(
            "What the score is on: scores of different scales cannot be compared.",
            "narrowband",
            "wideband",
            "fullband",
        ),
        "codecs": array(_CODEC, "The codecs, from where on each was used."),
        "gap_totals": {
            "type": "object",
            "description": "All gaps, by cause.",
            "additionalProperties": _TOTAL,
        },
        "gaps": array(_GAP, "The first thousand gaps."),
        "correction_count": number("How often media time was tied to arrival anew.", 1),
        "corrections": array(_CORRECTION, "The first thousand of those."),
    },
    description="One direction of the call.",
)
_CHANNEL = obj(
    {
        "tracks": array(_TRACK, "What is on it."),
        "peak_dbfs": _maybe(_measure("Its loudest sample; null for digital silence.", -3.1)),
        "rms_dbfs": _maybe(_measure("Its mean level; null for digital silence.", -23.4)),
        "clipped_samples": number("Samples at the limit.", 0),
        "silent": flag("There is nothing to be heard.", False),
    }
)
_PAUSE = obj(
    {
        "start_millis": _measure("Where it begins.", 4000.0),
        "end_millis": _measure("Where it ends.", 7000.0),
    }
)

REPORT = obj(
    {
        "record_type": choice("Always `recording_report`.", "recording_report"),
        "recording_id": text("The recording.", RECORDING_ID, format="uuid"),
        "recording_started_at": moment("Time zero of all times below."),
        "duration_millis": _maybe(number("Length of the file.", 60000)),
        "picture_url": PICTURE_URL,
        "version": number("Of the report; members may be added without a new one.", 1),
        "recorded_millis": number("From start to stop, pauses included.", 60000),
        "sample_rate": number("Of the file.", 8000),
        "mos": _MOS,
        "tracks": {
            "type": "object",
            "description": "`inbound` and `outbound`, as far as they are in the file.",
            "additionalProperties": _TRACK_REPORT,
        },
        "channels": array(_CHANNEL, "The channels of the file, the left one first."),
        "pauses": array(_PAUSE, "When the recording was paused."),
        "pauses_kept": flag("Pauses are silence in the file, not left out.", False),
        "trimmed": {
            "type": ["object", "null"],
            "description": "What `trim-silence` cut off, as in the recording; null without it.",
        },
        "torn": flag("A crash cut the recording's last write off.", False),
        "outline_millis": _maybe(
            _measure("How fine the outline is that the picture is drawn from.", 16.0)
        ),
    },
    description="All times are milliseconds since the begin of the recording.",
)
