"""Servers on 127.0.0.1 that speak as Google Speech-to-Text v1, Cloud Storage and Deepgram do.

They hear nothing: they answer from the length of the sound, keep what was asked, and fail as they are told.
"""

import io
import json
import threading
import time
import wave
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

import grpc
from google.cloud import speech_v1 as google
from google.longrunning import operations_pb2


def wav_shape(content):
    """Seconds and channels of a WAV file."""
    with wave.open(io.BytesIO(content)) as wav:
        return wav.getnframes() / wav.getframerate(), wav.getnchannels()


class GoogleServer:
    """Each request takes its answer from ``script`` if there is one: a status to abort with, or results."""

    def __init__(self, bucket=None):
        self.requests, self.script, self.operations = [], [], {}
        self.polls_before_done = 1
        self.slow_secs = 0.0
        self.bucket = bucket
        unary = grpc.unary_unary_rpc_method_handler
        long, get = google.LongRunningRecognizeRequest, operations_pb2.GetOperationRequest
        done = operations_pb2.Operation.SerializeToString
        self._server = grpc.server(futures.ThreadPoolExecutor(4))
        self._server.add_generic_rpc_handlers(
            (
                grpc.method_handlers_generic_handler(
                    "google.cloud.speech.v1.Speech",
                    {
                        "Recognize": unary(
                            self._recognize,
                            google.RecognizeRequest.deserialize,
                            google.RecognizeResponse.serialize,
                        ),
                        "LongRunningRecognize": unary(self._begin, long.deserialize, done),
                    },
                ),
                grpc.method_handlers_generic_handler(
                    "google.longrunning.Operations",
                    {"GetOperation": unary(self._get, get.FromString, done)},
                ),
            )
        )
        self.url = f"http://127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def close(self):
        self._server.stop(None).wait()

    def _recognize(self, request, context):
        return google.RecognizeResponse(results=self._results(request, context))

    def _begin(self, request, context):
        results = self._results(request, context)
        name = f"operations/{len(self.operations)}"
        finished = operations_pb2.Operation(name=name, done=True)
        if isinstance(results, int):
            finished.error.code, finished.error.message = results, "it broke"
        else:
            answer = google.LongRunningRecognizeResponse(results=results)
            finished.response.Pack(google.LongRunningRecognizeResponse.pb(answer))
        running = operations_pb2.Operation(name=name)
        self.operations[name] = [running] * self.polls_before_done + [finished]
        return running

    def _get(self, request, context):
        if self.script and isinstance(self.script[0], grpc.StatusCode):
            context.abort(self.script.pop(0), "as told")
        states = self.operations.get(request.name)
        if states is None:
            context.abort(grpc.StatusCode.NOT_FOUND, "no such operation")
        return states.pop(0) if len(states) > 1 else states[0]

    def _results(self, request, context):
        self.requests.append(request)
        time.sleep(self.slow_secs)
        if request.audio.uri:
            content = self.bucket.objects[request.audio.uri.split("/", 3)[3]]
        else:
            content = request.audio.content
            if wav_shape(content)[0] > 60:
                context.abort(
                    grpc.StatusCode.INVALID_ARGUMENT, "Inline audio exceeds duration limit."
                )
        seconds, channels = wav_shape(content)
        if channels != request.config.audio_channel_count:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "channels differ")
        if self.script:
            told = self.script.pop(0)
            if isinstance(told, grpc.StatusCode):
                context.abort(told, "as told")
            return told
        return [spoken(f"{seconds:.0f} seconds", channel, channels) for channel in range(channels)]


def spoken(text, channel=0, channels=1, speakers=None, at=0.0):
    """A result of Google's: one word a second, from ``at`` seconds on."""
    words = [
        google.WordInfo(
            word=word,
            start_time={"seconds": int(at) + n},
            end_time={"seconds": int(at) + n, "nanos": 900_000_000},
            confidence=0.75,
            speaker_tag=speakers[n] if speakers else 0,
        )
        for n, word in enumerate(text.split())
    ]
    best = google.SpeechRecognitionAlternative(transcript=text, confidence=0.75, words=words)
    tag = channel + 1 if channels > 1 else 0
    return google.SpeechRecognitionResult(alternatives=[best], channel_tag=tag)


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, handler):
        super().__init__(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.shutdown()
        self.server_close()

    def handle_error(self, request, client_address):
        """A client that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def answer(self, status, content, kind="application/json"):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        """Quiet."""


class BucketServer(_HttpServer):
    """Objects by key; ``script`` has statuses to answer with before it works."""

    def __init__(self):
        self.objects, self.calls, self.script = {}, [], []
        server = self

        class Handler(_Handler):
            def do_POST(self):
                query = parse_qs(urlsplit(self.path).query)
                content = self.body()
                if self.told("POST"):
                    return
                server.objects[query["name"][0]] = content
                self.answer(200, b"{}")

            def do_DELETE(self):
                if self.told("DELETE"):
                    return
                key = unquote(self.path.rsplit("/", 1)[1])
                status = 204 if server.objects.pop(key, None) is not None else 404
                self.answer(status, b"")

            def told(self, method):
                server.calls.append(method)
                if not server.script:
                    return False
                self.answer(server.script.pop(0), b"{}")
                return True

        super().__init__(Handler)


class DeepgramServer(_HttpServer):
    """``script`` has what comes first: a status, bytes to answer 200 with, or seconds to be slow for."""

    def __init__(self):
        self.requests, self.script = [], []
        server = self

        class Handler(_Handler):
            def do_POST(self):
                content = self.body()
                parts = urlsplit(self.path)
                query = {name: value[0] for name, value in parse_qs(parts.query).items()}
                server.requests.append((parts.path, query, dict(self.headers), wav_shape(content)))
                told = server.script.pop(0) if server.script else None
                if isinstance(told, float):
                    time.sleep(told)
                elif isinstance(told, int):
                    return self.answer(told, b'{"err_code": "X", "err_msg": "as told"}')
                elif told is not None:
                    return self.answer(200, told)
                return self.answer(200, json.dumps(self.heard(content, query)).encode())

            def heard(self, content, query):
                seconds, channels = wav_shape(content)
                count = channels if query["multichannel"] == "true" else 1
                return {"results": {"channels": [_channel(n, seconds) for n in range(count)]}}

        super().__init__(Handler)


def _channel(number, seconds):
    words = [
        {
            "word": word.strip(".").lower(),
            "punctuated_word": word,
            "start": number + n * 0.5,
            "end": number + n * 0.5 + 0.4,
            "confidence": 0.99,
        }
        for n, word in enumerate(f"Channel {number}, {seconds:.0f} seconds.".split())
    ]
    return {"alternatives": [{"transcript": "", "confidence": 0.99, "words": words}]}
