"""Paths of recordings, of their files, and of the buckets that files go to."""

from typing import Any

from onrecord.api.openapi import operations as ops
from onrecord.api.openapi import reports, schemas, shapes
from onrecord.api.openapi.shapes import Schema, ref
from onrecord.wire import errors, queries
from onrecord.wire.bodies import recordings as bodies
from onrecord.wire.fields import object_schema
from onrecord.wire.storage import request_schema

SCHEMAS: Schema = {
    "Recording": schemas.RECORDING,
    "RecordingReport": reports.REPORT,
    "StorageCredentials": schemas.STORAGE_CREDENTIALS,
    "StorageCredentialsRequest": request_schema(),
    "DeleteRecordingsRequest": object_schema(bodies.RECORDING_IDS, "Delete recordings"),
}


_SIGNED = [
    ops.query("expires", "When the link ends, as it was given.", {"type": "string"}),
    ops.query("signature", "Signature of the link, as it was given.", {"type": "string"}),
]
_LINK_REFUSED: Schema = {
    "403": ops.refusal("The link is wrong or has expired.", {"link": errors.link_refused()})
}
_NO_REPORT: Schema = {
    "404": ops.refusal(
        "There is no such recording, or it is not finished yet.",
        {"not_found": errors.not_found("recording"), "not_finished": errors.not_finished()},
    )
}


def paths() -> Schema:
    """The paths, as JSON values."""
    return _recording_paths() | _storage_paths()


def _recording_paths() -> Schema:
    recording = ops.path_parameter("recording_id", "The recording.", shapes.RECORDING_ID)
    filters = [
        ops.query(f"filter[{name}]", f"Only recordings with this `{name}`.", {"type": "string"})
        for name in queries.EQUALITY_FILTERS
    ]
    filters += [
        ops.query(
            f"filter[{name}][{bound}]",
            f"Only recordings whose `{name}` is at or {word} this ISO 8601 time.",
            {"type": "string", "format": "date-time"},
        )
        for name in queries.TIME_FILTERS
        for bound, word in (("gte", "after"), ("lte", "before"))
    ]
    key = ops.path_parameter("key", "Key of the file.", "2026-02-03/recording/name-1770091506.mp3")
    return {
        "/v2/recordings": {
            "get": ops.operation(
                "ListRecordings",
                "Recordings",
                "List recordings",
                ops.listing("Recording", "Finished recordings, newest first."),
                parameters=[*ops.page_parameters(), *filters],
            )
        },
        "/v2/recordings/{recording_id}": {
            "parameters": [recording],
            "get": ops.operation(
                "RetrieveRecording",
                "Recordings",
                "Look up a recording",
                ops.data("Recording", "The recording, with a fresh link to its file."),
            ),
            "delete": ops.operation(
                "DeleteRecording",
                "Recordings",
                "Delete a recording",
                ops.data("Recording", "The recording that was deleted, and its file with it."),
            ),
        },
        **_report_paths(recording),
        "/v2/recordings/actions/delete": {
            "post": ops.operation(
                "DeleteRecordings",
                "Recordings",
                "Delete several recordings",
                ops.answer("Done.", shapes.obj({"status": shapes.choice("Always so.", "ok")})),
                body=ops.body("DeleteRecordingsRequest", {"ids": [shapes.RECORDING_ID]}),
                refusals={"missing_required_parameter": errors.missing("ids")},
            )
        },
        "/files/{key}": {
            "parameters": [key, *_SIGNED],
            "get": _file("GetFile", "Fetch a file"),
            "head": _file("HeadFile", "Ask for a file's size and type"),
        },
    }


def _report_paths(recording: Schema) -> Schema:
    image = {"image/png": {"schema": {"type": "string", "format": "binary"}}}
    picture = {"200": {"description": "The picture.", "content": image}} | _NO_REPORT
    return {
        "/v2/recordings/{recording_id}/report": {
            "parameters": [recording],
            "get": ops.operation(
                "RetrieveRecordingReport",
                "Recordings",
                "Look up how faithful a recording is",
                ops.data("RecordingReport", "The report.") | _NO_REPORT,
                description=(
                    "Says what was received of each track, each gap and its cause, what was "
                    "corrected and made up, how loud it is, and how good a call it was. It is "
                    "there as soon as the recording is, and as long."
                ),
            ),
        },
        "/v2/recordings/{recording_id}/report.png": {
            "parameters": [recording],
            "get": ops.operation(
                "RetrieveRecordingPicture",
                "Recordings",
                "See a recording and its gaps",
                picture,
                description=(
                    "The waveform of each channel over the time of the call, gaps coloured by "
                    "their causes, pauses hatched. No audio file is read for it."
                ),
            ),
        },
        "/pictures/{recording_id}.png": {
            "parameters": [recording, *_SIGNED],
            "get": {
                "operationId": "GetPicture",
                "tags": ["Recordings"],
                "summary": "See a recording and its gaps, without a key",
                "description": (
                    "The same picture, behind a link of `picture_url`. The link itself is the "
                    "permission, so a page can show it."
                ),
                "security": [],
                "responses": picture
                | _LINK_REFUSED
                | {"default": ops.refusal("Something else is wrong.", {})},
            },
        },
    }


def _file(operation_id: str, summary: str) -> Schema:
    audio = {kind: {"schema": {"type": "string"}} for kind in ("audio/wav", "audio/mpeg")}
    return {
        "operationId": operation_id,
        "tags": ["Recordings"],
        "summary": summary,
        "description": (
            "Serves the file behind a link of `download_urls` or `recording_urls`. The link itself "
            "is the permission; a single `Range` is honoured."
        ),
        "security": [],
        "responses": {
            "200": {"description": "The file.", "content": audio},
            "206": {"description": "A part of the file.", "content": audio},
            **_LINK_REFUSED,
            "default": ops.refusal("Something else is wrong.", {}),
        },
    }


def _storage_paths() -> Schema:
    example = {
        "backend": "s3-generic",
        "configuration": {
            "bucket": "recordings",
            "region": "us-east-1",
            "endpoint": "https://minio.example.com",
            "aws_access_key_id": "AKIAIOSFODNN7EXAMPLE",
            "aws_secret_access_key": "secret",
        },
    }
    kept = ops.answer("The credentials, with secrets hidden.", ref("StorageCredentials"))
    given: Schema = {
        "description": "Files of the application's recordings go to the bucket from now on.",
        "body": ops.body("StorageCredentialsRequest", example),
        "refusals": {"missing_required_parameter": errors.missing("configuration/bucket")},
    }

    def operation(name: str, summary: str, answer: Schema, **more: Any) -> Schema:
        return ops.operation(f"{name}StorageCredentials", "Recordings", summary, answer, **more)

    return {
        "/v2/custom_storage_credentials/{connection_id}": {
            "parameters": [
                ops.path_parameter("connection_id", "The application.", shapes.CONNECTION_ID)
            ],
            "post": operation("Create", "Store files in a bucket", kept, **given),
            "put": operation("Update", "Store files in another bucket", kept, **given),
            "get": operation("Retrieve", "Look up where files are stored", kept),
            "delete": operation(
                "Delete", "Store files with this server", {"204": {"description": "Done."}}
            ),
        }
    }
