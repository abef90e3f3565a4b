"""Paths of the key, health and metrics."""

from onrecord.api.openapi import operations as ops
from onrecord.api.openapi import shapes
from onrecord.api.openapi.shapes import Schema


def paths() -> Schema:
    """The paths, as JSON values."""
    status = shapes.obj(
        {"status": shapes.text("`ok` or `unavailable`.", "ok"), "reason": shapes.text("Why.")},
        required=["status"],
    )
    up = ops.answer("It does.", status)["200"]

    def open_to_all(operation_id: str, summary: str, responses: Schema) -> Schema:
        return {
            "get": {
                "operationId": operation_id,
                "tags": ["Server"],
                "summary": summary,
                "security": [],
                "responses": responses,
            }
        }

    plain = {"200": {"description": "Prometheus text.", "content": {"text/plain": {}}}}
    busy = {"description": "Not now.", "content": {ops.JSON: {"schema": status}}}
    return {
        "/v2/public_key": {
            "get": ops.operation(
                "RetrievePublicKey",
                "Server",
                "Key that webhooks are signed with",
                ops.data("PublicKey", "The public key."),
            )
        },
        "/health/live": open_to_all("Live", "Does the server run?", {"200": up}),
        "/health/ready": open_to_all(
            "Ready", "Does the server take calls?", {"200": up, "503": busy}
        ),
        "/metrics": open_to_all("Metrics", "Figures for Prometheus", plain),
    }
