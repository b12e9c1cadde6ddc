"""Labels of Audacity: one line each, times to the microsecond."""

from __future__ import annotations

from pathlib import Path

from support.timelines import timeline

from seqcls.datasets.labels import read_labels
from seqcls.exports.audacity import write_audacity


def test_presences_the_unknown_and_what_is_never_in_view_are_labels_in_order_of_time(tmp_path: Path) -> None:
    write_audacity(
        timeline(liver="..PPPP??", kidney="PPPPPPPP", node="......??", spleen="........"), tmp_path / "l.txt"
    )
    assert (tmp_path / "l.txt").read_text(encoding="utf-8") == (
        "0.000000\t0.600000\tkidney\n0.200000\t0.600000\tliver\n"
        "0.600000\t0.800000\tliver?\n0.600000\t0.800000\tkidney?\n0.600000\t0.800000\tnode?\n0.600000\t0.800000\tspleen?\n"
    )
    write_audacity(timeline(spleen="...."), tmp_path / "s.txt")
    assert (tmp_path / "s.txt").read_text(encoding="utf-8") == "0.000000\t0.400000\tspleen: absent\n"


def test_a_label_is_no_formula_in_a_spreadsheet_and_comes_back(tmp_path: Path) -> None:
    write_audacity(timeline(**{"=1+1": "PP", "@SUM": ".."}), tmp_path / "l.txt")
    assert (tmp_path / "l.txt").read_text(encoding="utf-8") == (
        "0.000000\t0.200000\t'=1+1\n0.000000\t0.200000\t'@SUM: absent\n"
    )
    assert read_labels(tmp_path / "l.txt")[0].organs == ("=1+1", "@SUM")
