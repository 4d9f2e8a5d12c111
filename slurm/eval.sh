#!/bin/bash
#SBATCH --job-name=mtbench-ko
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --output=%x-%j.log
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=B:USR1@180
#
# mtbench-ko as a Slurm job, on one node or many:
#
#   sbatch --nodes=2 --gpus-per-node=8 --time=8:00:00 slurm/eval.sh --model-path my-org/my-70b --num-gpus-per-model 16
#   sbatch --nodes=2 --gpus-per-node=8 --time=10 slurm/eval.sh doctor --model-path my-org/my-70b
#
# What follows the script are the options of `mtbench-ko run`, or another command and its options. Options of sbatch
# win over those above. Preempted, or at its time limit, the job saves what it has, requeues and goes on; cancelled, it
# stays cancelled. Exit codes are the program's. docs/slurm.md says more.
#
# Variables (sbatch passes them on):
#   EVAL_VENV         virtual environment (or conda's) with the program
#   EVAL_MODULES      environment modules to load first, such as "python/3.11 cuda/12.8"
#   EVAL_CONTAINER    apptainer:IMAGE or pyxis:IMAGE instead, to run Ray and the program in
#   EVAL_MOUNTS       for the container, besides the submit directory, EVAL_TMP and HF_HOME: /a:/a,/b:/b
#   EVAL_TMP          directory on each node for Ray's sockets and logs; at most 24 characters (/tmp)
#   EVAL_RAY_WAIT     seconds that the other nodes may take longer to join Ray than the first one took (30)
#   EVAL_MAX_RESTARTS requeue no more often than this (20)
#
# No `set -e`: what this script is about is which exit code came from where.
set -uo pipefail

main() {
  local command=run
  [ -n "${SLURM_JOB_ID-}" ] || fail 2 "this is a job script: sbatch $0 [options of mtbench-ko run]"
  case ${1-} in [!-]*) command=$1 && shift ;; esac
  refuse_keys "$@"
  if [ -n "${EVAL_MODELS-}" ] && [ -n "${SLURM_ARRAY_TASK_ID-}" ]; then # from array.sh: this task's model
    read -ra line <<<"$(sed -n "$((SLURM_ARRAY_TASK_ID + 1))p" <<<"$EVAL_MODELS")"
    set -- "$@" "${line[@]}"
    refuse_keys "$@"
    rm -f "$EVAL_RECORD/$SLURM_ARRAY_TASK_ID"
    trap 'echo "$code" >"$EVAL_RECORD/$SLURM_ARRAY_TASK_ID"' EXIT
  fi
  # The job id of an array's last task is that of the whole array too.
  id=${SLURM_ARRAY_JOB_ID:+${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID}
  id=${id:-$SLURM_JOB_ID}
  describe_allocation
  set_up_environment
  trap 'stopped=yes' TERM # Slurm has sent it to the steps too
  trap 'say "asked to save and to go on later, as near the time limit"; save=yes; forward' USR1
  case $command in run | generate | judge | doctor) start_ray ;; esac
  start_program "$command" "$@"
  watch
  if ((code == 75)) && requeue; then
    trap - EXIT
    outcome="stopped with everything saved, and requeued"
  fi
  stop_ray
  if [ "$command" = show ] && [ -n "${EVAL_RECORD-}" ]; then name_failures; fi
  say "exit code $code: ${outcome:-$(meaning "$code")}$(sed 's/^/; results: /' /dev/fd/5)"
  exit "$code"
}

say() { printf '%s eval: %s\n' "$(date +%T)" "$*"; }

fail() { # CODE MESSAGE...
  say "${@:2}" >&2
  code=$1
  exit "$code"
}

# A key among the arguments stands in `scontrol show job` and in the accounting, where nobody can take it back.
refuse_keys() {
  local argument flag=
  for argument; do
    if [[ $argument =~ ^(--[a-z0-9-]+=)?[a-z0-9]+://([^[:space:]/]*@|[^[:space:]]*\?) ]]; then
      fail 2 "a URL with a user or a query, in which keys stand, is now to be read in 'scontrol show job'." \
        "Replace what is secret in it, and pass it as a variable, such as MTBENCH_KO_JUDGE_API_BASE"
    fi
    case $flag in --*-api-key) flag=$flag=$argument ;; *) flag=$argument ;; esac
    case $flag in
    --*-api-key=env:* | --*-api-key=file:*) ;;
    --*-api-key=*) fail 2 "${flag%%=*}: the key itself is now to be read in 'scontrol show job'." \
      "Replace it, and pass env:NAME or file:PATH" ;;
    esac
  done
}

describe_allocation() {
  local gpus=${SLURM_GPUS_ON_NODE:-0}
  mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
  say "job $SLURM_JOB_ID, start $((${SLURM_RESTART_COUNT:-0} + 1)): ${nodes[*]}, each with $gpus GPUs and" \
    "$SLURM_CPUS_ON_NODE CPUs"
  if ((SLURM_CPUS_ON_NODE <= gpus)); then
    say "warning: an engine needs more CPUs than GPUs: --cpus-per-task, --cpus-per-gpu or --exclusive of sbatch"
  fi
  if [ -n "${SLURM_GPUS-}" ]; then # a total for the job, which a step on one node would ask for too
    ((${SLURM_GPUS##*:} == gpus * ${#nodes[@]})) ||
      fail 2 "$SLURM_GPUS GPUs lie unevenly on ${#nodes[@]} nodes: ask with --gpus-per-node instead of --gpus"
    export SLURM_GPUS_PER_NODE=$gpus
  fi
  # Steps take their shape from the options below and what else they may use from the job.
  unset SLURM_GPUS SLURM_GPUS_PER_TASK SLURM_GPUS_PER_SOCKET SLURM_CPUS_PER_GPU \
    SLURM_NTASKS SLURM_NPROCS SLURM_NTASKS_PER_NODE SLURM_CPUS_PER_TASK
}

# Sets `container`, options of srun, and `inside`, a command in front of the command: the same for both steps.
set_up_environment() {
  local module mounts=$PWD:$PWD,$tmp:$tmp${HF_HOME:+,$HF_HOME:$HF_HOME}${EVAL_MOUNTS:+,$EVAL_MOUNTS}
  container=() inside=()
  unset RAY_ADDRESS
  if [ -n "${EVAL_MODULES-}" ]; then
    set +u # which these do not expect
    for module in /etc/profile.d/lmod.sh /etc/profile.d/modules.sh; do
      # shellcheck disable=SC1090
      type module >/dev/null 2>&1 || { [ -r "$module" ] && . "$module"; }
    done
    # shellcheck disable=SC2086 # several names
    module load $EVAL_MODULES || fail 1 "module load $EVAL_MODULES failed"
    set -u
  fi
  [ -z "${EVAL_VENV-}" ] || export PATH=$EVAL_VENV/bin:$PATH
  case ${EVAL_CONTAINER-} in
  '') command -v mtbench-ko >/dev/null || fail 1 "no mtbench-ko here: set EVAL_VENV, EVAL_MODULES or EVAL_CONTAINER" ;;
  apptainer:*) inside=(apptainer exec --nv --bind "$mounts" --pwd "$PWD" "${EVAL_CONTAINER#*:}") ;;
  pyxis:*)
    container=(--container-image="${EVAL_CONTAINER#*:}" --container-mounts="$mounts" --container-workdir="$PWD")
    ;;
  *) fail 2 "EVAL_CONTAINER=$EVAL_CONTAINER: apptainer:IMAGE or pyxis:IMAGE" ;;
  esac
  export PYTHONUNBUFFERED=1 DO_NOT_TRACK=1 VLLM_NO_USAGE_STATS=1 RAY_USAGE_STATS_ENABLED=0
  unset VLLM_HOST_IP # each node has its own
}

step() { # OPTIONS... -- COMMAND...: become srun of a command in the job's environment, beside the other step
  local options=()
  while [ "$1" != -- ]; do options+=("$1") && shift; done
  exec srun --quiet --export=ALL --overlap --cpu-bind=none --ntasks-per-node=1 "${options[@]}" "${container[@]}" \
    "${inside[@]}" "${@:2}"
}

start_ray() {
  local ip
  ip=$(getent ahostsv4 "${nodes[0]}" | awk '$1 !~ /^127\./ {print $1; exit}')
  ip=${ip:-$(hostname -I | awk '{print $1}')}
  EVAL_PORT=$(free_ports) || fail 1 "no free block of ports on ${nodes[0]}"
  EVAL_FOLDER=$tmp/mtb-$SLURM_JOB_ID.${SLURM_RESTART_COUNT:-0}
  export EVAL_PORT EVAL_FOLDER RAY_ADDRESS=$ip:$EVAL_PORT
  # With a token of this job nobody else's Ray can join, and a forgotten ~/.ray/auth_token does not count. It reaches
  # the steps by their environment, never by a command line.
  RAY_AUTH_TOKEN=$(od -An -tx1 -N32 /dev/urandom | tr -d ' \n')
  export RAY_AUTH_MODE=token RAY_AUTH_TOKEN
  export RAY_process_group_cleanup_enabled=1   # a killed actor's engine processes end with it
  export RAY_worker_niceness=0                 # or engines would run behind everything else on the node
  export RAY_prestart_worker_first_driver=0    # or it would start a Python for every CPU of a node
  export RAY_memory_monitor_refresh_ms=0       # watches the whole node, other jobs too; Slurm watches ours
  export RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S=0
  # One step for all nodes: when Ray ends on one of them, it ends on all. It is asked to end by closing its stdin, for
  # srun answers a SIGTERM by killing.
  exec 4>&1
  coproc RAY {
    step --nodes="${#nodes[@]}" --ntasks="${#nodes[@]}" --kill-on-bad-exit=1 -- \
      bash -c "$(declare -f say alive pause free_ports ray_node); ray_node" >&4
  }
  ray=$RAY_PID leash=${RAY[1]}
}

# Prints the first of 8 ports that nobody listens on. The job id makes jobs on one node seldom look at the same; the
# range ends below the ports that systems give out by themselves.
free_ports() {
  local taken first port attempt
  taken=$(awk '$4 == "0A" {sub(/.*:/, "", $2); print $2}' /proc/net/tcp /proc/net/tcp6 2>/dev/null)
  for ((attempt = 0; attempt < 1500; attempt++)); do
    first=$((20000 + (SLURM_JOB_ID + attempt) % 1500 * 8))
    for ((port = first; port < first + 8; port++)); do
      [[ $taken == *$(printf %04X "$port")* ]] && continue 2
    done
    echo "$first"
    return
  done
  return 1
}

# One node's part of Ray; runs in the step. Exits with 0 if the job script asked it to end, with 75 if Slurm did.
# shellcheck disable=SC2317 # not seen to be called
ray_node() {
  local ip port asked='' pid status try
  trap 'asked=75' TERM
  # The address by which this node reaches the first one: names may mean another network.
  ip=$(python3 -c 'import socket, sys; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect((sys.argv[1], 9)); print(s.getsockname()[0])' "${RAY_ADDRESS%:*}") || exit 1
  port=$EVAL_PORT
  ((SLURM_NODEID == 0)) || port=$(free_ports) || exit 1
  mkdir -p "$EVAL_FOLDER" || exit 1
  set -- --node-name="$SLURMD_NODENAME" --node-ip-address="$ip" --temp-dir="$EVAL_FOLDER" \
    --num-gpus="${SLURM_GPUS_ON_NODE:-0}" --num-cpus="$SLURM_CPUS_ON_NODE" --object-store-memory=268435456 \
    --node-manager-port=$((port + 1)) --object-manager-port=$((port + 2)) --runtime-env-agent-port=$((port + 3)) \
    --dashboard-agent-listen-port=$((port + 4)) --dashboard-agent-grpc-port=$((port + 5)) \
    --metrics-export-port=$((port + 6)) --min-worker-port=0 --max-worker-port=0 --include-log-monitor=false \
    --disable-usage-stats --block
  if ((SLURM_NODEID == 0)); then
    set -- --head --port="$port" --ray-client-server-port=$((port + 7)) --include-dashboard=false \
      --no-monitor "$@"
  else
    set -- --address="$RAY_ADDRESS" "$@"
    until (exec 3<>"/dev/tcp/${RAY_ADDRESS%:*}/${RAY_ADDRESS#*:}") 2>/dev/null; do
      [ -z "$asked" ] || exit 75
      read -r -t 1 _ || (($? > 128)) || exit 0
    done
  fi
  unset RAY_ADDRESS
  # Ray gives its helpers 15 s to start, which is little on a slow file system; the next try finds them in the cache.
  for try in 1 2 3; do
    VLLM_HOST_IP=$ip ray start "$@" >"$EVAL_FOLDER/ray-start.log" 2>&1 &
    pid=$!
    while alive "$pid"; do
      if read -r -t 1 _ || (($? > 128)); then continue; fi # the job script closes our stdin when Ray is to end
      [ -n "$asked" ] || { asked=0 && kill -TERM "$pid"; }
      pause
    done
    wait "$pid"
    status=$?
    # Helpers whose raylet was killed would live on for a while; they are known by its log, which they hold open.
    find /proc/[0-9]*/fd -lname "$EVAL_FOLDER/session*/raylet.out" 2>/dev/null |
      cut -d/ -f3 | sort -u | xargs -r kill -KILL
    [ -z "$asked" ] || break
    grep -q 'Ray runtime started' "$EVAL_FOLDER/ray-start.log" && break
    say "Ray did not start on $SLURMD_NODENAME, try $try of 3"
  done
  if [ -n "$asked" ]; then
    rm -rf "$EVAL_FOLDER"
    exit "$asked"
  fi
  say "Ray ended on $SLURMD_NODENAME with exit code $status; its logs are there, in $EVAL_FOLDER. Its last words:"
  grep -a '\<ERR\>\|^[A-Za-z]*Exception\|^[A-Za-z]*Error' "$EVAL_FOLDER/ray-start.log" | head -n 20
  exit 1
}

# Waits until every node has joined Ray, then becomes the program, so that the program's exit code is the step's.
# How long Ray takes to start is the file system's affair; the other nodes get the first one's time and some more.
read -r -d '' become_program <<'PYTHON'
import os, signal, socket, sys, time

command = sys.argv[1:]
if "RAY_ADDRESS" in os.environ:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
        signal.signal(number, lambda *_: os._exit(75))
    host, port = os.environ["RAY_ADDRESS"].rsplit(":", 1)
    names, patience = os.environ["EVAL_NODES"].split(), float(os.environ.get("EVAL_RAY_WAIT") or 30)
    began, first, joined, last = time.monotonic(), None, set(), None
    while missing := [name for name in names if name not in joined]:
        try:
            socket.create_connection((host, int(port)), 2).close()
            from ray._raylet import GcsClient

            client = GcsClient(address=f"{host}:{port}")  # anew: it would not know the Ray of the first node's next try
            joined = {node.node_name for node in client.get_all_node_info(timeout=5).values() if node.state == 0}
        except ImportError as error:
            sys.exit(f"eval: Ray cannot be imported here: {error}")
        except Exception as error:  # not up yet, in whichever way
            last = error
        seconds = time.monotonic() - began
        if first is None and names[0] in joined:
            first = seconds
        if seconds > (10 * patience if first is None else 2 * first + patience):
            sys.exit(f"eval: {', '.join(missing)} did not join Ray within {seconds:.0f} s (EVAL_RAY_WAIT allows for "
                     f"more); {', '.join(joined) or 'none'} did. Last error: {last}")
        time.sleep(0.5)
    seconds = time.monotonic() - began
    print(f"{time.strftime('%T')} eval: Ray is up on {len(names)} nodes, after {seconds:.0f} s", flush=True)
try:
    os.execvp(command[0], command)
except OSError as error:
    sys.exit(f"eval: {command[0]}: {error.strerror}")
PYTHON

start_program() { # COMMAND OPTIONS...
  local place
  place=$(mktemp)
  exec 5<>"$place"
  rm "$place" # the file lives as long as it is open
  # Its stderr goes to the log as it comes, and what it says of the results' place is kept for the last line.
  exec 3> >(while IFS= read -r text; do
    printf '%s\n' "$text" >&2
    case $text in "output: "*) printf '%s' "${text#output: }" >&5 ;; esac
  done)
  reader=$!
  export EVAL_NODES="${nodes[*]}"
  step --nodes=1 --ntasks=1 --nodelist="${nodes[0]}" -- \
    python3 -c "$become_program" mtbench-ko "$@" </dev/null 2>&3 &
  program=$!
  exec 3>&-
  forward
}

forward() { [ -z "$save" ] || [ -z "$program" ] || kill -USR1 "$program" 2>/dev/null; }

alive() { kill -0 "$1" 2>/dev/null; }

pause() { sleep 1 & wait $!; } # where traps are served

patience() { # PID SECONDS: wait for its end
  local until=$((SECONDS + $2))
  while alive "$1" && ((SECONDS < until)); do pause; done
  ! alive "$1"
}

# Waits for the program and sets `code`. Without Ray it cannot go on. It may know that already, for Slurm has asked both
# steps to end; and it may wait for what will never come: at its second signal it puts into the files what is there.
watch() {
  local lost='' signals=0
  while alive "$program"; do
    pause
    if [ -z "$ray" ] || alive "$ray"; then continue; fi
    patience "$program" 5 && break
    if [ -z "$lost$stopped" ] && ! preempted; then
      lost=yes
      say "Ray is gone: a node, or Ray on it, has died (see above). Saving what is there"
    fi
    if ((++signals < 4)); then kill -USR1 "$program"; else kill -TERM "$program"; fi
    patience "$program" 10
  done
  wait "$program"
  code=$?
  wait "$reader"
  # Signals that came before the program could catch them: it had not begun.
  case $code in 138 | 143) code=75 ;; esac
  [ -z "$lost" ] || code=1
}

preempted() { [[ $(scontrol show job "$id") =~ PreemptTime=[0-9] ]]; }

# The rule: exit code 75, no TERM here (`scancel` sends it; requeueing would undo the cancellation), and still running
# in Slurm's eyes. Preemption with a grace time sends TERM to the steps alone.
requeue() {
  [ -z "$stopped" ] && [ "$(squeue -h -j "$id" -o %T)" = RUNNING ] || return
  if ((${SLURM_RESTART_COUNT:-0} >= ${EVAL_MAX_RESTARTS:-20})); then
    say "restarted ${SLURM_RESTART_COUNT:-0} times already (EVAL_MAX_RESTARTS): not requeued"
    return 1
  fi
  scontrol requeue "$id" || {
    say "Slurm does not requeue the job: submit it again to go on"
    return 1
  }
}

# Ends this job's Ray and nothing else: `ray stop` would end that of other jobs on the node too.
stop_ray() {
  [ -n "$ray" ] || return
  exec {leash}>&-
  patience "$ray" 20 || kill -TERM "$ray"
}

# In the summary of array.sh: the models that did not end well, by the exit codes that their jobs wrote down.
name_failures() {
  local line number=0 status
  while IFS= read -r line; do
    status=$(cat "$EVAL_RECORD/$number" 2>/dev/null || echo none)
    if [ "$status" != 0 ]; then
      say "${line##*/} is not complete: $(meaning "$status") ($EVAL_RECORD/$number.log)"
      code=1
    fi
    ((++number))
  done <<<"$EVAL_MODELS"
}

meaning() { # CODE
  case $1 in
  0) echo "complete" ;;
  1) echo "the run failed, see above in its log" ;;
  2) echo "bad usage or input, see above in its log" ;;
  3) echo "finished, with more items failed or unscored than allowed" ;;
  4) echo "stopped with everything saved; unchanged it would stop here again, see above in its log" ;;
  75) echo "stopped with everything saved; the same command goes on from here" ;;
  none) echo "no exit code: cancelled, or killed" ;;
  *) echo "the program died with $1" ;;
  esac
}

tmp=${EVAL_TMP:-/tmp} ray='' leash='' program='' stopped='' save='' outcome='' code=1
main "$@"
