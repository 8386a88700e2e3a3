# Debian and Ubuntu packages, found once. Each becomes a target that folders
# link to PRIVATE or PUBLIC. tests/ finds what it alone needs.
if(NOT PROJECT_IS_TOP_LEVEL)
  # So that the parent project can link what links them.
  set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL TRUE)
endif()
find_package(Threads REQUIRED)
find_package(absl REQUIRED)
find_package(Protobuf REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(gRPC CONFIG REQUIRED)
find_program(COOPER_GRPC_CPP_PLUGIN grpc_cpp_plugin REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto SSL)
if(COOPER_CLIENT_ONLY)
  return()
endif()

find_package(PkgConfig REQUIRED)
find_package(prometheus-cpp CONFIG REQUIRED)
find_package(civetweb CONFIG REQUIRED)
find_package(CURL REQUIRED)
find_package(PNG REQUIRED)
find_package(JPEG REQUIRED)
pkg_check_modules(WEBP REQUIRED IMPORTED_TARGET libwebp libwebpdemux)
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET libutf8proc)

# OpenCV core and imgproc only: the packages that carry OpenCVConfig.cmake pull
# in every codec that OpenCV knows.
find_path(COOPER_OPENCV_INCLUDE opencv2/core.hpp PATH_SUFFIXES opencv4 REQUIRED)
find_library(COOPER_OPENCV_CORE opencv_core REQUIRED)
find_library(COOPER_OPENCV_IMGPROC opencv_imgproc REQUIRED)
add_library(cooper_opencv INTERFACE)
target_include_directories(cooper_opencv SYSTEM INTERFACE
  "${COOPER_OPENCV_INCLUDE}")
target_link_libraries(cooper_opencv INTERFACE
  "${COOPER_OPENCV_IMGPROC}" "${COOPER_OPENCV_CORE}")
