# shellcheck shell=bash
# The parts that hunt: for what the specs would not notice, and for lines that
# none of them runs.

# libFuzzer with the sanitizers, each target of spec/fuzz from its inputs on: 3 s
# of always the same, so that what fails is what was changed; with --long a minute
# of something new.
part_fuzz() {
  check_each ./script/fuzz --seconds $((long ? 60 : 3)) \
    --seed $((long ? 0 : 1)) --jobs "$(nproc)"
}

mutant_seconds=90 # how long the first lane looks for mutants

# Breaks neap in one way at a time (spec/mutants): the spec that a mutant names
# must notice. Each in turn, from another one on with each commit, while the
# first lane has time; with --long all.
part_mutants() {
  local all=(spec/mutants/*.patch) first=0 before=$((passed + failed))
  [ "$long" ] || first=$(($(git rev-list --count HEAD 2>/dev/null || echo 0) * 13 % ${#all[@]}))
  export mutants_until=$((long ? 0 : $(date +%s) + mutant_seconds))
  export -f try_mutant
  check_each xargs -a <(printf '%s\n' "${all[@]:first}" "${all[@]:0:first}") \
    -P "$(nproc)" --process-slot-var=slot -I{} bash -c 'try_mutant {}'
  echo "tried $((passed + failed - before)) of ${#all[@]} mutants, from ${all[first]##*/} on"
}

# All mutants against the whole suite, in six parts, each with a copy of its own.
hunt_mutants() { # N
  local all=(spec/mutants/*.patch) mine=() i
  for ((i = $1 - 1; i < ${#all[@]}; i += 6)); do mine+=("${all[i]}"); done
  export mutants_until=0 slot=suite-$1 suite=--suite
  export -f try_mutant
  check_each xargs -a <(printf '%s\n' "${mine[@]}") -I{} bash -c 'try_mutant {}'
  echo "tried ${#mine[@]} of ${#all[@]} mutants, against the whole suite"
}

# A sixth of the mutants, each against the whole suite, which must notice it.
part_mutants_1() { hunt_mutants 1; }

# The second sixth.
part_mutants_2() { hunt_mutants 2; }

# The third sixth.
part_mutants_3() { hunt_mutants 3; }

# The fourth sixth.
part_mutants_4() { hunt_mutants 4; }

# The fifth sixth.
part_mutants_5() { hunt_mutants 5; }

# The last sixth.
part_mutants_6() { hunt_mutants 6; }

try_mutant() {
  local start=$SECONDS word=ok said
  [ "$mutants_until" = 0 ] || [ "$(date +%s)" -lt "$mutants_until" ] || return 0
  said=$(NEAP_MUTANTS=build-mutants-$slot ./script/mutant ${suite:-} "$1" 2>&1) || word=FAILED
  [ $word = ok ] || echo "$said" | head -n -1
  printf '%-8s%s (%d s)\n' $word "$(tail -n 1 <<<"$said")" $((SECONDS - start))
}

# In a build with assertions.
simulate() { # FIRST LAST
  check "debug build" flock "$all/debug" ./script/build Debug
  NEAP_BUILD=build-debug check_each ./script/simulate "$1" "$2"
}

# Seeded runs in memory, each a checked and repeatable story: 500 seeds.
part_simulation() { simulate 1 500; }

# Seeds 1 to 10,000.
part_simulation_1() { simulate 1 10000; }

# Seeds 10,001 to 20,000.
part_simulation_2() { simulate 10001 20000; }

# Which lines of the core ran, by layer, and the files with most that never did;
# fails under a floor, which leaves half a percent for what time decides. What only
# repeats itself is left out. Of lua/neap, how much spec/lua alone runs.
#
# What remains has no way there, or none that a spec could take at will: memory that
# runs out at that very place (other sweeps fail each allocation: spec/fault), the
# complaints of net/balance, which only a bug brings forth, and handles that close
# in the moment between two lines.
part_coverage() {
  check "coverage build" env CC=gcc ./script/build Coverage
  [ -e build-coverage/neap/core.so ] || return
  find build-coverage -name '*.gcda' -delete
  more_descriptors
  local group lines=$scratch/lines
  busted_run "spec/lua (coverage)" env NEAP_BUILD=build-coverage NEAP_LINES="$lines" \
    LUA_INIT=@spec/support/lua_lines.lua "${busted[@]}" \
    --cpath='./build-coverage/?.so' spec/lua
  for group in spec/proto spec/conformance spec/net spec/lifetime spec/fault spec/simulation; do
    # shellcheck disable=SC2046
    busted_run "$group (coverage)" env NEAP_BUILD=build-coverage NEAP_END=USR2 \
      "${busted[@]}" --cpath='./build-coverage/?.so' \
      $(in_group "$group" | grep -vE '/(churn|allocation|crowd|mass)_spec')
  done
  check_each lua5.4 spec/support/coverage.lua build-coverage \
    proto=99.5 net=93.8 bind=95.7 core=95.4
  lua5.4 spec/support/lua_lines.lua "$lines" | head -n 1
}
