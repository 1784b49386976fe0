# shellcheck shell=bash
# The parts that read the source, build it, or install it.

# luacheck, and the syntax of the scripts.
part_lint() {
  check "luacheck" luacheck -q --no-color .
  check "shell syntax" bash -n script/* spec/lanes/*.sh .ci/run
}

# clang-format, as .clang-format says.
part_format() {
  check "clang-format" sh -c 'clang-format --dry-run -Werror core/*/*.[ch] spec/*/*.[ch]'
}

compile_all() {
  cmake -S . -B "$scratch/$1" -G "Unix Makefiles" -DCMAKE_C_COMPILER="$1" \
    -DCMAKE_BUILD_TYPE=Debug &&
    cmake --build "$scratch/$1" --parallel "$(nproc)"
}

# gcc, every warning an error.
part_gcc() { check "no warnings from gcc" compile_all gcc; }

# clang, every warning an error.
part_clang() { check "no warnings from clang" compile_all clang; }

# cppcheck: errors, warnings, performance and portability; what is no fault says
# so where it stands ("cppcheck-suppress"), with the reason. There is none now.
part_cppcheck() {
  check "no findings of cppcheck" cppcheck -q -j "$(nproc)" --std=c11 -Icore \
    -D_GNU_SOURCE --enable=warning,performance,portability --inline-suppr \
    --error-exitcode=1 core
}

# luarocks, offline, into a tree of its own; then the installed command runs.
install_rock() ( # a subshell: it changes the directory
  local copy=$scratch/copy tree=$scratch/tree
  mkdir "$copy" && git ls-files -z --cached --others --exclude-standard |
    xargs -0 cp --parents -t "$copy" && cd "$copy" || return 1
  luarocks --lua-version 5.4 --tree "$tree" make &&
    timeout 60 lua5.4 spec/support/rock_check.lua "$tree/bin/neap"
)

# luarocks make, offline; then the installed command runs.
part_rock() {
  check "luarocks make" install_rock
}
