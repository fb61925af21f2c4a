# The dense engine's back ends. All of them compute the same bits, so nothing is contracted that does
# not say so; one source of kernels for each kind of vector registers.
file(GLOB dense_kernels RELATIVE "${CMAKE_SOURCE_DIR}" "${CMAKE_SOURCE_DIR}/runtime/infer/dense_kernels_*.c")
set(dense_options -O3 -ffp-contract=off)
if(HAGGLE_FUZZ) # clang takes minutes to instrument what is unrolled
  list(APPEND dense_options -fno-sanitize=all)
elseif(HAGGLE_SANITIZE AND CMAKE_C_COMPILER_ID STREQUAL GNU)
  # gcc's fake stacks (detect_stack_use_after_return) do not align vectors of 64 bytes. clang-tidy
  # reads the option, too.
  list(APPEND dense_options --param=asan-stack=0 -Wno-unused-command-line-argument)
endif()
set_source_files_properties(${dense_kernels} PROPERTIES COMPILE_OPTIONS "${dense_options}")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  set_source_files_properties(runtime/infer/dense_kernels_avx2.c PROPERTIES
                              COMPILE_OPTIONS "${dense_options};-mavx2;-mfma")
  set_source_files_properties(runtime/infer/dense_kernels_avx512.c PROPERTIES
                              COMPILE_OPTIONS "${dense_options};-mavx512f;-mfma")
endif()

# The GPU's code as PTX, which every driver compiles for its device. It is plain enough for the PTX of
# CUDA 10, so that drivers older than the toolkit take it, too. Without nvcc there is the CPU's alone.
find_program(HAGGLE_NVCC nvcc DOC "NVIDIA's compiler, for the dense engine on GPUs")
set(dense_ptx "${CMAKE_BINARY_DIR}/infer/dense_kernel.ptx")
set(dense_ptx_c "${CMAKE_BINARY_DIR}/infer/dense_ptx.c")
file(MAKE_DIRECTORY "${CMAKE_BINARY_DIR}/infer")
if(HAGGLE_NVCC)
  add_custom_command(
    OUTPUT "${dense_ptx}"
    COMMAND "${HAGGLE_NVCC}" -ptx -arch=compute_75 -fmad=false
            -I "${CMAKE_BINARY_DIR}/include/hgl_infer" -MD -MF "${dense_ptx}.d" -o "${dense_ptx}"
            "${CMAKE_SOURCE_DIR}/runtime/infer/dense_kernel.cu"
    DEPENDS runtime/infer/dense_kernel.cu DEPFILE "${dense_ptx}.d" VERBATIM)
  set(dense_ptx_made "${dense_ptx}")
else()
  set(dense_ptx_made)
endif()
add_custom_command(
  OUTPUT "${dense_ptx_c}"
  COMMAND "${CMAKE_COMMAND}" -D "PTX=${dense_ptx_made}" -D "C=${dense_ptx_c}" -P
          "${CMAKE_SOURCE_DIR}/runtime/infer/embed_ptx.cmake"
  DEPENDS ${dense_ptx_made} runtime/infer/embed_ptx.cmake VERBATIM)
target_sources(hgl_infer PRIVATE "${dense_ptx_c}")
