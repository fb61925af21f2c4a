# Makes a C source of a PTX file: cmake -D PTX=FILE -D C=FILE -P embed_ptx.cmake. No PTX: an empty text.
set(bytes "0")
if(PTX)
  file(READ "${PTX}" text)
  string(REGEX REPLACE "\n\\.version [0-9.]+" "\n.version 6.4" text "${text}")
  file(WRITE "${PTX}.6.4" "${text}")
  file(READ "${PTX}.6.4" hex HEX)
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
  string(REGEX REPLACE "(................................................................................)"
         "\\1\n" bytes "${bytes}")
  string(APPEND bytes "0")
endif()
file(WRITE "${C}" "extern const char hgl_dense_ptx[];\nconst char hgl_dense_ptx[] = {\n${bytes}};\n")
