"""Bodies that are about recordings: record_start as its reference page has it, and what is like it."""

from dataclasses import replace
from typing import Any

from onrecord.wire import errors
from onrecord.wire.bodies.members import (
    CLIENT_STATE,
    COMMAND_ID,
    RECORDING_ID,
    WEBHOOK_FIELDS,
)
from onrecord.wire.fields import Choice, Field, Flag, Integer, ListOf, Text
from onrecord.wire.languages import LANGUAGES

FORMATS = ("wav", "mp3")
CHANNELS = ("single", "dual")
TRACKS = ("both", "inbound", "outbound")
ENGINES = ("A", "B", "deepgram/nova-3")
DEEPGRAM = "deepgram/nova-3"
MAX_LENGTH_SECS = 14400
DIAL_MAX_LENGTH_SECS = 43200

RECORD_START: tuple[Field, ...] = (
    Choice(
        name="format",
        description="Type of the audio file: `wav` is 16-bit PCM, `mp3` is smaller.",
        example="mp3",
        required=True,
        values=FORMATS,
    ),
    Choice(
        name="channels",
        description=(
            "`dual` gives a stereo file: the first leg of the session on channel A (left), all "
            "others on channel B (right). `single` mixes everything into one channel."
        ),
        example="single",
        required=True,
        values=CHANNELS,
    ),
    CLIENT_STATE,
    COMMAND_ID,
    Flag(
        name="play_beep",
        description="Play a beep to the party when the recording begins.",
        example=True,
    ),
    Integer(
        name="max_length",
        description="Seconds after which the recording stops by itself; 0 means never.",
        example=100,
        default=0,
        low=0,
        high=MAX_LENGTH_SECS,
    ),
    Integer(
        name="timeout_secs",
        description=(
            "Seconds of silence after which the recording stops, counted only once speech was "
            "heard; 0 means never."
        ),
        example=100,
        default=0,
        low=0,
    ),
    Choice(
        name="recording_track",
        description=(
            "What to record: `inbound` is what the party of this leg says, `outbound` what is "
            "sent to it. One track alone gives a mono file, whatever `channels` says."
        ),
        example="outbound",
        default="both",
        values=TRACKS,
    ),
    Choice(
        name="trim",
        description="`trim-silence` cuts silence off the beginning and the end of the file.",
        example="trim-silence",
        values=("trim-silence",),
    ),
    Text(
        name="custom_file_name",
        description=(
            "Name of the file instead of the call_leg_id; the Unix time is added in either case. "
            "What a file name cannot hold becomes `_`."
        ),
        example="my_recording_file_name",
        low=1,
        high=40,
    ),
    Flag(
        name="transcription",
        description="Transcribe the recording once it is finished.",
        example=True,
        default=False,
    ),
    Choice(
        name="transcription_engine",
        description=(
            "Speech engine: `A` (Google), `B` (Telnyx) or `deepgram/nova-3`, which takes only "
            "`en` and `en-…` languages."
        ),
        example="A",
        default="A",
        values=ENGINES,
    ),
    Choice(
        name="transcription_language",
        description="Language that is spoken. Not every engine knows every language.",
        example="en-US",
        default="en-US",
        values=LANGUAGES,
    ),
    Flag(
        name="transcription_profanity_filter",
        description="Mask swear words; engine `A` only.",
        example=True,
        default=False,
    ),
    Flag(
        name="transcription_speaker_diarization",
        description="Tell speakers apart; engine `A` only.",
        example=True,
        default=False,
    ),
    Integer(
        name="transcription_min_speaker_count",
        description="Fewest speakers to expect; engine `A` only.",
        example=4,
        default=2,
    ),
    Integer(
        name="transcription_max_speaker_count",
        description="Most speakers to expect; engine `A` only. Not below the fewest.",
        example=4,
        default=6,
    ),
)
RECORD_START_LENIENT: tuple[Field, ...] = tuple(
    replace(member, required=False, default="single") if member.name == "channels" else member
    for member in RECORD_START
)
"""For the setting ``strict_channels`` off."""


def _of_one(description: str) -> tuple[Field, ...]:
    """The body of a command that is for one recording of the call or for all of them."""
    recording = replace(RECORDING_ID, description=description)
    return CLIENT_STATE, COMMAND_ID, recording, *WEBHOOK_FIELDS


RECORD_STOP = _of_one("The recording to stop; without it all recordings of the call are stopped.")
RECORD_PAUSE = _of_one("The recording to pause; without it all of the call that run are paused.")
RECORD_RESUME = _of_one("The recording to go on with; without it all of the call that are paused.")

_OF_START = {member.name: member for member in RECORD_START}


def _as_in_start(name: str, **other: Any) -> Field:
    """A member of record_start in a body where its name begins with ``record_``."""
    own = "record_" + name.removeprefix("recording_")
    changes: dict[str, Any] = {
        "required": False,
        "description": f"As `{name}` of record_start.",
    } | other
    return replace(_OF_START[name], name=own, **changes)


RECORD_FROM_ANSWER: tuple[Field, ...] = (
    Choice(
        name="record",
        description="Record the call from its answer on.",
        example="record-from-answer",
        values=("record-from-answer",),
    ),
    _as_in_start("channels", example="dual", default="dual"),
    _as_in_start("format", default="mp3"),
    _as_in_start("custom_file_name"),
    _as_in_start(
        "max_length",
        description="As `max_length` of record_start, with a higher bound.",
        example=1000,
        high=DIAL_MAX_LENGTH_SECS,
    ),
    _as_in_start("timeout_secs", refuse=errors.bad_record_timeout),
    _as_in_start("recording_track"),
    _as_in_start("trim"),
)

RECORDING_IDS: tuple[Field, ...] = (
    ListOf(
        name="ids",
        description="Ids of the recordings to delete; unknown ones are passed over.",
        example=["6a09cdc3-8948-47f0-aa62-74ac943d6c58"],
        required=True,
        low=1,
        high=1000,
        item=Text(name="id", description="Id of a recording.", high=255),
    ),
)
