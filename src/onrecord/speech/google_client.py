"""Google's Speech-to-Text v1 client behind four calls; its errors come out as ours."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from onrecord.core.errors import DestinationError

if TYPE_CHECKING:
    from google.cloud import speech_v1

    Results = Sequence[speech_v1.SpeechRecognitionResult]

RECOGNIZE_TIMEOUT_SECS: Final = 120.0
CALL_TIMEOUT_SECS: Final = 30.0

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_PLAIN = "http://"
_AGAIN = frozenset({1, 2, 4, 8, 10, 13, 14})
"""gRPC codes that may pass: cancelled, unknown, deadline, quota, aborted, internal, unavailable."""


class OperationFailedError(DestinationError):
    """A long operation ended without a result, or is not known any more: it must be begun anew."""


@dataclass(frozen=True, slots=True)
class GoogleAccess:
    """Where the service is and who asks."""

    credentials: Path | None = None
    """A JSON file of a service account; None: what the machine's environment offers."""
    endpoint: str | None = None
    """``host`` of a region, for example ``eu-speech.googleapis.com``; ``http://host:port`` for a server
    of one's own without TLS and credentials; None: Google's default."""
    timeout_secs: float = RECOGNIZE_TIMEOUT_SECS
    """How long the transcription of a minute may take."""

    @property
    def plain(self) -> bool:
        """Without TLS and credentials."""
        return (self.endpoint or "").startswith(_PLAIN)


class Speech:
    """The client, made at the first use."""

    def __init__(self, access: GoogleAccess) -> None:
        self._access = access

    def recognize(self, config: "speech_v1.RecognitionConfig", wav: bytes) -> "Results":
        """Transcribe at most a minute.

        Raises:
            DestinationError: refused, over quota, or no answer in time.
        """
        from google.cloud import speech_v1

        audio = speech_v1.RecognitionAudio(content=wav)
        with _Translated():
            answer = self._client.recognize(
                config=config, audio=audio, retry=None, timeout=self._access.timeout_secs
            )
        return list(answer.results)

    def begin(self, config: "speech_v1.RecognitionConfig", uri: str) -> str:
        """Begin the transcription of an object in a bucket; the name of the operation.

        Raises:
            DestinationError: refused, over quota, or no answer.
        """
        from google.cloud import speech_v1

        audio = speech_v1.RecognitionAudio(uri=uri)
        with _Translated():
            begun = self._client.long_running_recognize(
                config=config, audio=audio, retry=None, timeout=CALL_TIMEOUT_SECS
            )
        return str(begun.operation.name)

    def outcome(self, operation: str) -> "Results | None":
        """The results of an operation; None while it runs.

        Raises:
            OperationFailedError: it ended without any, or is not known.
            DestinationError: no answer; it may still be running.
        """
        from google.api_core.exceptions import NotFound
        from google.cloud import speech_v1

        operations = self._client.transport.operations_client
        try:
            with _Translated():
                state = operations.get_operation(operation, retry=None, timeout=CALL_TIMEOUT_SECS)
        except DestinationError as error:
            if isinstance(error.__cause__, NotFound):
                raise OperationFailedError("Google has forgotten a long transcription") from error
            raise
        if not state.done:
            return None
        if state.HasField("error"):
            raise OperationFailedError(
                f"Google could not transcribe: {state.error.message}",
                retry=state.error.code in _AGAIN,
            )
        answer = speech_v1.LongRunningRecognizeResponse()
        state.response.Unpack(speech_v1.LongRunningRecognizeResponse.pb(answer))
        return list(answer.results)

    def token(self) -> str:
        """An access token for Google's other services.

        Raises:
            DestinationError: there are no credentials, or they are refused.
        """
        from google.auth.transport.requests import Request

        with _Translated():
            if not self._credentials.valid:
                self._credentials.refresh(Request())
        return str(self._credentials.token)

    @functools.cached_property
    def _client(self) -> "speech_v1.SpeechClient":
        from google.api_core.client_options import ClientOptions
        from google.cloud import speech_v1

        endpoint = self._access.endpoint
        if endpoint is not None and self._access.plain:
            return _plain_client(endpoint.removeprefix(_PLAIN))
        options = ClientOptions(api_endpoint=endpoint) if endpoint else None
        with _Translated():
            return speech_v1.SpeechClient(credentials=self._credentials, client_options=options)

    @functools.cached_property
    def _credentials(self) -> Any:
        import google.auth

        with _Translated():
            if self._access.credentials is None:
                return google.auth.default(scopes=[_SCOPE])[0]
            return _from_file(self._access.credentials)


def _plain_client(target: str) -> "speech_v1.SpeechClient":
    import grpc  # type: ignore[import-untyped]
    from google.cloud import speech_v1
    from google.cloud.speech_v1.services.speech.transports import SpeechGrpcTransport

    channel = grpc.insecure_channel(target)
    return speech_v1.SpeechClient(transport=SpeechGrpcTransport(channel=channel))


def _from_file(path: Path) -> Any:
    from google.oauth2 import service_account

    try:
        make: Any = service_account.Credentials.from_service_account_file
        return make(str(path), scopes=[_SCOPE])
    except (OSError, ValueError) as error:
        raise DestinationError(
            f"google_credentials {path} is no key file of a service account: {error}", retry=False
        ) from error


class _Translated:
    """Turns what Google's libraries raise into DestinationError."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        from google.api_core.exceptions import GoogleAPICallError, GoogleAPIError
        from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError

        if isinstance(error, GoogleAPICallError):
            code = error.grpc_status_code
            retry = code is None or code.value[0] in _AGAIN
            name = code.name if code is not None else type(error).__name__
            raise DestinationError(
                f"Google answered {name}: {error.message}", retry=retry
            ) from error
        if isinstance(error, DefaultCredentialsError):
            raise DestinationError(
                "there are no credentials for Google: set google_credentials", retry=False
            ) from error
        if isinstance(error, (GoogleAPIError, GoogleAuthError)):
            raise DestinationError(f"Google cannot be asked: {error}") from error
