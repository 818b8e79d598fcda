"""The query of a charging profile request, as partners write it."""

import pytest

from modules.chargingprofiles.query import read_query

PLAIN = "https://msp.example/answer"
WITH_QUERY = "https://msp.example/answer?request_id=5678"


@pytest.mark.req("CP-03")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {}),
        ("duration=900", {"duration": "900"}),
        ("duration=900&response_url=", {"duration": "900", "response_url": ""}),
        # Encoded, as it should be, in either order.
        (
            "duration=900&response_url=https%3A%2F%2Fmsp.example%2Fanswer%3Frequest_id%3D5678",
            {"duration": "900", "response_url": WITH_QUERY},
        ),
        (
            "response_url=https%3A%2F%2Fmsp.example%2Fanswer%3Frequest_id%3D5678&duration=900",
            {"duration": "900", "response_url": WITH_QUERY},
        ),
        (
            "response_url=https%3A%2F%2Fmsp.example%2Fa%3Fx%3Db%252Fc",
            {"response_url": "https://msp.example/a?x=b%2Fc"},
        ),
        # Encoders leave alone what a query may hold, slashes and question marks among it.
        (
            "response_url=https://msp.example/answer?request_id%3D5678%26x%3D1&duration=900",
            {"duration": "900", "response_url": f"{WITH_QUERY}&x=1"},
        ),
        # Not encoded at all, as in OCPI's own example.
        (f"duration=900&response_url={PLAIN}", {"duration": "900", "response_url": PLAIN}),
        (f"response_url={PLAIN}&duration=900", {"duration": "900", "response_url": PLAIN}),
        (f"duration=9&response_url={WITH_QUERY}", {"duration": "9", "response_url": WITH_QUERY}),
        (
            f"duration=9&response_url={WITH_QUERY}&x=1&duration=2",
            {"duration": "9", "response_url": f"{WITH_QUERY}&x=1&duration=2"},
        ),
        (
            f"response_url={WITH_QUERY}&x=a%20b&duration=9",
            {"duration": "9", "response_url": f"{WITH_QUERY}&x=a%20b"},
        ),
        (f"old_response_url=1&response_url={PLAIN}", {"response_url": PLAIN}),
    ],
)
def test_a_response_url_is_read_encoded_or_not(query: str, expected: dict[str, str]) -> None:
    assert read_query(query) == expected
