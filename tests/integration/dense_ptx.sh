#!/usr/bin/env bash
# timeout: 120
# The dense engine's code for GPUs, as it is embedded, assembles for the devices that this toolkit
# knows, without a register spilled. Skipped where there is no nvcc.
set -u
ptx=${BUILD:?the build folder}/infer/dense_kernel.ptx.6.4
passed=0
failed=0
if ! command -v nvcc ptxas >/dev/null || [[ ! -f $ptx ]]; then
  echo "skipped: no nvcc"
  exit 0
fi
work=$(mktemp -d) || exit
trap 'rm -rf "$work"' EXIT
mapfile -t devices < <(nvcc --list-gpu-code | grep -xE 'sm_[0-9]+')
for device in "${devices[@]}"; do
  if ptxas -v -arch="$device" "$ptx" -o "$work/out" >"$work/said" 2>&1 &&
    ! grep -E '[1-9][0-9]* bytes spill' "$work/said"; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "FAILED: $device"
    cat "$work/said"
  fi
done
if grep -q '^\.version 6\.4$' "$ptx" && grep -q '^\.target sm_75$' "$ptx"; then
  passed=$((passed + 1))
else
  failed=$((failed + 1))
  echo "FAILED: the embedded code is for newer drivers or devices"
fi
echo "${devices[*]}"
echo "$passed passed, $failed failed"
((failed == 0))
