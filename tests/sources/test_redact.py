"""Nothing secret in any text that a person may see."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqcls.errors import SourceError
from seqcls.sources.redact import credentials, redact

# Whatever in them is secret contains "s3" and so does nothing else.
SECRET_URLS = (
    "rtsp://s3user:s3cret@192.168.1.20/live",
    "rtsp://s3user:s3cret@192.168.1.20:554/live?channel=s3",
    "RTSP://s3user:s3cret@CAM/live",
    "rtsps://s3user:s3cret@cam.example/1",
    "rtsp+tls://s3user:s3cret@cam/1",
    "x-probe.2://s3user:s3cret@cam/1",
    "igtl://s3user:s3cret@scanner:18944/Probe",
    "http://s3user@cam/video.mjpg",
    "http://:s3cret@cam/video.mjpg",
    "http://s3user:@cam/video.mjpg",
    "https://s3user:p@s3cret@cam/video.mjpg",
    "https://s3user@clinic.org:s3@cret@cam/video.mjpg",
    "http://s3user%40clinic:s3%3A%2F%3F%23@cam/video.mjpg",
    "http://s3us%65r:%73s3cret@[::1]:8080/video.mjpg",
    "http://s3user:s3cret@[fe80::1%25eth0]/video.mjpg",
    "http://[2001:db8::7]:81/video.mjpg?user=s3&pwd=s3",
    "http://cam/video.mjpg?token=s3cret",
    "http://cam/video.mjpg?s3cret",
    "http://cam/video.mjpg?a=s3&b=&c=s3;d=s3",
    "http://cam/video.mjpg?mail=s3me@s3clinic.org&token=s3cret",
    "http://cam/video.mjpg?u=rtsp://s3a:s3b@s3inner/x",
    "http://cam/video.mjpg;sid=s3cret/low?x=s3",
    "http://cam/video.mjpg#access_token=s3cret",
    "http://cam?token=s3=s3==",
    "rtmp://s3user:s3cret@cam/app/stream?sign=s3",
    "rtsp://s3user:s3/cret@cam/live",
    "rtsp://s3user:s3?cret@cam/live",
    "rtsp://s3user:s3#cret@cam/live",
    "rtsp://s3user:s3 cret@cam/live",
    "rtsp://s3user:s3'cr\"et@cam/live",
    "rtsp://s3user:s3cret",
    "rtsp:/s3user:s3cret@cam/live",
    "rtsp:\\\\s3user:s3cret@cam/live",
    "s3user:s3cret@cam/live",
    "ftp://s3user:s3cret@cam/clip.mp4",
    "rtsp://s3user:12/s3@cam:554/live",
    "rtmp://cam/app/s3cret",
    "rtmp://cam:1935/app/inner/s3cret",
    "RTMPS://cam/app//s3cret?token=s3",
    "rtmpt://[::1]:80/app/s3cret#s3",
    "rtmp:\\\\cam\\app\\s3cret",
    "rtmp://s3user:s3cret@cam/app/s3cret",
    "rtmp://s3user:s3/cret@cam/app/s3cret",
    "rtmp://cam/app/s3@cret",
    "rtmp://cam/app/mp4:s3cret",
    "rtmp://cam/app/s3cret.",
    "rtmp://cam/app?key=s3cret",
    "rtsp://cam/1?streamid=s3cret&key=s3",
)


@pytest.mark.parametrize("url", SECRET_URLS)
@pytest.mark.parametrize(
    "frame", ["{}", "cannot open '{}': refused", "a b@c {} (timed out), then {}.", '{{"url": "{}"}}']
)
def test_secrets_are_hidden_in_any_text(url: str, frame: str) -> None:
    shown = redact(frame.format(url, url))
    assert "s3" not in shown and "***" in shown
    assert redact(shown) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rtsp://a:b@cam:554/live?x=1&y=2", "rtsp://***@cam:554/live?x=***&y=***"),
        ("'http://a@[::1]:80/v.mjpg': refused", "'http://***@[::1]:80/v.mjpg': refused"),
        ("http://cam/v?mail=a@b.c", "http://cam/v?mail=***"),
        ("see http://cam:80/v.", "see http://cam:80/v."),
        ("igtl://[::1]:18944/Probe", "igtl://[::1]:18944/Probe"),
        ("C:/clips/a.mp4 and /dev/video0, 12:30", "C:/clips/a.mp4 and /dev/video0, 12:30"),
        ("rtsp://cam/1 failed, mail it@clinic", "rtsp://cam/1 failed, mail it@clinic"),
        ("rtmp://cam:1935/app: refused", "rtmp://cam:1935/app: refused"),
        ("rtmp://cam/app/key: cannot be opened", "rtmp://cam/app/***: cannot be opened"),
        ("rtmp://a:b@cam/app/key?x=1", "rtmp://***@cam/app/***?x=***"),
        ("", ""),
    ],
)
def test_the_rest_stays_readable(text: str, shown: str) -> None:
    assert redact(text) == shown


def test_credentials_come_from_the_url_then_the_file_then_the_environment(tmp_path: Path) -> None:
    environ = {"SEQCLS_SOURCE_USER": "me", "SEQCLS_SOURCE_PASSWORD": "p@s/s:?#%"}
    file = tmp_path / "camera.txt"
    file.write_text("you\nother word\n", encoding="utf-8")
    assert credentials("rtsp://cam/1", {}) == "rtsp://cam/1"
    assert credentials("rtsp://cam/1?a=b", environ) == "rtsp://me:p%40s%2Fs%3A%3F%23%25@cam/1?a=b"
    assert credentials("rtsp://cam/1", environ, file) == "rtsp://you:other%20word@cam/1"
    assert credentials("rtsp://own:word@cam/1", environ, file) == "rtsp://own:word@cam/1"
    assert credentials("http://cam?mail=a@b", environ).startswith("http://me:")
    assert credentials("rtsp://cam/1", {"SEQCLS_SOURCE_USER": "me"}) == "rtsp://me@cam/1"


@pytest.mark.parametrize(
    "content",
    [b"secret1\n", b"secret1\nsecret2\nsecret3\n", b"\nsecret2\n", b"\xff\xfe\nsecret\n", None],
    ids=["one line", "three lines", "no user", "no text", "no file"],
)
def test_a_bad_file_of_credentials_is_told_without_them(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "camera.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SourceError) as caught:
        credentials("rtsp://cam/1", {}, file)
    assert "secret" not in str(caught.value) and "camera.txt" in str(caught.value)


@pytest.mark.parametrize("text", ["x" * 1_000_000, "x" * 200_000 + ":", "a:" * 3_000, "a1" * 50_000 + ":/b"])
def test_long_texts_cost_no_more_for_each_letter(text: str) -> None:
    """A reason of a megabyte went through searches of quadratic cost: a minute and more."""
    assert redact(text) == text
    hidden = redact(text + " http://user:secret@host")
    assert "secret" not in hidden and hidden.endswith("***@host")
