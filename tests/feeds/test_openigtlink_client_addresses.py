"""OpenIGTLink: what is an address of a probe, and what is none."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqcls.errors import SourceError
from seqcls.feeds.openigtlink_client import DEFAULT_PORT, parse_url


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("igtl://probe", ("probe", DEFAULT_PORT, "")),
        ("igtl://probe/", ("probe", 18944, "")),
        ("IGTL://10.0.0.7:18945/Clarius", ("10.0.0.7", 18945, "Clarius")),
        ("igtl://scan-1.lab.example:1/My%20Probe%2FA", ("scan-1.lab.example", 1, "My Probe/A")),
        ("igtl://[::1]:65535/x", ("::1", 65535, "x")),
        ("igtl://[fe80::1%25eth0]", ("fe80::1%eth0", 18944, "")),
        ("igtl://localhost/Schallk%C3%B6pfe", ("localhost", 18944, "Schallköpfe")),
        ("igtl://localhost/12345678901234567890", ("localhost", 18944, "12345678901234567890")),
    ],
)
def test_addresses(url: str, parts: tuple[str, int, str]) -> None:
    assert parse_url(url) == parts


@pytest.mark.parametrize(
    "url",
    [
        "", "igtl:", "igtl://", "igtl:///x", "igtl://:18944", "http://probe", "probe:18944", "igtl://probe:", "igtl://probe:0", "igtl://probe:65536",
        "igtl://probe:-1", "igtl://probe:１", "igtl://probe:1e3", "igtl://probe: 1", "igtl://probe:1:2", "igtl://::1", "igtl://[::1", "igtl://[::g]", "igtl://[]",
        "igtl://[::1]x", "igtl://a..b", "igtl://-a", "igtl://pro be", "igtl://probe\n", "igtl://" + "a" * 64, "igtl://probe/a/b", "igtl://probe/a b",
        "igtl://probe/a?b=c", "igtl://probe#a", "igtl://probe/%", "igtl://probe/%zz", "igtl://probe/%00", "igtl://probe/%0a", "igtl://probe/%ff",
        "igtl://probe/123456789012345678901", "igtl://user:secret@probe", "igtl://user:secret@probe:1/x",
    ],
)  # fmt: skip
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(SourceError) as caught:
        parse_url(url)
    assert (
        "\n" not in str(caught.value)
        and "igtl://host:18944/device" in str(caught.value)
        and "secret" not in str(caught.value)
    )


LETTERS = st.sampled_from([*"a0-._~:/?#[]@%25 \n\0\u00e9\u2028"])


@settings(max_examples=100, deadline=None)
@given(st.text(LETTERS, max_size=30))
def test_any_text_is_an_address_or_a_source_error(text: str) -> None:
    for url in (text, f"igtl://{text}", f"igtl://probe/{text}"):
        try:
            host, port, device = parse_url(url)
        except SourceError:
            continue
        assert host and 1 <= port <= 65535 and len(device.encode()) <= 20
