"""Which transcription engines this server can use, and what to say where it cannot."""

import structlog

from onrecord.calls.records import RecordingParams
from onrecord.core.settings import Settings
from onrecord.speech.engines import ENGINES
from onrecord.speech.languages import check
from onrecord.speech.selection import Refusal
from onrecord.speech.transcriber import Transcriber

NO_ENGINE = (
    "no transcription engine is usable on this server: set transcription_model to a model that is there"
    " (onrecord models pull small), google_credentials or deepgram_api_key"
)

log = structlog.get_logger()


class Engines:
    """The engines as they are when asked: a model that was pulled meanwhile counts at once."""

    def __init__(self, settings: Settings) -> None:
        self._transcriber = Transcriber.from_settings(settings)

    def usable(self) -> list[str]:
        """Their names."""
        configured = self._transcriber.configured()
        return [name for name in ENGINES if name in configured]

    def refusal(self, params: RecordingParams) -> str | None:
        """Why none can transcribe a recording as asked, and what to change; None where one can."""
        asked, language = params.transcription_engine, params.transcription_language
        chosen = self._transcriber.choose(asked, language)
        if not isinstance(chosen, Refusal):
            return None
        usable = self.usable()
        if not usable:
            return _sentence(NO_ENGINE)
        able = [name for name in usable if name != asked and check(name, language) is None]
        instead = f"; {language} is known to {', '.join(able)}" if able else ""
        return _sentence(chosen.reason + instead)

    def report(self) -> None:
        """Say in the log what there is; loudly where there is nothing."""
        usable = self.usable()
        if usable:
            log.info("transcription_engines", usable=usable)
        else:
            log.warning("no_transcription_engine", reason=NO_ENGINE)


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
