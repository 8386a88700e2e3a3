# libtorch from the pinned torch wheel (scripts/setup puts it into .venv).
#
# The wheel also ships protobuf, fmt and pybind11 headers that would shadow the
# system's, so its include folder is never used whole: a folder of links to
# ATen, c10, torch and caffe2 is, as SYSTEM, and only by the target
# cooper_torch. Libraries are linked by name; no find_package(Torch).
set(COOPER_TORCH_VERSION 2.13.0)
# Headers only, for CUDA builds (model/cuda).
set(COOPER_CUDNN_FRONTEND_VERSION 1.32.0)

if(NOT COOPER_TORCH_DIR)
  file(GLOB _torch_candidates
    "${PROJECT_SOURCE_DIR}/.venv/lib/python3*/site-packages/torch")
  if(_torch_candidates)
    list(GET _torch_candidates 0 _torch_found)
  else()
    execute_process(
      COMMAND python3 -c
        "import importlib.util as u; print(u.find_spec('torch').submodule_search_locations[0])"
      OUTPUT_VARIABLE _torch_found OUTPUT_STRIP_TRAILING_WHITESPACE
      ERROR_QUIET)
  endif()
  set(COOPER_TORCH_DIR "${_torch_found}" CACHE PATH "" FORCE)
endif()
if(NOT EXISTS "${COOPER_TORCH_DIR}/lib/libtorch_cpu.so")
  message(FATAL_ERROR
    "No libtorch found. Run scripts/setup, or set COOPER_TORCH_DIR to the "
    "folder of the torch package, or COOPER_WITH_TORCH=OFF.")
endif()
set(COOPER_TORCH_FOUND_VERSION "")
if(EXISTS "${COOPER_TORCH_DIR}/version.py")
  file(STRINGS "${COOPER_TORCH_DIR}/version.py" COOPER_TORCH_FOUND_VERSION
    REGEX "^__version__ = ")
  string(REGEX REPLACE ".*'(.*)'" "\\1" COOPER_TORCH_FOUND_VERSION "${COOPER_TORCH_FOUND_VERSION}")
endif()
message(STATUS "libtorch: ${COOPER_TORCH_DIR} (${COOPER_TORCH_FOUND_VERSION})")
if(COOPER_CUDA AND NOT EXISTS "${COOPER_TORCH_DIR}/lib/libtorch_cuda.so")
  message(FATAL_ERROR
    "COOPER_CUDA needs a CUDA build of torch (${COOPER_TORCH_VERSION} from "
    "PyPI, or another in COOPER_TORCH_DIR); ${COOPER_TORCH_FOUND_VERSION} in "
    "${COOPER_TORCH_DIR} is none.")
endif()

set(_torch_links "${PROJECT_BINARY_DIR}/torch_include")
file(REMOVE_RECURSE "${_torch_links}")
file(MAKE_DIRECTORY "${_torch_links}")
foreach(_folder ATen c10 torch caffe2)
  file(CREATE_LINK "${COOPER_TORCH_DIR}/include/${_folder}"
    "${_torch_links}/${_folder}" SYMBOLIC)
endforeach()

add_library(cooper_torch INTERFACE)
target_include_directories(cooper_torch SYSTEM INTERFACE
  "${_torch_links}" "${COOPER_TORCH_DIR}/include/torch/csrc/api/include")
target_compile_definitions(cooper_torch INTERFACE AT_PER_OPERATOR_HEADERS)
# For sources that use at::parallel_for: it is an OpenMP loop in its header.
set(COOPER_TORCH_OPTIONS -fopenmp)
set(_torch_libs
  "${COOPER_TORCH_DIR}/lib/libtorch.so"
  "${COOPER_TORCH_DIR}/lib/libtorch_cpu.so"
  "${COOPER_TORCH_DIR}/lib/libc10.so")
set(_torch_rpath "${COOPER_TORCH_DIR}/lib")
# OpenMP with libtorch's own runtime, never a second one.
file(GLOB _torch_openmp "${COOPER_TORCH_DIR}/lib/libgomp*.so*"
  "${COOPER_TORCH_DIR}/../torch.libs/libgomp*.so*")
if(_torch_openmp)
  list(GET _torch_openmp 0 _torch_openmp)
else()
  set(_torch_openmp gomp)
endif()
list(APPEND _torch_libs "${_torch_openmp}")

if(COOPER_CUDA)
  # The wheel and the toolkit each lack headers that the other one has.
  find_path(COOPER_CUDA_INCLUDE cuda_runtime_api.h
    HINTS /usr/local/cuda/include ENV CUDA_HOME PATH_SUFFIXES include REQUIRED)
  get_filename_component(_site "${COOPER_TORCH_DIR}" DIRECTORY)
  target_include_directories(cooper_torch SYSTEM INTERFACE
    "${COOPER_CUDA_INCLUDE}")
  file(GLOB _nvidia_includes "${_site}/nvidia/cu*/include")
  target_include_directories(cooper_torch SYSTEM INTERFACE ${_nvidia_includes})
  file(GLOB _nvidia_libs "${_site}/nvidia/cu*/lib" "${_site}/nvidia/cudnn/lib"
    "${_site}/nvidia/nccl/lib" "${_site}/nvidia/cusparselt/lib"
    "${_site}/nvidia/nvshmem/lib")
  file(GLOB _cudart "${COOPER_TORCH_DIR}/lib/libcudart*.so*"
    "${_site}/nvidia/cu*/lib/libcudart.so*")
  if(NOT _cudart)
    find_library(_cudart_system cudart HINTS /usr/local/cuda/lib64 REQUIRED)
    set(_cudart "${_cudart_system}")
  endif()
  list(GET _cudart 0 _cudart)
  list(APPEND _torch_libs
    "${COOPER_TORCH_DIR}/lib/libtorch_cuda.so"
    "${COOPER_TORCH_DIR}/lib/libc10_cuda.so" "${_cudart}")
  list(APPEND _torch_rpath ${_nvidia_libs})
endif()

# Registration of operators happens in static initialisers, so the linker must
# keep libraries that no symbol is taken from.
#
# Before them the C++ library: some wheels (2.11) export a part of std::filesystem
# that crashes where it needs the rest.
target_link_libraries(cooper_torch INTERFACE
  -lstdc++ -Wl,--no-as-needed ${_torch_libs} -Wl,--as-needed)
list(APPEND CMAKE_BUILD_RPATH ${_torch_rpath})
set(COOPER_TORCH_LIBRARY_DIRS ${_torch_rpath})
