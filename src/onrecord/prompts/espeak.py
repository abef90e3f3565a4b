"""Speaks text with eSpeak NG, where it is installed: one process for each text, ended when it takes long."""

import asyncio
import contextlib
import shutil
from asyncio.subprocess import DEVNULL, PIPE, Process

from onrecord.calls.media import PromptFailed, Spoken

SPEAK_SECS = 20.0
MOST_AT_ONCE = 2
"""Processes; further texts wait."""
MOST_BYTES = 32_000_000
"""Of audio: twelve minutes at the engine's 22,050 Hz."""

_LANGUAGES = {"arb": "ar", "en-GB-WLS": "en-gb"}
"""Where the engine's name differs from Telnyx's."""
_REGIONS = frozenset({"en-gb", "en-us", "es-es", "fr-fr", "pt-br", "pt-pt"})
"""Languages of which the engine has the region, too."""
_FEMALE = "+f3"
_SPELLED = {"es-es": "es", "es-mx": "es-419", "es-us": "es-419", "pt-pt": "pt"}


class Espeak:
    """The local engine. It knows two voices: ``male`` (and all names that it does not know), ``female``."""

    def __init__(self, program: str) -> None:
        """``program`` is looked for on PATH; empty for none."""
        self._program = shutil.which(program) if program else None
        self._turns = asyncio.Semaphore(MOST_AT_ONCE)

    @property
    def installed(self) -> bool:
        """Whether it can speak at all."""
        return self._program is not None

    async def speak(self, what: Spoken) -> bytes:
        """The text as a WAV file.

        Raises:
            PromptFailed: the engine is not there, failed, or took too long.
        """
        if self._program is None:
            raise PromptFailed("no speech engine is installed")
        async with self._turns:
            return await self._run(self._program, what)

    async def _run(self, program: str, what: Spoken) -> bytes:
        voice = engine_voice(what.language, what.voice)
        try:
            process = await asyncio.create_subprocess_exec(
                program, "-v", voice, "--stdin", "--stdout", *(["-m"] if what.ssml else []),
                stdin=PIPE, stdout=PIPE, stderr=DEVNULL,
            )  # fmt: skip
        except OSError as error:
            raise PromptFailed(f"the speech engine cannot be started: {error}") from error
        try:
            async with asyncio.timeout(SPEAK_SECS):
                content = await _exchange(process, what.text)
        except TimeoutError as error:
            raise PromptFailed(f"the speech engine took more than {SPEAK_SECS:g} s") from error
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if process.returncode != 0 or not content:
            raise PromptFailed(f"the speech engine failed with {process.returncode}")
        return content


async def _exchange(process: Process, text: str) -> bytes:
    assert process.stdin is not None  # noqa: S101 -- both are pipes
    assert process.stdout is not None  # noqa: S101
    with contextlib.suppress(ConnectionError):  # its exit code tells
        process.stdin.write(text.encode())
        await process.stdin.drain()
    process.stdin.close()
    content = bytearray()
    while part := await process.stdout.read(65_536):
        content += part
        if len(content) > MOST_BYTES:
            raise PromptFailed("the text is too long to speak")
    await process.wait()
    return bytes(content)


def engine_voice(language: str, voice: str) -> str:
    """The engine's name for a language and the sex of a voice."""
    name = _LANGUAGES.get(language) or language.lower()
    name = _SPELLED.get(name, name if name in _REGIONS else name.partition("-")[0])
    return name + (_FEMALE if voice.lower() == "female" else "")
