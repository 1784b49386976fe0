# shellcheck shell=bash
# The parts that run the specs: plain, and with what watches them.

# Each folder is a run of its own, so that a crash costs only its own. Those that
# are parts by themselves are left out.
spec_groups() {
  find spec examples -name '*_spec.lua' -printf '%h\n' | sort -u |
    grep -vxE "${1:-}"
}

in_group() {
  find "$1" -maxdepth 1 -name '*_spec.lua' | sort
}

# Crowds need many descriptors.
more_descriptors() { ulimit -n "$(ulimit -Hn)"; }

run_plain() { # NAME FILE...
  local name=$1
  shift
  more_descriptors
  busted_run "$name" env ${long:+NEAP_LONG=1} "${busted[@]}" "$@"
}

# Ubuntu's packages of that name only tell where to get a browser.
has_browser() { chromedriver --version && chromium --version; } >/dev/null 2>&1

# The specs on the release build, folder by folder.
part_specs() {
  local group
  for group in $(spec_groups "spec/(conformance|fault|attack)"); do
    [ "$group" != spec/browser ] || has_browser ||
      { echo "spec/browser: left out, there is no Chromium here"; continue; }
    # shellcheck disable=SC2046
    run_plain "$group" $(in_group "$group")
  done
}

# RFC 6455 and 7692, and the cases of Autobahn, server and client.
part_conformance() {
  # shellcheck disable=SC2046
  run_plain spec/conformance $(in_group spec/conformance)
}

# What fails around neap: memory, system calls, networks, peers; known bugs of
# others. The long sweeps of memory and of system calls are parts of their own.
part_fault() {
  # shellcheck disable=SC2046
  run_plain spec/fault $(in_group spec/fault | grep -vE "attack${long:+|/memory_|/syscalls_}")
}

# System calls that fail, with each errno that they can return.
part_syscalls() { run_plain syscalls spec/fault/syscalls_spec.lua; }

# Allocations that fail, one after the other.
part_memory() {
  # shellcheck disable=SC2046
  run_plain memory $(in_group spec/fault | grep /memory_)
}

# What peers do on purpose: each with the memory and time that it may cost.
part_attack() {
  local files
  files=$(find spec -name '*_spec.lua' -path '*attack*' | sort)
  # shellcheck disable=SC2086
  [ -z "$files" ] || run_plain attack $files
}

# Every callback does everything again, with a full collection each so many
# instructions: what only luck keeps alive is gone by then.
part_stress() {
  busted_run "actions (collecting all the time)" env \
    NEAP_STRESS=$([ "$long" ] && echo 5 || echo 100) "${busted[@]}" \
    --helper=spec/support/stress.lua spec/lifetime/actions_spec.lua
}

# AddressSanitizer, LeakSanitizer and UBSan, in the servers that specs start too;
# no suppressions. What has no C in it, or is a browser, is left out.
part_sanitize() {
  check "sanitize build" env CC=gcc ./script/build Sanitize
  [ -e build-sanitize/neap/core.so ] || return
  check "leaks can be found here" finds_leaks
  local group preload
  preload=$(gcc -print-file-name=libasan.so)
  local options=abort_on_error=0:exitcode=99:fast_unwind_on_malloc=0
  options+=:malloc_context_size=12:detect_leaks=1
  for group in $(spec_groups "spec|spec/browser"); do
    # shellcheck disable=SC2046
    busted_run "$group (sanitize)" env NEAP_BUILD=build-sanitize \
      NEAP_PRELOAD="$preload" ASAN_OPTIONS=$options \
      LSAN_OPTIONS=print_suppressions=0 \
      UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 LD_PRELOAD="$preload" \
      "${busted[@]}" --cpath='./build-sanitize/?.so' $(in_group "$group")
  done
}

# A tool that can't work here (no ptrace, a kernel's way with addresses) must not
# pass for one that finds nothing: each is shown a program that it must refuse.
finds() { # WHAT OPTION PROGRAM [COMMAND...]
  local what=$1 option=$2 program=$3
  shift 3
  gcc "-fsanitize=$option" -O0 -pthread -x c -o "$scratch/flawed" - <<<"$program" &&
    "$@" "$scratch/flawed" 2>&1 | tee "$scratch/found"
  grep -q "$what" "$scratch/found"
}

finds_leaks() {
  finds 'detected memory leaks' address '#include <stdlib.h>
    int main(void) { char *p = malloc(9); p[0] = 1; p = 0; return p != 0; }'
}

finds_races() {
  finds 'data race' thread '#include <pthread.h>
    static int n;
    static void *add(void *p) { n++; return p; }
    int main(void) {
      pthread_t a, b;
      pthread_create(&a, 0, add, 0), pthread_create(&b, 0, add, 0);
      return pthread_join(a, 0) + pthread_join(b, 0);
    }' "$@"
}

# The workers' specs with ThreadSanitizer. It hands a signal over only when the
# thread calls the system, and starts under no small ulimit: these are left out.
part_tsan() {
  check "tsan build" env CC=gcc ./script/build Tsan
  [ -e build-tsan/neap/core.so ] || return
  # It wants its shadow where a kernel that shuffles addresses widely may have
  # put something else: then setarch -R, which some containers forbid.
  local fixed=()
  ! setarch -R true 2>/dev/null || fixed=(setarch -R)
  check "races can be found here" finds_races ${fixed[@]+"${fixed[@]}"}
  busted_run "spec/net (tsan)" env NEAP_BUILD=build-tsan \
    NEAP_PRELOAD="$(gcc -print-file-name=libtsan.so)" \
    TSAN_OPTIONS="exitcode=66:suppressions=$PWD/spec/support/tsan.supp" \
    ${fixed[@]+"${fixed[@]}"} "${busted[@]}" --exclude-tags=signals,descriptors \
    spec/net/worker_spec.lua spec/lifetime/remote_spec.lua
}

# Connections that come and go a million times, with exact counts at the end.
part_soak() {
  run_plain soak spec/lifetime/churn_spec.lua
}

# The process of the specs, and the servers that they start. What valgrind finds
# is in files of its own: a spec need not look at how each process ends. It keeps
# descriptors for itself, so there are fewer than a spec has allowed.
run_valgrind() { # NAME FILE...
  local name="$1 (valgrind)" logs=$scratch/valgrind found
  mkdir -p "$logs"
  shift
  local wrap="valgrind -q --error-exitcode=99 --leak-check=full"
  wrap+=" --errors-for-leak-kinds=definite --log-file=$logs/%p"
  local children="--trace-children=yes"
  children+=" --trace-children-skip=*/sh,*/env,*/setpriv,*/python3,*/node"
  case $1 in
    spec/net/*) busted_run "$name" env NEAP_WRAP="$wrap $children" \
      "${busted[@]}" --exclude-tags=descriptors "$@" ;;
    *) busted_run "$name" $wrap "${busted[@]}" "$@" ;;
  esac
  mapfile -t found < <(grep -lE "$valgrind_finds" "$logs"/* 2>/dev/null)
  echo "$name: watched $(find "$logs" -type f | wc -l) processes, ${#found[@]} with errors"
  [ ${#found[@]} = 0 ] || { failed=$((failed + 1)); head -n 60 "${found[@]}"; }
}
valgrind_finds='Invalid|ninitiali|definitely lost|Mismatched|unaddressable|overlap'

# spec/lifetime under valgrind.
part_valgrind_lifetime() {
  # shellcheck disable=SC2046
  run_valgrind spec/lifetime $(in_group spec/lifetime)
}

# spec/net under valgrind: the servers; every second file.
part_valgrind_net_1() {
  # shellcheck disable=SC2046
  run_valgrind spec/net $(in_group spec/net | sed -n 'p;n')
}

# The other files of spec/net.
part_valgrind_net_2() {
  # shellcheck disable=SC2046
  run_valgrind spec/net $(in_group spec/net | sed -n 'n;p')
}

# What works on bytes in the process of the specs, under valgrind. Attacks, faults
# and simulations are left out: they judge by time, break the allocator, or are
# played by processes of their own; the sanitizers watch those.
part_valgrind_rest() {
  local group
  for group in spec/proto spec/conformance spec/lua; do
    # shellcheck disable=SC2046
    run_valgrind "$group" $(in_group "$group")
  done
}
