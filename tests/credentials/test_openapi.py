"""What the OpenAPI document says of versions and credentials."""

import json

from fastapi import FastAPI

from credentials.endpoints import credentials_router
from credentials.versions import versions_router


def test_every_operation_is_described_with_examples_and_its_types_exist() -> None:
    api = FastAPI()
    for router in (versions_router("cpo"), credentials_router("cpo")):
        api.include_router(router, prefix="/ocpi/cpo")
    document = api.openapi()

    operations = {
        (method, path): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    base = "/ocpi/cpo/2.2.1"
    assert sorted(operations) == [
        ("delete", f"{base}/credentials"),
        ("get", "/ocpi/cpo/2.2.1"),
        ("get", f"{base}/credentials"),
        ("get", "/ocpi/cpo/versions"),
        ("post", f"{base}/credentials"),
        ("put", f"{base}/credentials"),
    ]
    for operation in operations.values():
        assert operation["summary"]
        assert operation["description"]
        assert operation["responses"]["200"]["content"]["application/json"]["examples"]
        assert "401" in operation["responses"]
    codes = operations["post", f"{base}/credentials"]["responses"]["200"]["content"]
    assert sorted(codes["application/json"]["examples"]) == ["1000", "3001", "3002", "3003"]
    references = json.dumps(document).split('"#/components/schemas/')[1:]
    assert {each.partition('"')[0] for each in references} <= set(document["components"]["schemas"])
