"""Opening a video with PyAV: its container, the stream to read, and a decoder that notices what is damaged."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

from seqcls.errors import SourceError, one_line
from seqcls.sources.sniff import BARE_STREAMS
from seqcls.types import MAX_PIXELS


def strictness(codec: str) -> dict[str, str]:
    """Options under which FFmpeg notices more of what is damaged: checksums that do not fit, too many bits. A broken
    JPEG, which it would hand over unmarked, it refuses then, and AV1 that does not end as the standard says; other
    codecs mark such an image."""
    if codec == "libdav1d":
        return {"strict": "strict"}
    return {"err_detect": "explode" if codec == "mjpeg" else "crccheck+bitstream+buffer"}


def strict_decoder(context: Any) -> Any:
    """The stream's own decoder; for VP9 libvpx where it is there: it gives the same images as FFmpeg's, as fast, but
    refuses one that is read beyond its end."""
    from av.codec.codec import UnknownCodecError
    from av.codec.context import CodecContext

    if context.name == "vp9":
        with suppress(UnknownCodecError):
            return CodecContext.create("libvpx-vp9", "r")
    return context


def metadata_errors() -> dict[str, Any]:
    """For ``av.open``: text in the metadata that is not UTF-8 is replaced. PyAV 19 does so without being asked."""
    import av

    return {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}


def open_container(
    path: Path,
    demuxer: str,
    rate_hz: float | None,
    more: Mapping[str, str] = MappingProxyType({}),
    *,
    file: Any = None,
) -> Any:
    """``file``: read in place of the one at ``path``. Raises SourceError."""
    import av

    # An absolute path cannot be taken for a protocol such as "concat:".
    target: Any = os.path.abspath(path) if file is None else file  # noqa: PTH100 - Path.resolve would follow links
    options = {"protocol_whitelist": "file", "max_pixels": str(MAX_PIXELS), **more}
    if demuxer in BARE_STREAMS and rate_hz is not None:
        options["framerate"] = f"{rate_hz:.6f}"
    try:
        return av.open(target, format=demuxer, options=options, **metadata_errors())
    except Exception as error:  # FFmpeg's errors, and UnicodeError from names and metadata
        raise SourceError(
            f"{path}: cannot be opened as video ({one_line(error)}); it is damaged or cut short: get a fresh copy"
        ) from None


def choose_stream(container: Any, path: Path) -> Any:
    """The first video stream that can be decoded and is not a cover image."""
    from av.stream import Disposition

    streams = list(container.streams.video)
    if not streams:
        raise SourceError(f"{path}: holds no video stream; is it an audio recording?")
    decodable = [s for s in streams if s.codec_context is not None]
    if not decodable:
        raise SourceError(f"{path}: its codec cannot be decoded here; convert it to H.264 first")
    clips = [s for s in decodable if not s.disposition & Disposition.attached_pic]
    return (clips if clips else decodable)[0]
