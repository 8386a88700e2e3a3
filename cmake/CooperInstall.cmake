# What `cmake --install` installs, by component:
#   client      the tool `cooper`
#   client-dev  headers, libraries, and what find_package(cooper) and pkg-config
#               read
#   server      cooper_server, the demo checkpoint, and a copy of libtorch in
#               lib/cooper
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

install(TARGETS cooper COMPONENT client)
set(_libraries
  cooper_client cooper_proto cooper_health_proto cooper_rpc_status_proto)
get_target_property(_links cooper_client LINK_LIBRARIES)
if("cooper::base" IN_LIST _links)
  list(APPEND _libraries cooper_base)
endif()
list(TRANSFORM _libraries PREPEND "-l" OUTPUT_VARIABLE COOPER_PC_LIBRARIES)
list(JOIN COOPER_PC_LIBRARIES " " COOPER_PC_LIBRARIES)
install(TARGETS ${_libraries}
  EXPORT cooperTargets COMPONENT client-dev
  INCLUDES DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(DIRECTORY "${PROJECT_SOURCE_DIR}/client/include/"
  DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" COMPONENT client-dev)
install(DIRECTORY "${PROJECT_BINARY_DIR}/proto/cooper"
  DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" COMPONENT client-dev
  FILES_MATCHING PATTERN "*.pb.h")

set(_package "${CMAKE_INSTALL_LIBDIR}/cmake/cooper")
configure_package_config_file(
  "${PROJECT_SOURCE_DIR}/cmake/cooperConfig.cmake.in"
  "${PROJECT_BINARY_DIR}/cooperConfig.cmake" INSTALL_DESTINATION "${_package}")
# Before 1.0 a minor version may change the interface.
write_basic_package_version_file(
  "${PROJECT_BINARY_DIR}/cooperConfigVersion.cmake"
  COMPATIBILITY SameMinorVersion)
file(RELATIVE_PATH COOPER_PC_PREFIX "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
string(REGEX REPLACE "/$" "" COOPER_PC_PREFIX "${COOPER_PC_PREFIX}")
configure_file("${PROJECT_SOURCE_DIR}/cmake/cooper.pc.in"
  "${PROJECT_BINARY_DIR}/cooper.pc" @ONLY)
install(EXPORT cooperTargets NAMESPACE cooper::
  DESTINATION "${_package}" COMPONENT client-dev)
install(
  FILES "${PROJECT_BINARY_DIR}/cooperConfig.cmake"
        "${PROJECT_BINARY_DIR}/cooperConfigVersion.cmake"
  DESTINATION "${_package}" COMPONENT client-dev)
install(FILES "${PROJECT_BINARY_DIR}/cooper.pc"
  DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig" COMPONENT client-dev)

if(COOPER_CLIENT_ONLY)
  return()
endif()
set(_share "${CMAKE_INSTALL_DATADIR}/cooper")
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE"
  DESTINATION "${_share}" COMPONENT server)
if(NOT COOPER_WITH_TORCH)
  install(TARGETS cooper_server COMPONENT server)
  return()
endif()
install(DIRECTORY "${PROJECT_SOURCE_DIR}/model/demo/checkpoint/"
  DESTINATION "${_share}/demo-checkpoint" COMPONENT server)
file(WRITE "${PROJECT_BINARY_DIR}/VERSION" "Torch ${COOPER_TORCH_FOUND_VERSION}\n")
install(FILES "${PROJECT_BINARY_DIR}/VERSION"
  DESTINATION "${_share}" COMPONENT server)

# Of the shared libraries that the server loads: those that come with the torch
# package. The rest is Debian's.
set(_lib "${CMAKE_INSTALL_LIBDIR}/cooper")
file(RELATIVE_PATH _rpath "/${CMAKE_INSTALL_BINDIR}" "/${_lib}")
set_target_properties(cooper_server PROPERTIES
  INSTALL_RPATH "\$ORIGIN/${_rpath}")
get_filename_component(_site "${COOPER_TORCH_DIR}" REALPATH)
get_filename_component(_site "${_site}" DIRECTORY)
install(TARGETS cooper_server
  RUNTIME_DEPENDENCY_SET cooper_torch_libraries COMPONENT server)
install(RUNTIME_DEPENDENCY_SET cooper_torch_libraries
  COMPONENT server DESTINATION "${_lib}"
  DIRECTORIES ${COOPER_TORCH_LIBRARY_DIRS}
  PRE_EXCLUDE_REGEXES "^libcuda\\.so" # the driver's
  POST_INCLUDE_REGEXES "^${_site}/" "^${COOPER_TORCH_DIR}/"
  POST_EXCLUDE_REGEXES ".*")
if(COOPER_CUDA)
  # Loaded by name while it runs, so named by no program.
  file(GLOB_RECURSE _loaded
    "${_site}/nvidia/*libcudnn*.so*" "${_site}/nvidia/*libnvrtc*.so*"
    "${_site}/nvidia/*libcublas*.so*" "${_site}/nvidia/*libnvJitLink*.so*")
  install(FILES ${_loaded} DESTINATION "${_lib}" COMPONENT server)
endif()
