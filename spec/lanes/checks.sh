# shellcheck shell=bash
# What the parts of script/test count with, and what it says at its end.

passed=0 failed=0
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM
export LC_ALL=C.UTF-8
export NEAP_TIMES=$scratch/files  # spec/support/output.lua writes there
export NEAP_RUN=$$-$RANDOM        # what marks the processes of this run
: >"$NEAP_TIMES" >"$scratch/parts" >"$scratch/sums"

busted=(lua5.4 spec/support/busted.lua --ignore-lua -o spec/support/output.lua)

title() { printf '\n== %s\n' "$*"; }

# Counts one check, and shows what it printed only when it failed.
check() {
  local name=$1 log=$scratch/log start=$SECONDS
  shift
  if "$@" >"$log" 2>&1; then
    passed=$((passed + 1))
    printf 'ok      %s (%d s)\n' "$name" $((SECONDS - start))
  else
    failed=$((failed + 1))
    tail -n 60 "$log"
    printf 'FAILED  %s (%d s)\n' "$name" $((SECONDS - start))
    remember "$name" < <(tail -n 20 "$log")
  fi
}

# What failed is said again at the end, where a long log is read first.
remember() { # NAME, and what it said on standard input
  { printf -- '-- %s\n' "$1" && head -n 40; } >>"$scratch/failures"
}

# Shows a command's lines as they come, and counts those that begin with "ok" or
# "FAILED"; a command that fails without such a line is one failure.
check_each() {
  local log=$scratch/each bad status
  "$@" 2>&1 </dev/null | tee "$log"
  status=${PIPESTATUS[0]}
  bad=$(grep -c '^FAILED' "$log")
  [ "$status" = 0 ] || [ "$bad" != 0 ] || { bad=1; echo "FAILED  $*: exit $status"; }
  passed=$((passed + $(grep -c '^ok' "$log"))) failed=$((failed + bad))
  [ "$bad" = 0 ] || remember "$*" < <(grep -B 20 '^FAILED' "$log")
}

# Runs specs with busted and adds up its counts. A run that crashes or hangs has
# no counts, and is one failure. A run of ten minutes hangs.
busted_run() {
  local name=$1 log=$scratch/busted start=$SECONDS sums status
  shift
  NEAP_LABEL=$name timeout --foreground -k 5 600 "$@" >"$log" 2>&1 </dev/null
  status=$?
  sums=$(grep -aoE '[0-9]+ success(es)? / [0-9]+ failures? / [0-9]+ errors?' \
    "$log" | tail -n 1)
  if [ -z "$sums" ]; then
    failed=$((failed + 1))
    tail -n 60 "$log"
    printf 'FAILED  %s: exit %d and no result\n' "$name" "$status"
    remember "$name: exit $status and no result" < <(tail -n 20 "$log")
    return
  fi
  local good bad wrong
  read -r good bad wrong < <(tr -dc '0-9/' <<<"$sums" | tr / ' ')
  passed=$((passed + good)) failed=$((failed + bad + wrong))
  if [ $((bad + wrong)) != 0 ]; then
    sed -n '/^\(Failure\|Error\) -> /,$p' "$log" | head -n 200 | tee "$scratch/said"
    remember "$name" <"$scratch/said"
  elif [ "$status" != 0 ]; then # all green, and then a leak or a crash at exit
    failed=$((failed + 1))
    tail -n 60 "$log"
    printf 'FAILED  %s: exit %d\n' "$name" "$status"
    remember "$name: exit $status" < <(tail -n 20 "$log")
  fi
  grep -a '^| ' "$log" # the tables that some specs print
  printf '%s: %s (%d s)\n' "$name" "$sums" $((SECONDS - start))
}

# Sets `processor`: the seconds that the commands so far have kept one busy. (In
# a subshell `times` would tell of the subshell.)
note_processor() {
  times >"$scratch/times"
  processor=$(awk -F'[ms ]+' 'NR == 2 { printf "%d", $1 * 60 + $2 + $3 * 60 + $4 }' \
    "$scratch/times")
}

run_part() {
  local start=$SECONDS cpu
  note_processor
  cpu=$processor passed=0 failed=0
  title "$1"
  "part_${1//-/_}" || true
  [ $((passed + failed)) != 0 ] ||
    { failed=1; echo "FAILED  $1 has checked nothing"; }
  note_processor
  printf '%6d s, %4d s of processor  %s: %d passed, %d failed\n' \
    $((SECONDS - start)) $((processor - cpu)) "$1" "$passed" "$failed" |
    tee -a "$all/parts"
  echo "$passed $failed" >>"$all/sums"
}

# Two parts at a time, each with a scratch directory and counts of its own: they
# wait more than they work. What one says is shown when it has ended; when it is
# the only one, at once.
run_parts() {
  local part all=$scratch good bad
  for part in "$@"; do
    [ "$(jobs -rp | wc -l)" -lt 2 ] || wait -n
    (
      scratch=$all/$part
      mkdir -p "$scratch"
      [ $# = 1 ] || exec >"$all/$part.log" 2>&1
      run_part "$part"
      [ $# = 1 ] || flock "$all/parts" cat "$all/$part.log" >&3
    ) 3>&1 &
  done
  wait
  while read -r good bad; do
    passed=$((passed + good)) failed=$((failed + bad))
  done <"$all/sums"
}

# Every process of the run has its mark in its environment. One that was killed
# a moment ago gets its moment.
nothing_left() {
  local try=0 pid left
  while [ $((try++)) -lt 20 ]; do
    left=()
    for pid in $(grep -lsz "^NEAP_RUN=$NEAP_RUN\$" /proc/[0-9]*/environ |
      tr -dc '0-9\n'); do
      is_ours_to_have "$pid" || left+=("$pid")
    done
    [ ${#left[@]} != 0 ] || return 0
    sleep 0.1
  done
  ps -o pid,ppid,args -p "$(IFS=,; echo "${left[*]}")"
  return 1
}

# This shell and its subshells.
is_ours_to_have() {
  local pid=$1
  while [ "$pid" -gt 1 ]; do
    [ "$pid" != $$ ] || return 0
    pid=$(awk '/^PPid/ { print $2 }' "/proc/$pid/status" 2>/dev/null) || return 0
    [ -n "$pid" ] || return 0
  done
  return 1
}

show_times() {
  printf '\nThe ten slowest files:\n'
  sort -rn "$NEAP_TIMES" | head -n 10
  printf '\nThe parts (%d s in all; load %s):\n' "$SECONDS" \
    "$(cut -d' ' -f1-3 /proc/loadavg)"
  cat "$scratch/parts"
}

show_failures() {
  cat "$scratch"/failures "$scratch"/*/failures 2>/dev/null
}
