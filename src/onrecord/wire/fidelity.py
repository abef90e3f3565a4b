"""How faithful recordings are: a member of theirs, and their reports. All of it only this server has."""

import json

from onrecord.calls.records import FidelityReport, Recording
from onrecord.core.units import iso_millis


def fidelity_member(recording: Recording) -> dict[str, object]:
    """``fidelity``, of a recording that is finished."""
    told = recording.fidelity
    if told is None:
        return {}
    return {
        "fidelity": {
            "mos": told.mos,
            "loss_percent": told.loss_percent,
            "gaps": told.gaps,
            "gaps_millis": told.gaps_ms,
            "concealed_millis": told.concealed_ms,
            "tracks_without_audio": list(told.without_audio),
            "silent": told.silent,
            "torn": told.torn,
            "report_url": f"/v2/recordings/{recording.id}/report",
        }
    }


def report_resource(
    recording: Recording, report: FidelityReport, picture: str
) -> dict[str, object]:
    """A report as GET /v2/recordings/{id}/report shows it; ``picture`` is a URL of its picture."""
    return {
        "record_type": "recording_report",
        "recording_id": recording.id,
        "recording_started_at": iso_millis(recording.started_ns),
        "duration_millis": recording.duration_ms,
        "picture_url": picture,
        **json.loads(report.document),
    }
