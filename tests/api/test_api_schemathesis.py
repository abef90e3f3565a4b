"""The OpenAPI document against the server that gives it out: requests made from the document itself."""

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    negative_data_rejection,
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

schema = schemathesis.openapi.from_dict(document())


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running_api(tmp_path_factory.mktemp("files")) as server:
        server.fakes.calls.add(make_leg(state=LegState.ANSWERED))
        server.fakes.recordings.rows["r"] = make_recording(id="r")
        yield server


@schema.parametrize()
@settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_as_described(case, server):
    case.call_and_validate(base_url=server.base, headers=server.headers(), checks=CHECKS)
