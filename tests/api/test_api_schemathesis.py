"""The OpenAPI document against the server that gives it out: requests made from the document itself."""

import logging

import pytest
import requests
import schemathesis
import structlog
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    positive_data_acceptance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.api_server import running_api
from api.fake_services import make_leg, make_recording
from onrecord.api.openapi import document
from onrecord.calls.records import LegState

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
BEYOND_SCHEMAS = {
    "/link_to": "only needed with bridge_on_answer and what goes with it",
    "/transcription_language": "depends on the engine",
    "/webhook_retries_policies": "the sum of the delays",
    "/transcription_min_speaker_count": "compared with the maximum",
}
"""Members with a rule that JSON Schema does not say in our document."""

schema = schemathesis.openapi.from_dict(document())


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with running_api(tmp_path_factory.mktemp("files")) as server:
        server.fakes.calls.any_leg = make_leg(state=LegState.ANSWERED)
        server.fakes.recordings.rows["r"] = make_recording()
        yield server
    structlog.reset_defaults()


@pytest.fixture(scope="module")
def session():
    with requests.Session() as session:
        yield session


def is_beyond_schemas(response):
    """True for a refusal by such a rule, or of a NUL, which no text may hold (400, 10028)."""
    if response.status_code not in (400, 422):
        return False
    found = response.json()["errors"]
    pointers = {entry.get("source", {}).get("pointer") for entry in found}
    return found[0]["code"] == "10028" or pointers <= set(BEYOND_SCHEMAS)


@schema.parametrize()
@settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_as_described(case, server, session):
    """What the document allows is done; whatever comes back has the shape that it tells."""
    response = case.call(base_url=server.base, headers=server.headers(), session=session)
    accepted = [] if is_beyond_schemas(response) else [positive_data_acceptance]
    case.validate_response(response, checks=[*CHECKS, *accepted], headers=server.headers())
