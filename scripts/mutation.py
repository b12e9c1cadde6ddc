"""The parts of ``mutate.sh`` that are no shell: mutmut's configuration, its report, and a pytest plugin for its runs.

    python scripts/mutation.py configure pyproject.toml MODULE TESTS    the project's configuration, for one module
    python scripts/mutation.py report                                   in a workspace: counts, survivors, their changes
    python scripts/mutation.py summary WORKSPACE...                     one line each, and all together

``mutate.sh`` calls each of them.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

#: Examples of a property test per mutant: a mutant that needs luck to be found is one for a test by numbers.
EXAMPLES = 25

#: A mutant has a minute and three times what its tests take, by the clock: less, and a busy computer would seem to
#: notice mutants. Only those that never end take so long.
CONFIGURATION = """
[tool.mutmut]
source_paths = ["seqcls"]
only_mutate = ["seqcls/{module}.py"]
also_copy = ["mutation.py"]
pytest_add_cli_args = ["-m", "not real", "-p", "mutation", "-n", "0"]
pytest_add_cli_args_test_selection = ["{tests}"]
process_isolation = "forkserver"
timeout_constant = 20.0
timeout_multiplier = 3.0
use_git_change_detection = false
"""


def pytest_collection_modifyitems(items: list[Any]) -> None:
    """Property tests give the same verdict in every run, and a quick one."""
    from hypothesis import Phase, settings

    for item in items:
        own = getattr(getattr(item, "obj", None), "_hypothesis_internal_use_settings", None)
        if own is not None:
            item.obj._hypothesis_internal_use_settings = settings(
                own,
                max_examples=min(own.max_examples, EXAMPLES),
                derandomize=True,
                database=None,
                deadline=None,
                phases=(Phase.explicit, Phase.generate),
            )


def report() -> None:
    """Counts in the first line; then, with its change, every mutant that no test noticed, or only the time limit."""
    from mutmut.mutation.data import SourceFileMutationData
    from mutmut.mutation.diff_apply import get_diff_for_mutant
    from mutmut.stats import status_by_exit_code
    from mutmut.utils.file_utils import walk_mutatable_files

    counts: Counter[str] = Counter()
    listed: list[tuple[str, str, Path]] = []
    for path in walk_mutatable_files():
        data = SourceFileMutationData(path=path)
        data.load()
        for name, code in data.exit_code_by_key.items():
            status = status_by_exit_code[code]
            noticed = status in ("killed", "timeout", "segfault")
            counts["killed" if noticed else "survived"] += 1
            if status != "killed":
                listed.append((name, status, path))
    print(json.dumps({"tried": counts.total(), "killed": counts["killed"], "survived": counts["survived"]}))
    for name, status, path in listed:
        changes = get_diff_for_mutant(name, path=path).splitlines()
        print(f"\n# {name}: {status}", *(line for line in changes if line[:3] not in ("---", "+++")), sep="\n")


def summary(workspaces: list[str]) -> None:
    total: Counter[str] = Counter()
    for workspace in workspaces:
        line = (Path(workspace) / "report.txt").read_text("utf-8").splitlines()[0]
        counts = Counter(json.loads(line))
        total += counts
        _print_counts(workspace.removeprefix("build/mutation/"), counts)
    if len(workspaces) > 1:
        _print_counts("all", total)


def _print_counts(name: str, counts: Counter[str]) -> None:
    tried, killed, survived = (counts[key] for key in ("tried", "killed", "survived"))
    print(f"{name:24} tried {tried:5}  killed {killed:5}  survived {survived:4}  {100 * killed / max(1, tried):5.1f} %")


def main(arguments: list[str]) -> None:
    if arguments[0] == "configure":
        project, module, tests = arguments[1:]
        print(Path(project).read_text("utf-8"), CONFIGURATION.format(module=module, tests=tests))
    elif arguments[0] == "report":
        report()
    else:
        summary(arguments[1:])


if __name__ == "__main__":
    main(sys.argv[1:])
