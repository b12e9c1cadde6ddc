"""What the commands call their pictures and clips is known to the search for clips."""

from __future__ import annotations

from pathlib import Path

from seqcls.evaluation.plots import plot_paths
from seqcls.exports import _RUN_FILES, RUN_ENDS
from seqcls.exports.formats import FORMATS
from seqcls.files.safe_names import clip_name
from seqcls.rendering.cut_files import CUTS_NAME
from seqcls.rendering.overlay import OVERLAY_NAME
from seqcls.rendering.proxy import PROXY_NAME, TIMEMAP_NAME
from seqcls.report.thumbnails import THUMBNAIL
from seqcls.sources.own_files import is_clip_of_a_run, is_run, made_names, may_hold_clips_of_a_run
from seqcls.sources.sniff import kind_by_suffix
from seqcls.training.plots import _HISTORY
from seqcls.training.search_files import FILES


def test_every_picture_and_clip_of_a_command_is_known_by_its_table() -> None:
    written = {
        *((RUN_ENDS, (*_RUN_FILES, OVERLAY_NAME, THUMBNAIL)), ((TIMEMAP_NAME,), (PROXY_NAME,))),
        *((tuple(one for one in names if one.endswith(".json")), names) for names in (_HISTORY, FILES)),
        (("evaluation.json",), tuple(path.name for path in plot_paths(Path()))),
    }
    for tables, names in written:
        for table in tables:
            is_made = made_names({table})
            media = [name for name in names if kind_by_suffix(Path(name))]
            assert media and all(map(is_made, media)), table
    pictures = [one.name_in_folder for one in FORMATS if one.name == "dicom-picture"]
    assert pictures and all(map(made_names(()), pictures))
    assert not any(map(made_names(()), ("timeline.png", "overlay.mp4", "proxy.mp4", "roc.png")))


def test_clips_of_a_run_are_known_by_their_names() -> None:
    assert all(map(may_hold_clips_of_a_run, (CUTS_NAME, "clips", "snapshots"))) and not may_hold_clips_of_a_run("films")
    cut = clip_name("lymph node", 3723.4)
    assert is_clip_of_a_run(cut) and is_clip_of_a_run(cut.replace(".mp4", ".png")) and not is_clip_of_a_run("a.mp4")
    assert is_run({"run.journal", "x.mp4"}) and not is_run({"manifest.json"})
