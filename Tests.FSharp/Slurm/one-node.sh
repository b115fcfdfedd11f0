#!/usr/bin/env bash
# A Slurm cluster of one node on 127.0.0.1, for tests: munged, slurmctld and slurmd with keys, sockets, ports and state of their own in one folder,
# without systemd and without touching an installed configuration. It needs root, and Debian's packages slurm-wlm and munge.
#
#   one-node.sh start FOLDER              starts it; then SLURM_CONF=FOLDER/slurm.conf makes sbatch, squeue and scancel speak with it
#   one-node.sh stop-controller FOLDER    stops slurmctld alone: jobs go on
#   one-node.sh start-controller FOLDER   starts it again
#   one-node.sh stop FOLDER               ends all jobs and all three daemons
set -uo pipefail
PATH=$PATH:/usr/sbin:/sbin

fail() {
  echo "$1" >&2
  exit 1
}

usage="Usage: one-node.sh start|stop-controller|start-controller|stop FOLDER"
[ $# -eq 2 ] || fail "$usage"
mkdir -p "$2" && folder=$(cd "$2" && pwd) || fail "The folder '$2' cannot be made."
export SLURM_CONF=$folder/slurm.conf

# Waits, at most as many tenths of a second as are given first, until a command succeeds.
await() {
  local tries=$1
  shift
  until "$@" >/dev/null 2>&1; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || return 1
    sleep 0.1
  done
}

is_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

free_port() {
  local port
  for _ in $(seq 100); do
    port=$((20000 + RANDOM % 10000))
    is_free "$port" && echo "$port" && return
  done
}

# Starts a daemon in the foreground of a process of its own, whose id is kept.
launch() {
  local name=$1
  shift
  "$@" </dev/null >>"$folder/$name.log" 2>&1 &
  echo $! >"$folder/$name.pid"
}

is_running() { [ -f "$folder/$1.pid" ] && kill -0 "$(cat "$folder/$1.pid")" 2>/dev/null; }
has_ended() { ! is_running "$1"; }

end() {
  is_running "$1" || return 0
  kill -TERM "$(cat "$folder/$1.pid")" 2>/dev/null
  await 100 has_ended "$1" || kill -KILL "$(cat "$folder/$1.pid")" 2>/dev/null
  rm -f "$folder/$1.pid"
}

# The processes of this cluster's jobs, and those that watch them: they know its configuration by name.
of_jobs() {
  local process
  for process in /proc/[0-9]*; do
    grep -qzxF "SLURM_CONF=$SLURM_CONF" "$process/environ" 2>/dev/null || continue
    if grep -qz '^SLURM_JOB_ID=' "$process/environ" 2>/dev/null || grep -q '^slurmstepd' "$process/comm" 2>/dev/null; then
      echo "${process#/proc/}"
    fi
  done
}

start_controller() {
  launch slurmctld slurmctld -D -f "$SLURM_CONF"
  await 300 sinfo --noheader || fail "slurmctld did not start; see '$folder/slurmctld.log'."
}

node_is_up() { sinfo --noheader --format=%t | grep -qE '^(idle|mix|alloc)'; }
no_jobs() { [ -z "$(squeue --noheader 2>/dev/null)" ]; }

start() {
  local program
  for program in munged mungekey slurmctld slurmd sbatch; do
    command -v "$program" >/dev/null || fail "There is no '$program': install the packages slurm-wlm and munge."
  done
  [ "$(id -u)" -eq 0 ] || fail "The cluster must be started by root."
  is_running slurmctld && fail "A cluster is running in '$folder' already."

  chmod 755 "$folder"
  mkdir -p "$folder/munge" "$folder/state" "$folder/spool"
  chmod 755 "$folder/munge"
  rm -f "$folder/munge/key"
  mungekey --create --keyfile "$folder/munge/key"
  cat >"$SLURM_CONF" <<CONF
ClusterName=one
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmctldPort=$(free_port)
SlurmdPort=$(free_port)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket
CredType=cred/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/state/slurmctld.pid
SlurmdPidFile=$folder/state/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
JobCompType=jobcomp/none
MpiDefault=none
ReturnToService=2
KillWait=5
MessageTimeout=5
SlurmctldTimeout=30
NodeName=$(hostname -s) NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=$(awk '/^MemTotal/ { print int($2 / 1024) }' /proc/meminfo) State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
  # Only root is to reach the socket: munged would rather have it open to all.
  launch munged munged --foreground --force --key-file "$folder/munge/key" --socket "$folder/munge/socket" \
    --pid-file "$folder/munge/pid" --log-file "$folder/munge/log" --seed-file "$folder/munge/seed"
  await 100 test -S "$folder/munge/socket" || fail "munged did not start; see '$folder/munged.log'."
  start_controller
  launch slurmd slurmd -D -f "$SLURM_CONF"
  await 300 node_is_up || fail "The node did not come up; see '$folder/slurmd.log'."
}

stop() {
  local process
  if [ -f "$SLURM_CONF" ] && is_running slurmctld; then
    timeout 10 scancel --full --signal=KILL --user=root >/dev/null 2>&1
    timeout 10 scancel --user=root >/dev/null 2>&1
    await 100 no_jobs
  fi
  end slurmctld
  end slurmd
  # What runs of jobs that the controller could not end.
  for process in $(of_jobs); do
    kill -KILL "$process" 2>/dev/null
  done
  end munged
  return 0
}

case $1 in
  start)
    # All or nothing.
    (start) || {
      stop
      exit 1
    }
    ;;
  stop) stop ;;
  start-controller) start_controller ;;
  stop-controller) end slurmctld ;;
  *) fail "$usage" ;;
esac
