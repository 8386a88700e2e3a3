# What the targets of this tree are compiled with, and the functions that each
# folder uses. Variables set here end with this directory, and no target passes
# its flags or the root of the tree on to a target that links it.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")
if(PROJECT_IS_TOP_LEVEL AND NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()

find_program(COOPER_CCACHE_PROGRAM ccache)
if(COOPER_CCACHE AND COOPER_CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # What ccache wants to know before it keeps objects that use a precompiled
  # header; with GCC also -fpch-preprocess (CooperPrecompiled.cmake).
  set(CMAKE_CXX_COMPILER_LAUNCHER env
    "CCACHE_SLOPPINESS=pch_defines,time_macros" "${COOPER_CCACHE_PROGRAM}")
  set(CMAKE_C_COMPILER_LAUNCHER "${COOPER_CCACHE_PROGRAM}")
endif()

# Every target of this tree, libraries as $<BUILD_INTERFACE:cooper_options>.
add_library(cooper_options INTERFACE)
target_include_directories(cooper_options INTERFACE "${PROJECT_SOURCE_DIR}")
# gRPC's package asks its users for it; with it everywhere, they can use the same
# precompiled headers as all others.
target_compile_options(cooper_options INTERFACE -pthread)
# Programs.
add_library(cooper_linking INTERFACE)
find_program(COOPER_MOLD_PROGRAM mold)
if(COOPER_MOLD AND COOPER_MOLD_PROGRAM)
  target_link_options(cooper_linking INTERFACE -fuse-ld=mold)
endif()
# Against errors in what decodes bytes of strangers: overflows end the process,
# addresses are random, and nothing writable is executed. Sanitizers bring their
# own checks, and sources without optimisation cannot have _FORTIFY_SOURCE
# (COOPER_TEST_OPTIONS).
include(CheckCXXCompilerFlag)
foreach(_flag -fstack-protector-strong -fstack-clash-protection
              -fcf-protection)
  string(MAKE_C_IDENTIFIER "COOPER_HAS${_flag}" _has)
  check_cxx_compiler_flag(${_flag} ${_has})
  if(${_has} AND NOT COOPER_SANITIZER)
    target_compile_options(cooper_options INTERFACE
      $<$<AND:$<CONFIG:Release>,$<COMPILE_LANGUAGE:C,CXX>>:${_flag}>)
  endif()
endforeach()
if(NOT COOPER_SANITIZER)
  # Older GCC knows level 2 only.
  set(_fortify 3)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND
     CMAKE_CXX_COMPILER_VERSION VERSION_LESS 12)
    set(_fortify 2)
  endif()
  target_compile_definitions(cooper_options INTERFACE
    $<$<AND:$<CONFIG:Release>,$<COMPILE_LANGUAGE:C,CXX>>:_FORTIFY_SOURCE=${_fortify}>
    $<$<AND:$<CONFIG:Release>,$<COMPILE_LANGUAGE:CXX>>:_GLIBCXX_ASSERTIONS>)
endif()
target_link_options(cooper_linking INTERFACE
  -pie LINKER:-z,relro,-z,now,-z,noexecstack)
if(COOPER_SANITIZER)
  target_compile_options(cooper_options INTERFACE
    -fsanitize=${COOPER_SANITIZER} -fno-omit-frame-pointer)
  if(COOPER_SANITIZER STREQUAL "thread" AND
     CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # ThreadSanitizer does not follow the fence in abseil's flags.
    target_compile_options(cooper_options INTERFACE -Wno-tsan)
  endif()
  target_link_options(cooper_linking INTERFACE -fsanitize=${COOPER_SANITIZER})
endif()

# Every target but generated code.
add_library(cooper_warnings INTERFACE)
target_compile_options(cooper_warnings INTERFACE
  -Wall -Wextra -Wno-unused-parameter -Wno-missing-field-initializers
  $<$<BOOL:${COOPER_WERROR}>:-Werror>
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
      PUBLIC ${ARG_PUBLIC}
      PRIVATE "$<BUILD_INTERFACE:cooper_options;cooper_warnings>" ${ARG_PRIVATE})
    cooper_use_precompiled(cooper_${name} ${ARG_PRECOMPILED})
  else()
    add_library(cooper_${name} INTERFACE)
    target_link_libraries(cooper_${name} INTERFACE ${ARG_PUBLIC})
  endif()
  set_target_properties(cooper_${name} PROPERTIES EXPORT_NAME ${name})
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
    cooper_options cooper_warnings cooper_linking ${ARG_LINK})
endfunction()
