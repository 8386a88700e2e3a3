# Headers that many sources read, read once: they were more than half of a
# build's time. `base` is for any source, `rpc` knows gRPC and our wire types,
# `torch` knows tensors, `test` knows GoogleTest, `torch_test` both. A source
# still includes what it uses: the clang presets build without precompiled
# headers.
#
# A header and its users must have the same flags; executables are compiled
# with -fPIC too, as libraries are. What a header brings costs each user a
# little also where it is not used, so they hold what nearly all their users need.
set(CMAKE_CXX_COMPILE_OPTIONS_PIE -fPIC)
# ccache keeps objects that use a precompiled header of GCC only with this.
set(_precompiled_options
  $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CXX_COMPILER_ID:GNU>>:-fpch-preprocess>)
# Tests are compiled more often than they run; what they test is optimised.
set(COOPER_TEST_OPTIONS
  $<$<CONFIG:Release>:-O0> $<$<CONFIG:Release>:-U_FORTIFY_SOURCE>)
set(_base_headers
  <algorithm> <cstdint> <functional> <map> <memory> <optional> <string>
  <utility> <variant> <vector> <absl/status/statusor.h>
  <absl/strings/str_cat.h> <absl/time/time.h> <absl/types/span.h>)

# _precompiled(<name> HEADERS <...> LINK targets... [OPTIONS flags...])
function(_precompiled name)
  cmake_parse_arguments(ARG "" "" "HEADERS;LINK;OPTIONS" ${ARGN})
  # A target's header is made with its first source.
  set(_source "${PROJECT_BINARY_DIR}/precompiled/${name}.cc")
  if(NOT EXISTS "${_source}")
    file(WRITE "${_source}" "")
  endif()
  add_library(cooper_pch_${name} STATIC EXCLUDE_FROM_ALL "${_source}")
  target_link_libraries(cooper_pch_${name} PRIVATE
    cooper_options cooper_warnings
    absl::statusor absl::strings absl::time absl::span ${ARG_LINK})
  target_compile_options(cooper_pch_${name} PRIVATE
    ${_precompiled_options} ${ARG_OPTIONS})
  target_precompile_headers(cooper_pch_${name} PRIVATE
    ${_base_headers} ${ARG_HEADERS})
  set(_launcher
    "${PROJECT_SOURCE_DIR}/cmake/replace-output" ${CMAKE_CXX_COMPILER_LAUNCHER})
  set_target_properties(cooper_pch_${name} PROPERTIES
    CXX_COMPILER_LAUNCHER "${_launcher}")
endfunction()

_precompiled(base)
_precompiled(rpc
  HEADERS <grpcpp/grpcpp.h> <cooper/v1/spatial_reasoning.grpc.pb.h>
  LINK cooper_proto)
if(COOPER_WITH_TORCH)
  _precompiled(torch
    HEADERS <ATen/core/Tensor.h> <ATen/TensorOperators.h>
    LINK cooper_torch OPTIONS ${COOPER_TORCH_OPTIONS})
endif()
if(COOPER_TESTS)
  _precompiled(test
    HEADERS <gmock/gmock.h> <gtest/gtest.h>
    LINK GTest::gmock OPTIONS ${COOPER_TEST_OPTIONS})
endif()
if(COOPER_TESTS AND COOPER_WITH_TORCH)
  _precompiled(torch_test
    HEADERS <gmock/gmock.h> <gtest/gtest.h> <ATen/core/Tensor.h>
            <ATen/TensorOperators.h>
    LINK GTest::gmock cooper_torch OPTIONS ${COOPER_TEST_OPTIONS})
endif()

# cooper_use_precompiled(<target> base|rpc|torch|test|torch_test)
function(cooper_use_precompiled target name)
  target_precompile_headers(${target} REUSE_FROM cooper_pch_${name})
  target_compile_options(${target} PRIVATE ${_precompiled_options})
  if(name STREQUAL "torch")
    target_compile_options(${target} PRIVATE ${COOPER_TORCH_OPTIONS})
  endif()
endfunction()
