"""Speech: where there is any, and what is said.

- :class:`Listener` and :class:`SilenceTimer`: the silence that ends a recording, live;
- :func:`regions`, :func:`trim_bounds`: where there is speech in samples, and where ``trim-silence`` cuts;
- :class:`Transcriber`: a finished file to a :class:`Transcript`, by the engine that is asked for, through
  :class:`FileProgress` resumable;
- :func:`web_vtt`, :func:`plain_text`: a transcript for people;
- :func:`pull_model`, :func:`list_models`: the local engine's models.

Networks and clients are imported when they are first used. onnxruntime, faster-whisper, CTranslate2 and Google's
client are at home here and nowhere else.
"""

from onrecord.speech.engines import (
    DEEPGRAM,
    DETECT,
    ENGINES,
    GOOGLE,
    LOCAL,
    MemoryProgress,
    Progress,
    Segment,
    Transcript,
    TranscriptionRequest,
    Word,
)
from onrecord.speech.languages import check
from onrecord.speech.listening import Listener
from onrecord.speech.progress import FileProgress
from onrecord.speech.rendering import plain_text, web_vtt
from onrecord.speech.selection import Chosen, Refusal, choose
from onrecord.speech.silence import SilenceState, SilenceTimer
from onrecord.speech.transcriber import Transcriber
from onrecord.speech.trim import trim_bounds
from onrecord.speech.vad import regions
from onrecord.speech.whisper_models import (
    CATALOGUE,
    LocalModel,
    ModelError,
    list_models,
    pull_model,
)

__all__ = [
    "CATALOGUE",
    "DEEPGRAM",
    "DETECT",
    "ENGINES",
    "GOOGLE",
    "LOCAL",
    "Chosen",
    "FileProgress",
    "Listener",
    "LocalModel",
    "MemoryProgress",
    "ModelError",
    "Progress",
    "Refusal",
    "Segment",
    "SilenceState",
    "SilenceTimer",
    "Transcriber",
    "Transcript",
    "TranscriptionRequest",
    "Word",
    "check",
    "choose",
    "list_models",
    "plain_text",
    "pull_model",
    "regions",
    "trim_bounds",
    "web_vtt",
]
