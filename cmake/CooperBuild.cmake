# Language, warnings, linker, and the two functions every folder uses.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
# As for libraries, so that both can use one precompiled header.
set(CMAKE_CXX_COMPILE_OPTIONS_PIE -fPIC)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")
# Tests are compiled more often than they run; what they test is optimised.
set(COOPER_TEST_OPTIONS $<$<CONFIG:Release>:-O0>)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")

find_program(COOPER_CCACHE ccache)
if(COOPER_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # What ccache wants to know before it keeps objects that use a precompiled
  # header; with GCC also -fpch-preprocess.
  set(CMAKE_CXX_COMPILER_LAUNCHER env
    "CCACHE_SLOPPINESS=pch_defines,time_macros" "${COOPER_CCACHE}")
  set(CMAKE_C_COMPILER_LAUNCHER "${COOPER_CCACHE}")
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fpch-preprocess>)
endif()

add_library(cooper_options INTERFACE)
target_include_directories(cooper_options INTERFACE "${PROJECT_SOURCE_DIR}")
find_program(COOPER_MOLD mold)
if(COOPER_MOLD)
  target_link_options(cooper_options INTERFACE -fuse-ld=mold)
endif()
if(COOPER_SANITIZER)
  target_compile_options(cooper_options INTERFACE
    -fsanitize=${COOPER_SANITIZER} -fno-omit-frame-pointer)
  target_link_options(cooper_options INTERFACE -fsanitize=${COOPER_SANITIZER})
endif()

add_library(cooper_warnings INTERFACE)
target_compile_options(cooper_warnings INTERFACE
  -Wall -Wextra -Wno-unused-parameter -Wno-missing-field-initializers -Werror
  # Wrong about std::variant below -O3.
  $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety>)

# cooper_library(<name> SOURCES ... [PUBLIC targets...] [PRIVATE targets...]
#                [PRECOMPILED base|rpc|torch])
# A library of one folder with the alias cooper::<name>. Without SOURCES it is
# header-only. PRECOMPILED: see CooperPrecompiled.cmake; base unless told.
function(cooper_library name)
  cmake_parse_arguments(ARG "" "PRECOMPILED" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  if(NOT ARG_PRECOMPILED)
    set(ARG_PRECOMPILED base)
  endif()
  if(ARG_SOURCES)
    add_library(cooper_${name} STATIC ${ARG_SOURCES})
    target_link_libraries(cooper_${name}
      PUBLIC cooper_options ${ARG_PUBLIC}
      PRIVATE cooper_warnings ${ARG_PRIVATE})
    cooper_use_precompiled(cooper_${name} ${ARG_PRECOMPILED})
  else()
    add_library(cooper_${name} INTERFACE)
    target_link_libraries(cooper_${name} INTERFACE cooper_options ${ARG_PUBLIC})
  endif()
  add_library(cooper::${name} ALIAS cooper_${name})
endfunction()

# cooper_binary(<name> SOURCES ... LINK targets... [PRECOMPILED base|rpc|torch])
# A program in bin/.
function(cooper_binary name)
  cmake_parse_arguments(ARG "" "PRECOMPILED" "SOURCES;LINK" ${ARGN})
  if(NOT ARG_PRECOMPILED)
    set(ARG_PRECOMPILED base)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  cooper_use_precompiled(${name} ${ARG_PRECOMPILED})
  target_link_libraries(${name} PRIVATE
    cooper_options cooper_warnings ${ARG_LINK})
endfunction()

# cooper_test(<name> SOURCES a_test.cc ... LINK targets... [LABELS ...]
#             [TIMEOUT seconds])
# One GoogleTest program; CTest runs it as <name>. COOPER_TEST_DATA is
# tests/data of the checkout.
function(cooper_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;LINK;LABELS" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE
    cooper_options cooper_warnings GTest::gmock GTest::gtest_main ${ARG_LINK})
  target_compile_definitions(${name} PRIVATE
    COOPER_TEST_DATA="${PROJECT_SOURCE_DIR}/tests/data"
    COOPER_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  set_target_properties(${name} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tests")
  cooper_use_precompiled(${name} test)
  target_compile_options(${name} PRIVATE ${COOPER_TEST_OPTIONS})
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES
    TIMEOUT ${ARG_TIMEOUT} LABELS "${ARG_LABELS}")
  set_property(GLOBAL APPEND PROPERTY COOPER_TEST_SOURCES ${ARG_SOURCES})
endfunction()
