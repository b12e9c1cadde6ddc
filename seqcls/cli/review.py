"""`seqcls review`: look at clips in a browser, correct what a model found, or label from nothing."""

from __future__ import annotations

import time
import webbrowser
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seqcls.cli import console, options
from seqcls.cli.console import stops_cleanly
from seqcls.cli.options import INPUT, OUTPUT, Panel
from seqcls.cli.results import require_finished, tell_unread
from seqcls.credentials import PAGE_TOKEN, secret
from seqcls.errors import UsageError
from seqcls.text.wording import count_of

if TYPE_CHECKING:
    from seqcls.review.clips import ReviewClip

PAGE = Panel("Page: in the browser, on this machine only")
#: Beside a run, and where clips alone are labelled.
FOLDER, ALONE = "review", "seqcls-review"
_LOOK_S = 0.2


def review(
    places: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN|CLIPS...", help="Folders that `seqcls run` wrote, or clips, to label from nothing."
        ),
    ],
    clips: Annotated[
        Path | None,
        INPUT("FOLDER", "Where the clips of the runs are. Default: where they were for `run`.", "--clips"),
    ] = None,
    organs: Annotated[
        str | None, INPUT("NAMES", "Organs to label besides those of the runs; several with commas.", "--organs")
    ] = None,
    reader: Annotated[str, OUTPUT("NAME", "Who labels: each reader has files of his own.", "--reader")] = "reader1",
    blind: Annotated[bool, PAGE("", "Hide what the model found until the reader asks for it.", "--blind")] = False,
    whole: Annotated[
        bool, PAGE("", "Show what lies outside of the ultrasound region too: names may be burnt in there.", "--whole")
    ] = False,
    port: Annotated[int, PAGE("PORT", "Default: any free one.", "--port", min=0, max=65535)] = 0,
    browser: Annotated[bool, PAGE("", "Open it in the browser.", "--browser/--no-browser")] = True,
    output: Annotated[
        Path | None,
        OUTPUT("DIR", f"Default: RUN/{FOLDER}, or {ALONE} for clips alone.", "-o", "--output"),
    ] = None,
    hash_names: options.HashNames = None,
) -> None:
    """Look at clips in a browser, correct what a model found, or label from nothing; every edit is kept at once.

    Writes READER-labels.csv, which `extract` and `train` take, and READER.edits,
    from which it is made. Ctrl-C ends it.
    """
    from seqcls.exports.run_folders import runs_in
    from seqcls.review.address import Address
    from seqcls.review.clips import clips_to_review
    from seqcls.review.server import ReviewServer
    from seqcls.review.session import ReviewSession

    pseudonyms = options.pseudonyms(hash_names, [*places, *([] if clips is None else [clips])])
    require_finished(*places)
    found = clips_to_review(places, clips, pseudonyms, console.fail)
    unread: dict[Path, str] = {}
    if any([runs_in(place, unread.__setitem__) for place in places]):  # a list: each is asked
        tell_unread(unread, pseudonyms)
    folder = output
    if folder is None:
        root = places[0] if len(places) == 1 and runs_in(places[0]) else None
        folder = Path(ALONE) if root is None else (root if root.is_dir() else root.parent) / FOLDER
    names = [name.strip() for name in organs.split(",") if name.strip()] if organs is not None else []
    hide = str if pseudonyms is None else pseudonyms.hide
    stated = secret(PAGE_TOKEN)
    with ExitStack() as stack:
        should_stop = stack.enter_context(stops_cleanly("every edit so far is kept"))
        try:
            session = ReviewSession(found, folder, reader, organs=names, blind=blind, whole=whole, hide=hide)
        except ValueError as error:
            raise UsageError(f"--organs: {error}") from None
        stack.enter_context(closing(session))
        address = stack.enter_context(closing(Address(folder, session.store.reader)))
        server = address.serve(lambda at, token: ReviewServer(session, at, token=token), port, stated)
        stack.enter_context(closing(server))
        _say_what_opens(found, session.store.damaged_lines, session.store.path)
        shown = f"{server.url.partition('?')[0]}?token=${PAGE_TOKEN}" if stated else server.url
        console.notify(f"open {shown}")
        if browser:
            with suppress(OSError, webbrowser.Error):  # the address was printed
                webbrowser.open(address.opener(server).absolute().as_uri())
        while not should_stop():
            time.sleep(_LOOK_S)
        labels, edits = session.store.labels_path, session.store.edits
    console.notify(f"{count_of(edits, 'edit')} kept; the labels are in {labels}")
    where = clips if clips is not None else places[0] if not runs_in(places[0]) else "CLIPS"
    console.notify(f"train with them: seqcls extract '{where}' --labels '{labels}' -o DATA, then seqcls train DATA")


def _say_what_opens(found: tuple[ReviewClip, ...], damaged: int, path: Path) -> None:
    console.notify(f"{count_of(len(found), 'clip')} to review")
    missing = [clip.title for clip in found if clip.found is None]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        console.warn(f"{missing[0]}{more} cannot be found: name the folder of the clips by --clips to see frames")
    if damaged:
        console.warn(f"{path}: {count_of(damaged, 'line')} cannot be read; what they held is lost")
