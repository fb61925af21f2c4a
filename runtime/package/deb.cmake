# `cpack -G DEB` in a build folder makes haggle_VERSION_ARCHITECTURE.deb. What it depends on is found by
# dpkg-shlibdeps (package dpkg-dev) in the program, but for the time zones and for the part of
# libwebsockets that this loads at run time.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME haggle)
set(CPACK_PACKAGE_VERSION "${PROJECT_VERSION}")
set(CPACK_PACKAGE_CONTACT "The Haggle developers <haggle@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "runtime for autonomous agents, scripted in Lua, that trade")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
    "A host process runs many agents, each a few lines of Lua in a sandbox.
Agents of different people find each other, negotiate and close deals that
can be proved afterwards. Every message is signed, takes effect exactly
once and survives a crash on either side.

This package holds the program, its library for agents, and a template of
systemd units.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
    OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "libwebsockets-evlib-uv, tzdata")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS ca-certificates)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
    "${CMAKE_SOURCE_DIR}/runtime/package/postinst" "${CMAKE_SOURCE_DIR}/runtime/package/prerm"
    "${CMAKE_SOURCE_DIR}/runtime/package/postrm")
set(CPACK_PRE_BUILD_SCRIPTS "${CMAKE_SOURCE_DIR}/runtime/package/compress.cmake")
# In the source tree nothing is written.
set(CPACK_PACKAGE_DIRECTORY "${CMAKE_BINARY_DIR}/package")
include(CPack)
