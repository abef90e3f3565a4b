"""A server that speaks as much of S3 as storing and giving out files takes, and checks signatures.

Requests must carry AWS Signature Version 4, in the header or in the query, of the one key that the server
knows; the signature is computed anew, so that a wrong secret is refused as S3 does.
"""

import hashlib
import hmac
import re
import threading
from html import escape, unescape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, quote, unquote, urlsplit

REGION, KEY_ID, SECRET = "eu-test-1", "AKIATEST", "s3-secret"


class S3Server:
    """One bucket on a free loopback port; ``status`` other than None answers everything."""

    def __init__(self, bucket: str = "recordings") -> None:
        self.bucket = bucket
        self.files: dict[str, bytes] = {}
        self.kinds: dict[str, str] = {}
        self.status: int | None = None
        self.requests: list[tuple[str, str]] = []
        self._parts: dict[str, dict[int, bytes]] = {}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                outer._serve(self, body)

            do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = _any

            def log_message(self, *_: object) -> None: ...

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: object, client_address: object) -> None: ...

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def configuration(self, **changed: str) -> dict[str, str]:
        return {
            "bucket": self.bucket,
            "region": REGION,
            "endpoint": self.url,
            "aws_access_key_id": KEY_ID,
            "aws_secret_access_key": SECRET,
        } | changed

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _serve(self, http: BaseHTTPRequestHandler, body: bytes) -> None:
        split = urlsplit(http.path)
        query = dict(parse_qsl(split.query, keep_blank_values=True))
        bucket, _, key = unquote(split.path).lstrip("/").partition("/")
        self.requests.append((http.command, key))
        if self.status is not None:
            self._answer(http, self.status, _error("Told"))
        elif not _is_signed(http, split.path, query):
            self._answer(http, 403, _error("SignatureDoesNotMatch"))
        elif bucket != self.bucket:
            self._answer(http, 404, _error("NoSuchBucket"))
        else:
            self._file(http, key, query, body)

    def _file(
        self, http: BaseHTTPRequestHandler, key: str, query: dict[str, str], body: bytes
    ) -> None:
        upload = query.get("uploadId", "")
        if http.command == "POST" and "uploads" in query:
            self._parts[key] = {}
            self._answer(
                http,
                200,
                b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>",
            )
        elif http.command == "POST" and "delete" in query:
            names = [unescape(name) for name in re.findall(r"<Key>(.*?)</Key>", body.decode())]
            for name in names:
                self.files.pop(name, None)
            done = "".join(f"<Deleted><Key>{escape(name)}</Key></Deleted>" for name in names)
            self._answer(http, 200, f"<DeleteResult>{done}</DeleteResult>".encode())
        elif http.command == "PUT" and upload:
            self._parts[key][int(query["partNumber"])] = body
            self._answer(http, 200, b"", ETag='"part"')
        elif http.command == "POST" and upload:
            parts = self._parts.pop(key)
            self.files[key] = b"".join(parts[number] for number in sorted(parts))
            self._answer(
                http,
                200,
                b"<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>",
            )
        elif http.command == "PUT":
            self.files[key] = body
            self.kinds[key] = http.headers.get("Content-Type", "")
            self._answer(http, 200, b"", ETag='"e"')
        elif http.command == "DELETE":
            self.files.pop(key, None)
            self._answer(http, 204, b"")
        elif key in self.files:
            dated = {"ETag": '"e"', "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}
            self._answer(http, 200, self.files[key], **dated)
        else:
            self._answer(http, 404, _error("NoSuchKey"))

    @staticmethod
    def _answer(http: BaseHTTPRequestHandler, status: int, body: bytes, **headers: str) -> None:
        http.send_response(status)
        for name, value in headers.items():
            http.send_header(name, value)
        http.send_header("Content-Length", str(len(body)))
        http.end_headers()
        if http.command != "HEAD":
            http.wfile.write(body)


def _error(code: str) -> bytes:
    return f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()


def _is_signed(http: BaseHTTPRequestHandler, path: str, query: dict[str, str]) -> bool:
    given = http.headers.get("Authorization", "")
    if given.startswith("AWS4-HMAC-SHA256 "):
        fields = dict(part.strip().split("=", 1) for part in given.split(" ", 1)[1].split(","))
        credential, signed = fields["Credential"], fields["SignedHeaders"]
        signature, stamp = fields["Signature"], http.headers["x-amz-date"]
        payload = http.headers["x-amz-content-sha256"]
    elif "X-Amz-Signature" in query:
        signature = query.pop("X-Amz-Signature")
        credential, signed = query["X-Amz-Credential"], query["X-Amz-SignedHeaders"]
        stamp, payload = query["X-Amz-Date"], "UNSIGNED-PAYLOAD"
    else:
        return False
    key_id, day, region, service, _ = credential.split("/")
    if (key_id, region) != (KEY_ID, REGION):
        return False
    names = signed.split(";")
    canonical = "\n".join(
        [
            http.command,
            quote(unquote(path), safe="/-_.~"),
            "&".join(
                f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}"
                for name, value in sorted(query.items())
            ),
            *(f"{name}:{' '.join(http.headers[name].split())}" for name in names),
            "",
            signed,
            payload,
        ]
    )
    scope = f"{day}/{region}/{service}/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}"
    key = f"AWS4{SECRET}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.compare_digest(hmac.digest(key, text.encode(), "sha256").hex(), signature)
