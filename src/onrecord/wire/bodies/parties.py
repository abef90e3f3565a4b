"""Members of dial, answer, bridge and transfer that say what the parties of a call hear, and in which codec."""

from onrecord.calls.media import COUNTRIES
from onrecord.wire.fields import NAME, URL, Choice, Field, Flag, Text

MUTED = ("none", "both", "self", "opposite")

PREFERRED_CODECS = Text(
    name="preferred_codecs",
    description=(
        "Names of codecs, with commas between them, best first: PCMU, PCMA, G722, OPUS, L16. Those of "
        "the setting `codecs` that are not named come behind; others are passed over."
    ),
    example="G722,PCMU",
    high=255,
    form=NAME,
)
MUTE_DTMF = Choice(
    name="mute_dtmf",
    description=(
        "Who does not get the digits that the other party presses: `self` is the party of this leg, "
        "`opposite` the other one. Webhooks tell of them all the same."
    ),
    example="opposite",
    default="none",
    values=MUTED,
)
RINGTONE: tuple[Field, ...] = (
    Flag(
        name="play_ringtone",
        description="Play a ringback tone to the waiting party while the other one rings.",
        example=True,
        default=False,
    ),
    Choice(
        name="ringtone",
        description="Country whose ringback tone it is.",
        example="us",
        default="us",
        values=COUNTRIES,
    ),
)
AUDIO_ON_ANSWER: tuple[Field, ...] = (
    Text(
        name="audio_url",
        description=(
            "WAV or MP3 file that the called party hears on its answer, before it is connected with "
            "another leg."
        ),
        example="https://example.com/whisper.mp3",
        form=URL,
    ),
    Text(
        name="media_name",
        description="The same for a file in the folder `media` of the server's data folder.",
        example="whisper.wav",
        low=1,
        high=255,
        form=NAME,
    ),
)
HOLD_AFTER_UNBRIDGE = Flag(
    name="hold_after_unbridge",
    description="This leg stays up when the other one leaves it, as with `park_after_unbridge`.",
    example=True,
    default=False,
)
