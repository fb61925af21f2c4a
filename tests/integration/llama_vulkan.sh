#!/usr/bin/env bash
# timeout: 1800
# alone
# The llama engine's tests with their models on a GPU through Vulkan, when HAGGLE_VULKAN=1 asks for it;
# otherwise one line says that nothing was tried. Wanted are `runtime/engines llama-vulkan`, Vulkan's
# loader (libvulkan1) and a driver. Mesa's for the CPU (mesa-vulkan-drivers) is one, and takes some
# minutes: it compiles each of llama.cpp's programs anew.
set -u
build=${BUILD:?the build folder}
passed=0
failed=0
if [[ ${HAGGLE_VULKAN:-} != 1 ]]; then
  echo "skipped: HAGGLE_VULKAN=1 runs it"
  exit 0
fi
work=$(mktemp -d) || exit
trap 'rm -rf "$work"' EXIT
# llama.cpp takes a driver for the CPU only when it is named.
export GGML_VK_VISIBLE_DEVICES=${GGML_VK_VISIBLE_DEVICES:-0} HAGGLE_TEST_DEVICE=vulkan
# Drivers keep what they allocated.
export ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0

check() { # WHAT COMMAND…
  local what=$1
  shift
  if "$@" >"$work/said" 2>&1; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "FAILED: $what"
    tail -n 40 "$work/said"
  fi
}

# Without a device the CPU would compute, and all would be well.
computes_on_vulkan() {
  "$build/tests/make_gguf" "$work/model.gguf" bytes 7 &&
    HAGGLE_TEST_VERBOSE=1 "$build/tests/ask_model" "$build/engines/haggle-engine-llama.so" \
      "$work/model.gguf" parallel=1 '{"task":"complete","prompt":"a","max_tokens":2}' >"$work/log" 2>&1
  grep -m 1 'using device Vulkan' "$work/log" || { cat "$work/log" && return 1; }
}

check "a device is there, and used" computes_on_vulkan
((failed > 0)) || check "the engine" "$build/tests/unit_infer_llama_engine_test"
echo "$passed passed, $failed failed"
((failed == 0))
