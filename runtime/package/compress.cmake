# Before a package is made of what was installed: Debian keeps pages of the manual and lists of changes
# compressed.
execute_process(
  COMMAND_ERROR_IS_FATAL ANY
  COMMAND find "${CPACK_TEMPORARY_INSTALL_DIRECTORY}" -path "*/share/man/*" -name "*.1" -exec gzip -9n
          "{}" +)
set(changes "${CPACK_TEMPORARY_INSTALL_DIRECTORY}/usr/share/doc/haggle/changelog")
if(EXISTS "${changes}")
  execute_process(COMMAND_ERROR_IS_FATAL ANY COMMAND gzip -9n "${changes}")
endif()
