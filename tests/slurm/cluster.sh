#!/bin/bash
# A real Slurm of two nodes on this machine: cluster.sh STATE [SHARED...]
#
# Runs until its stdin closes or it is killed; then the kernel ends every process of the cluster with it. The control
# host and each node have network, PID, mount and IPC namespaces and a hostname of their own, and a node has its own
# /tmp and /dev/shm, like machines. So nothing of the host is touched: no interface, no file but those in the
# directory STATE. SHARED directories are what the nodes see of the host's /tmp. Two GPUs on each node are /dev/null.
#
# Prints "ready" when jobs can be submitted: nsenter --net=/proc/PID/ns/net env SLURM_CONF=STATE/slurm.conf sbatch ...
# where PID is that of slurmctld, in STATE/control.pid.
set -euo pipefail

nodes=2
network=10.213.0 # the control host is .1, nodes are .11 and .12; it exists in the namespaces only
here=$(realpath "$0")

configure() {
  local n
  cat >"$state/slurm.conf" <<CONF
ClusterName=test
SlurmctldHost=control($network.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
# A requeued job waits for cred_expire: 120 s by default.
AuthInfo=socket=$state/munge.sock,cred_expire=5
StateSaveLocation=$state/spool
SlurmdSpoolDir=$state/spool-%n
SlurmctldPidFile=$state/slurmctld.pid
SlurmdPidFile=$state/slurmd-%n.pid
SlurmctldLogFile=$state/slurmctld.log
SlurmdLogFile=$state/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
# More CPUs than the machine may have.
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=500
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
KillWait=30
UnkillableStepTimeout=60
MinJobAge=3600
SlurmctldTimeout=30
SlurmdTimeout=120
GresTypes=gpu
CONF
  for ((n = 1; n <= nodes; n++)); do
    echo "NodeName=node$n NodeAddr=$network.1$n CPUs=8 RealMemory=16000 Gres=gpu:fake:2 State=UNKNOWN"
  done >>"$state/slurm.conf"
  cat >>"$state/slurm.conf" <<CONF
PartitionName=main Nodes=ALL Default=YES PriorityTier=10 PreemptMode=REQUEUE GraceTime=30 MaxTime=INFINITE State=UP
PartitionName=urgent Nodes=ALL PriorityTier=100 PreemptMode=OFF MaxTime=INFINITE State=UP
CONF
  # File= has to be a character device; a link to one will do.
  ln -sfn /dev/null "$state/gpu0"
  ln -sfn /dev/null "$state/gpu1"
  echo "NodeName=node[1-$nodes] Name=gpu Type=fake File=$state/gpu[0-1]" >"$state/gres.conf"
  # slurmd loads a cgroup plugin even where nothing uses cgroups; this one needs no mounted cgroupfs.
  echo "CgroupPlugin=cgroup/v1" >"$state/cgroup.conf"
  {
    echo "127.0.0.1 localhost"
    echo "$network.1 control"
    for ((n = 1; n <= nodes; n++)); do echo "$network.1$n node$n"; done
  } >"$state/hosts"
}

control() {
  local n pid
  hostname control
  mount --bind "$state/hosts" /etc/hosts
  ip link set lo up
  ip link add cluster type bridge
  ip addr add "$network.1/24" dev cluster
  ip link set cluster up
  [ -s "$state/munge.key" ] || (umask 077 && head -c 128 /dev/urandom >"$state/munge.key")
  munged --key-file="$state/munge.key" --socket="$state/munge.sock" --pid-file="$state/munge.pid" \
    --log-file="$state/munge.log" --seed-file="$state/munge.seed"
  slurmctld -i -D >/dev/null 2>&1 &
  for ((n = 1; n <= nodes; n++)); do
    unshare --net --uts --mount --pid --ipc --fork --kill-child --mount-proc "$here" node "$state" "$n" "${shared[@]}" \
      </dev/null >"$state/node$n.out" 2>&1 &
    pid=$!
    until [ "$(readlink "/proc/$pid/ns/net")" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.02; done
    ip link add "node$n" type veth peer name eth0 netns "$pid"
    ip link set "node$n" master cluster up
  done
  until [ "$(sinfo -h -N -p main -t idle -o %N 2>/dev/null | sort -u | wc -l)" = "$nodes" ]; do
    [ "$SECONDS" -lt 60 ] || { tail -n 20 "$state"/*.log "$state"/*.out >&2; exit 1; }
    sleep 0.1
  done
  echo ready
  while read -r _; do :; done
}

node() {
  local name=node$1 path
  shift
  hostname "$name"
  mount -t tmpfs -o size=2g,mode=1777 tmpfs /dev/shm
  mount --bind "$state/hosts" /etc/hosts
  mkdir -p "$state/tmp-$name"
  for path in "$@"; do # a /tmp that holds the shared directories in their places
    [[ $path = /tmp/* ]] || continue
    mkdir -p "$state/tmp-$name/${path#/tmp/}"
    mount --bind "$path" "$state/tmp-$name/${path#/tmp/}"
  done
  chmod 1777 "$state/tmp-$name"
  mount --rbind "$state/tmp-$name" /tmp
  ip link set lo up
  until ip link show eth0 >/dev/null 2>&1; do sleep 0.02; done
  ip addr add "$network.1${name#node}/24" dev eth0
  ip link set eth0 up
  ip route add default via "$network.1"
  slurmd -D -N "$name" &
  wait
}

case ${1-} in
control | node)
  role=$1 state=$2
  export SLURM_CONF=$state/slurm.conf
  ;;
*)
  role=start state=$(realpath "$1")
  ;;
esac
case $role in
start)
  shift
  configure
  # The cluster ends with this process, however it ends.
  exec setpriv --pdeathsig KILL unshare --net --uts --mount --pid --ipc --fork --kill-child --mount-proc \
    "$here" control "$state" "$@"
  ;;
control)
  shared=("${@:3}")
  control
  ;;
node) node "${@:3}" ;;
esac
