"""Do two versions of seqcls give the same answers? Digests of intervals.csv and scores.csv of every clip, in each mode.

    python scripts/output_digests.py MODEL CLIP... -o before.txt    (with the one version installed)
    python scripts/output_digests.py MODEL CLIP... -o after.txt     (with the other)
    diff before.txt after.txt

Only the command line is used, so that it runs with any version. Modes: every frame, adaptive sampling, and played in
real time as a live feed with no frame dropped.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path

MODES = {
    "offline": (),
    "adaptive": ("--sampling", "adaptive"),
    "realtime": ("--realtime", "--keep", "every"),
}
FILES = ("intervals.csv", "scores.csv")


def digests(model: Path, clip: Path, mode: str) -> list[str]:
    """One line per file: mode, clip, file, exit code and SHA-256."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "seqcls", "run", str(clip), "-m", str(model), "-o", folder, *MODES[mode]]
        code = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True).returncode
        lines = []
        for name in FILES:
            path = Path(folder) / name
            digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "none"
            lines.append(f"{mode} {clip.name} {name} {code} {digest}")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("clips", type=Path, nargs="+")
    parser.add_argument("--modes", default=",".join(MODES), help="some of them, separated by commas")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    lines = []
    for mode in options.modes.split(","):
        for clip in sorted(options.clips):
            lines += digests(options.model, clip, mode)
            print(lines[-2], flush=True)
    options.output.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
