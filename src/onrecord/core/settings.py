"""The settings: read once at start, immutable, each from the environment, ``onrecord.toml`` or a default.

Precedence: command line, environment (``ONRECORD_HTTP_PORT=8081``), ``onrecord.toml``, default. A key
that is not known is refused with the nearest known name: a misspelt setting must not pass unseen.
"""

import difflib
import ipaddress
import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from onrecord.core.errors import OnrecordError
from onrecord.core.ids import NodeId

ENVIRONMENT_PREFIX = "ONRECORD_"
FILE_NAME = "onrecord.toml"

_CODECS = frozenset({"PCMU", "PCMA", "G722", "OPUS", "L16"})

Port = Annotated[int, Field(ge=0, le=65535)]


class SettingsError(OnrecordError):
    """A setting is unknown or has a value that cannot be; the text says which and what to do."""


class Settings(BaseSettings):
    """Every setting of the server; a field's description is its documentation."""

    model_config = SettingsConfigDict(
        env_prefix=ENVIRONMENT_PREFIX,
        frozen=True,
        extra="forbid",
        nested_model_default_partial_update=False,
    )

    data: Path = Field(Path("data"), description="Folder for everything that the server keeps.")
    bind: str = Field("127.0.0.1", description="IP address that HTTP, SIP and RTP listen on.")
    http_port: Port = Field(8080, description="TCP port of the HTTP API; 0 takes a free one.")
    sip_port: Port = Field(5060, description="UDP and TCP port for SIP; 0 takes a free one.")
    rtp_ports: str = Field(
        "10000-20000",
        description="Range of UDP ports for RTP and RTCP, ``first-last``; two per leg.",
    )
    external_address: str | None = Field(
        None, description="IP address to tell SIP peers, where it differs from ``bind`` (NAT)."
    )
    public_url: str | None = Field(
        None, description="Base of the links to files; by default ``http://bind:http_port``."
    )
    api_key: str | None = Field(
        None, description="An API key that is valid beside those made with ``onrecord keys``."
    )
    node: NodeId = Field(
        NodeId("n1"), description="Name of this machine, 1 to 16 of A-Z a-z 0-9 - _."
    )
    default_application: str | None = Field(
        None, description="Id of the application for calls to a number without a route."
    )
    outbound_proxy: str | None = Field(
        None, description="SIP URI that outgoing calls to +E.164 numbers are sent through."
    )
    ring_timeout_secs: int = Field(
        120, ge=5, le=600, description="How long an incoming call waits for a command."
    )
    link_valid_secs: int = Field(
        600, ge=1, le=604800, description="How long a link to a file or picture is valid."
    )
    webhook_timeout_ms: int = Field(
        2000, ge=100, le=30000, description="How long a webhook receiver may take to answer."
    )
    webhook_retry_secs: tuple[float, ...] = Field(
        (2, 8, 30, 120, 600, 3600, 21600, 86400),
        description="Waits before the retries of a webhook, seconds; then it is given up.",
    )
    idle_packet_ms: int = Field(
        5000,
        ge=20,
        le=15000,
        description="Time between the silent packets that keep an idle leg's NAT open (RFC 6263).",
    )
    rtp_relearn_secs: float = Field(
        5.0,
        ge=0,
        le=600,
        description="After so much silence a peer's audio may come from another address, if it goes on"
        " with its stream (a NAT that changed its port); 0: never.",
    )
    strict_channels: bool = Field(
        True, description="Refuse record_start without ``channels``; off: single is taken."
    )
    max_legs: int = Field(2000, ge=1, description="Legs that may be up at the same time.")
    max_body_bytes: int = Field(1_000_000, ge=1024, description="Largest accepted request body.")
    rate_per_second: float = Field(
        1000, gt=0, le=1_000_000, description="API requests that one key may make in a second."
    )
    rate_burst: int = Field(
        2000, ge=1, le=1_000_000, description="API requests that one key may make at once."
    )
    keep_history_days: float = Field(
        30,
        gt=0,
        le=36500,
        description="How long ended calls, their commands and the deliveries of their webhooks are"
        " kept. Recordings and transcriptions stay until they are deleted.",
    )
    fold_ms: int = Field(
        500, ge=50, le=2000, description="How often received packets are moved to the spools."
    )
    codecs: str = Field(
        "PCMU,PCMA,G722,opus",
        description="Audio codecs of calls, of PCMU, PCMA, G722, opus and L16; our offers list them in"
        " this order, and of an offer the codec that the caller likes best is taken.",
    )
    tick_ms: int = Field(10, ge=1, le=50, description="How often sockets are read.")
    transcription_model: str = Field(
        "small",
        description="Whisper model of the local engine: a name in ``models_folder``, or a folder.",
    )
    models_folder: Path | None = Field(
        None, description="Folder of pulled Whisper models; by default ``models`` in ``data``."
    )
    transcription_threads: int = Field(
        2, ge=1, le=64, description="Processor threads of one local transcription."
    )
    engine_fallback: str = Field(
        "local",
        description="``local``: the local engine transcribes what the engine asked for cannot;"
        " ``none``: nobody does.",
    )
    google_credentials: str | None = Field(
        None,
        description="JSON key file of a Google service account, or ``environment`` for the"
        " credentials that the machine offers; needed for transcription engine A.",
    )
    google_bucket: str | None = Field(
        None, description="Cloud Storage bucket through which engine A hears more than a minute."
    )
    google_endpoint: str | None = Field(
        None, description="Speech-to-Text endpoint of a region; by default Google's global one."
    )
    deepgram_api_key: str | None = Field(
        None, description="Needed for transcription engine deepgram/nova-3."
    )
    deepgram_url: str = Field(
        "https://api.deepgram.com", description="Base URL of Deepgram, hosted or your own."
    )
    beep_hz: int = Field(1400, ge=100, le=3400, description="Tone of record_start's ``play_beep``.")
    beep_ms: int = Field(300, ge=20, le=5000, description="How long that beep is.")
    beep_dbfs: float = Field(-12.0, ge=-60, le=0, description="Its peak level, dB of full scale.")
    pause_mode: Literal["absent", "silence"] = Field(
        "absent", description="What a pause is in the file: left out, or silence of its length."
    )
    file_sample_rate: Literal[0, 8000, 16000, 48000] = Field(
        0, description="Sample rate of recordings, Hz; 0 takes that of the best codec heard."
    )
    keep_up_after_secs: float = Field(
        120.0,
        ge=0,
        le=86400,
        description="Recordings that run longer are mastered while they run, so that their files are"
        " there at once when they end; 0: none are.",
    )
    playback_max_bytes: int = Field(
        20_000_000, ge=1024, description="Largest file that playback_start takes."
    )
    playback_max_secs: float = Field(
        3600, gt=0, description="Longest audio that playback_start takes."
    )
    playback_fetch_secs: float = Field(
        10, gt=0, le=120, description="How long fetching an ``audio_url`` may take."
    )
    speech_program: str = Field(
        "espeak-ng",
        description="eSpeak NG's program, for the speak command; empty: the server does not speak.",
    )
    log_level: str = Field("info", description="debug, info, warning or error.")
    log_format: str = Field("json", description="``json`` or ``text``.")

    @field_validator("node")
    @classmethod
    def _node_is_short(cls, value: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,16}", value):
            raise ValueError("must be 1 to 16 letters, digits, '-' or '_'")
        return value

    @field_validator("bind", "external_address")
    @classmethod
    def _address_is_ip(cls, value: str | None) -> str | None:
        if value is not None:
            ipaddress.ip_address(value)
        return value

    @field_validator("log_level")
    @classmethod
    def _level_is_known(cls, value: str) -> str:
        if value not in {"debug", "info", "warning", "error"}:
            raise ValueError("must be debug, info, warning or error")
        return value

    @field_validator("engine_fallback")
    @classmethod
    def _fallback_is_known(cls, value: str) -> str:
        if value not in {"local", "none"}:
            raise ValueError("must be local or none")
        return value

    @field_validator("log_format")
    @classmethod
    def _format_is_known(cls, value: str) -> str:
        if value not in {"json", "text"}:
            raise ValueError("must be json or text")
        return value

    @field_validator("codecs")
    @classmethod
    def _codecs_are_known(cls, value: str) -> str:
        names = [name.strip().upper() for name in value.split(",")]
        if not names or not set(names) <= _CODECS or len(set(names)) < len(names):
            raise ValueError("must be a list like PCMU,PCMA of PCMU, PCMA, G722, opus and L16")
        return value

    @model_validator(mode="after")
    def _ports_are_a_range(self) -> Self:
        _ = self.rtp_port_range
        return self

    @model_validator(mode="after")
    def _peers_can_be_told_an_address(self) -> Self:
        if ipaddress.ip_address(self.advertised_address).is_unspecified:
            raise ValueError(
                f"bind {self.bind} says nothing that SIP peers could send to: set external_address"
            )
        return self

    @property
    def rtp_port_range(self) -> range:
        """The even ports of ``rtp_ports`` whose odd neighbour is in the range too.

        Raises:
            ValueError: the text is not ``first-last`` with room for one pair.
        """
        match = re.fullmatch(r"(\d{1,5})-(\d{1,5})", self.rtp_ports)
        if not match:
            raise ValueError("rtp_ports must be first-last, for example 10000-20000")
        first, last = int(match[1]), int(match[2])
        first += first % 2
        if first < 1024 or last > 65535 or first + 1 > last:
            raise ValueError("rtp_ports must lie in 1024-65535 and hold an even port and the next")
        return range(first, last, 2)

    @property
    def codec_names(self) -> tuple[str, ...]:
        """The names of ``codecs``, upper case."""
        return tuple(name.strip().upper() for name in self.codecs.split(","))

    @property
    def advertised_address(self) -> str:
        """The IP address that peers are told."""
        return self.external_address or self.bind

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 -- the library's signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 -- the library's signature
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Command line over environment over file."""
        file = Path(os.environ.get("ONRECORD_CONFIG", FILE_NAME))
        toml = TomlConfigSettingsSource(settings_cls, toml_file=file)
        return init_settings, env_settings, toml


def load_settings(**given: Any) -> Settings:
    """The settings, with ``given`` (the command line's; None means not given) over all else.

    Raises:
        SettingsError: an unknown key or an impossible value; the text names it.
    """
    known = set(Settings.model_fields)
    for name in os.environ:
        if name.startswith(ENVIRONMENT_PREFIX) and name != "ONRECORD_CONFIG":
            _refuse_unknown(name.removeprefix(ENVIRONMENT_PREFIX).lower(), known, name)
    try:
        return Settings(**{key: value for key, value in given.items() if value is not None})
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{FILE_NAME} is not valid TOML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"]) or "settings"
        if first["type"] == "extra_forbidden":
            _refuse_unknown(name, known, name)
        raise SettingsError(f"setting {name}: {first['msg']}") from error


def _refuse_unknown(name: str, known: set[str], shown: str) -> None:
    if name in known:
        return
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"; the nearest known setting is {near[0]}" if near else ""
    raise SettingsError(f"unknown setting {shown}{hint}")
