"""The 245 codes of ``transcription_language`` and what each engine is told for them. Pure.

The codes are those of the reference page of record_start: ``auto_detect``, the 99 languages of Whisper without a
region, and 145 codes with a region. Which engine knows a language, as of October 2025:

- A: the codes with a region are those of Google Speech-to-Text v1; a code without one is sent as a usual region
  of its language, and not at all where the page lists no region of it;
- B: the languages of Whisper's tokenizer (openai-whisper 20250625);
- deepgram/nova-3: the reference page admits English only; regions that Deepgram's "Models & Languages
  Overview" does not list are sent as ``en``.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from onrecord.speech.engines import DEEPGRAM, DETECT, GOOGLE, LOCAL

_BARE_CODES = """
    af am ar as az ba be bg bn bo br bs ca cs cy da de el en es et eu fa fi fo fr gl gu ha haw he hi hr ht hu
    hy id is it ja jw ka kk km kn ko la lb ln lo lt lv mg mi mk ml mn mr ms mt my ne nl nn no oc pa pl ps pt
    ro ru sa sd si sk sl sn so sq sr su sv sw ta te tg th tk tl tr tt uk ur uz vi yi yo zh
"""

_REGIONAL_CODES = """
    af-ZA am-ET ar-AE ar-BH ar-DZ ar-EG ar-IL ar-IQ ar-JO ar-KW ar-LB ar-MA ar-MR ar-OM ar-PS ar-QA ar-SA
    ar-TN ar-YE az-AZ bg-BG bn-BD bn-IN bs-BA ca-ES cs-CZ da-DK de-AT de-CH de-DE el-GR en-AU en-CA en-GB
    en-GH en-HK en-IE en-IN en-KE en-NG en-NZ en-PH en-PK en-SG en-TZ en-US en-ZA es-419 es-AR es-BO es-CL
    es-CO es-CR es-DO es-EC es-ES es-GT es-HN es-MX es-NI es-PA es-PE es-PR es-PY es-SV es-US es-UY es-VE
    et-EE eu-ES fa-IR fi-FI fil-PH fr-BE fr-CA fr-CH fr-FR gl-ES gu-IN hi-IN hr-HR hu-HU hy-AM id-ID is-IS
    it-CH it-IT iw-IL ja-JP jv-ID ka-GE kk-KZ km-KH kn-IN ko-KR lo-LA lt-LT lv-LV mk-MK ml-IN mn-MN mr-IN
    ms-MY my-MM ne-NP nl-BE nl-NL no-NO pa-Guru-IN pl-PL pt-BR pt-PT ro-RO ru-RU rw-RW si-LK sk-SK sl-SI
    sq-AL sr-RS ss-latn-za st-ZA su-ID sv-SE sw-KE sw-TZ ta-IN ta-LK ta-MY ta-SG te-IN th-TH tn-latn-za
    tr-TR ts-ZA uk-UA ur-IN ur-PK uz-UZ ve-ZA vi-VN xh-ZA yue-Hant-HK zh-TW zu-ZA
"""

_BARE = _BARE_CODES.split()
_REGIONAL = _REGIONAL_CODES.split()

_NOT_WHISPER = {"rw", "ss", "st", "tn", "ts", "ve", "xh", "zu"}
_WHISPER_NAMES = {"iw": "he", "jv": "jw", "fil": "tl", "yue": "zh"}
"""Where Google's name of a language is another; ``yue`` came with Whisper large-v3 only."""

_GOOGLE_REGIONS = {
    "ar": "ar-EG",
    "bn": "bn-BD",
    "de": "de-DE",
    "en": "en-US",
    "es": "es-ES",
    "fr": "fr-FR",
    "he": "iw-IL",
    "it": "it-IT",
    "jw": "jv-ID",
    "nl": "nl-NL",
    "nn": "no-NO",
    "pt": "pt-BR",
    "sw": "sw-KE",
    "ta": "ta-IN",
    "tl": "fil-PH",
    "ur": "ur-PK",
    "zh": "cmn-Hans-CN",
}
"""What a code without a region means to Google, where it has several or another name."""
_GOOGLE_SPELLINGS = {
    "zh-TW": "cmn-Hant-TW",
    "ss-latn-za": "ss-Latn-ZA",
    "tn-latn-za": "tn-Latn-ZA",
}

_DEEPGRAM = {"en", "en-AU", "en-GB", "en-IN", "en-NZ", "en-US"}


@dataclass(frozen=True, slots=True)
class Codes:
    """What each engine is told; None where it does not know the language."""

    google: str | None
    local: str | None
    """Whisper's code; empty to detect it."""
    deepgram: str | None


@functools.cache
def table() -> Mapping[str, Codes]:
    """All 245 codes, in alphabetical order."""
    codes = sorted([*_BARE, *_REGIONAL, DETECT], key=str.lower)
    return MappingProxyType({c: Codes(_google(c), _local(c), _deepgram(c)) for c in codes})


def code_for(engine: str, language: str) -> str | None:
    """What the engine is told for a language; None where it does not know it. Never raises."""
    codes = table().get(language)
    if codes is None:
        return None
    known = {GOOGLE: codes.google, LOCAL: codes.local, DEEPGRAM: codes.deepgram}
    return known.get(engine)


def check(engine: str, language: str) -> str | None:
    """Why the engine cannot transcribe the language by itself; None where it can. Never raises.

    Engine A has no detection of its own: it needs the local engine for ``auto_detect``, which
    :func:`onrecord.speech.selection.choose` takes into account.
    """
    if language not in table():
        return f"{language} is not a code of transcription_language"
    if code_for(engine, language) is not None:
        return None
    if language == DETECT:
        return f"engine {engine} does not detect the language: name it"
    return f"engine {engine} does not know the language {language}"


def _google(code: str) -> str | None:
    if code == DETECT:
        return None
    if "-" in code:
        return _GOOGLE_SPELLINGS.get(code, code)
    return _GOOGLE_REGIONS.get(code) or next(
        (region for region in _REGIONAL if region.startswith(f"{code}-")), None
    )


def _local(code: str) -> str | None:
    if code == DETECT:
        return ""
    base = code.split("-", maxsplit=1)[0]
    return None if base in _NOT_WHISPER else _WHISPER_NAMES.get(base, base)


def _deepgram(code: str) -> str | None:
    if code.split("-", maxsplit=1)[0] != "en":
        return None
    return code if code in _DEEPGRAM else "en"
