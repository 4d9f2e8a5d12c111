#!/bin/bash
#
# Several models at once: one job of an array for each, an output each, and one table of all when they have ended.
#
#   slurm/array.sh MODELS_FILE [options of sbatch] -- [options of mtbench-ko run]
#   slurm/array.sh models.txt --gpus-per-node=8 --time=4:00:00 -- --judge-model gpt-4o-2024-08-06
#
# A line of MODELS_FILE is a model, a folder or hub id, and options of `run` for it alone:
#
#   my-org/my-8b
#   /weights/my-70b --num-gpus-per-model 8 --model-id my-70b-sft
#   --model served-model --openai-api-base http://gpu7:8000/v1
#
# Empty lines and those that begin with # do not count. Each model's output is OUTPUT/NAME, where OUTPUT is that of the
# options (outputs) and NAME the model's. The file is read now; it may change while the jobs wait. Logs, exit codes and
# the table (summary.log) lie in a new directory here. A model that failed is named in the summary, which then exits
# with 1. Variables are those of eval.sh, and EVAL_AT_ONCE: how many models may run at the same time (all).
set -euo pipefail

main() {
  local file=${1-} here options=() base=outputs show=() names=() lines=() shared=() line array jobs
  here=$(dirname "$(realpath "$0")")
  [ -r "$file" ] || fail "usage: $0 MODELS_FILE [options of sbatch] -- [options of mtbench-ko run]"
  shift
  while (($#)) && [ "$1" != -- ]; do
    case $1 in # what the summary's job needs to be let in
    --account=* | --partition=* | --qos=* | --reservation=*) shared+=("$1") ;;
    -[Apq] | --account | --partition | --qos | --reservation) shared+=("$1" "${2-}") ;;
    esac
    options+=("$1") && shift
  done
  shift $(($# > 0))
  read_options "$@"
  while IFS= read -r line || [ -n "$line" ]; do
    line=${line%$'\r'}
    [[ $line =~ ^[[:space:]]*(#|$) ]] || add_model "$line"
  done <"$file"
  ((${#names[@]})) || fail "$file names no model"

  EVAL_MODELS=$(printf '%s\n' "${lines[@]}")
  EVAL_RECORD=$(mktemp -d "$PWD/mtbench-ko-array-$(date +%Y%m%d)-XXXX")
  chmod 755 "$EVAL_RECORD"
  export EVAL_MODELS EVAL_RECORD
  array=0-$((${#names[@]} - 1))${EVAL_AT_ONCE:+%$EVAL_AT_ONCE}
  jobs=$(sbatch --parsable --array="$array" --output="$EVAL_RECORD/%a.log" "${options[@]}" "$here/eval.sh" "${run[@]}")
  jobs=${jobs%%;*} # a federation adds the cluster's name
  # afterany: the table is wanted above all when a model failed.
  sbatch --parsable --dependency="afterany:$jobs" --job-name=mtbench-ko-summary --output="$EVAL_RECORD/summary.log" \
    --nodes=1 --cpus-per-task=1 --time=30 "${shared[@]}" "$here/eval.sh" show "${show[@]}" >/dev/null
  echo "job $jobs: ${#names[@]} models; logs and summary.log: $EVAL_RECORD"
}

fail() {
  echo "array.sh: $*" >&2
  exit 2
}

refuse_key() { # OPTION VALUE
  [[ $2 =~ ^(env|file): ]] || fail "$1: a key does not belong here: pass env:NAME or file:PATH"
}

# Sets `run`, the options for every model, `base`, where the outputs go, and `show`, what the summary has to know.
read_options() {
  run=()
  while (($#)); do
    case $1 in
    --output) base=${2-} && shift 2 && continue ;;
    --*-api-key) refuse_key "$1" "${2-}" ;;
    --*-api-key=*) refuse_key "${1%%=*}" "${1#*=}" ;;
    --output=*) base=${1#*=} && shift && continue ;;
    --config | --bench-name | --judge-model | --mode | --baseline-model | --s3-endpoint-url) show+=("$1" "${2-}") ;;
    --config=* | --bench-name=* | --judge-model=* | --mode=* | --baseline-model=* | --s3-endpoint-url=*) show+=("$1") ;;
    esac
    run+=("$1") && shift
  done
}

add_model() { # LINE: to `lines`, completed, and to `names`
  local words split=() name other i
  read -ra words <<<"$1"
  [[ ${words[0]} = -* ]] || words=(--model-path "${words[@]}")
  for other in "${words[@]}"; do
    case $other in --*=*) split+=("${other%%=*}" "${other#*=}") ;; *) split+=("$other") ;; esac
  done
  words=("${split[@]}") other=
  for ((i = 0; i < ${#words[@]}; i++)); do
    case ${words[i]} in --*-api-key) refuse_key "${words[i]}" "${words[i + 1]-}" ;; esac
  done
  for name in --model-path --model --model-id; do # a later one wins
    for ((i = 0; i < ${#words[@]} - 1; i++)); do [ "${words[i]}" != "$name" ] || other=${words[i + 1]}; done
  done
  [ -n "${other-}" ] || fail "no model in this line: $1"
  name=${other%/} name=${name##*/}
  for other in "${names[@]}"; do
    [ "$other" != "$name" ] || fail "two models would share the output $base/$name: give each a --model-id"
  done
  names+=("$name")
  lines+=("${words[*]} --output $base/$name")
  show+=(--output "$base/$name")
}

main "$@"
