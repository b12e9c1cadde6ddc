#!/usr/bin/env bash
# Mutation testing of the heart: which changes of the code does no test notice?
#
#   scripts/mutate.sh                          # every module below
#   scripts/mutate.sh gate training/calibration
#
# Each module is mutated by mutmut in a workspace of its own, build/mutation/MODULE, and its mutants are run against its
# own tests alone: tests/<folder>/test_<module>.py, else the tests of its whole folder. The report, build/mutation/MODULE/
# report.txt, holds the counts and the difference that each survivor makes; a summary of all is printed at the end.
# docs/mutation.md says why each survivor is equivalent. PROCESSES (2) mutants run at once; a module takes minutes. Needs
# the "mutation" extra, and Linux or macOS. One mutant again: cd build/mutation/MODULE && mutmut run NAME.
set -euo pipefail
cd "$(dirname "$0")/.."
heart=(gate smoothing intervals postprocess reprocess training/calibration datasets/split evaluation/metrics
  evaluation/interval_metrics geometry/geometry geometry/region geometry/sector geometry/evidence geometry/panels
  geometry/tissue geometry/fit geometry/edges geometry/confidence geometry/outline geometry/masks geometry/layout geometry/crop)
[ $# -eq 0 ] || heart=("$@")
# Threads do not survive the fork that starts each mutant.
export OPENCV_FOR_THREADS_NUM=1 OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1
unset PYTHONPATH # it would find the code without its mutants
project=$PWD
for module in "${heart[@]}"; do
  test -f "seqcls/$module.py" || { echo "no module seqcls/$module.py; name it like: gate, training/calibration" >&2; exit 2; }
  folder=tests; [[ $module != */* ]] || folder=tests/${module%/*}
  tests=$folder/test_${module##*/}.py
  [ -f "$tests" ] || tests=$folder
  workspace=build/mutation/$module
  rm -rf "$workspace"
  mkdir -p "$workspace"
  cp -r seqcls tests "$workspace"
  cp scripts/mutation.py "$workspace/mutation.py"
  # mutmut leaves decorated functions alone. Without its cache a function gives the same, and can be mutated.
  sed -i '/^ *@\(lru_cache\|cache\)\b/d' "$workspace/seqcls/$module.py"
  python scripts/mutation.py configure pyproject.toml "$module" "$tests" >"$workspace/pyproject.toml"
  echo "== $module, tried by $tests"
  (
    cd "$workspace"
    nice mutmut run --max-children "${PROCESSES:-2}" >run.log 2>&1 || {
      tr '\r' '\n' <run.log | grep -v 'Running' | tail -40 >&2 # without its progress
      exit 1
    }
    python "$project/scripts/mutation.py" report >report.txt
  )
done
python scripts/mutation.py summary "${heart[@]/#/build/mutation/}"
