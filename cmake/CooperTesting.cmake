# The functions with which tests/ adds its tests to CTest.
find_package(GTest REQUIRED)
include(GoogleTest)
find_program(COOPER_TEST_PYTHON python3
  HINTS "${PROJECT_SOURCE_DIR}/.venv/bin" NO_DEFAULT_PATH)
find_program(COOPER_TEST_PYTHON python3)

option(COOPER_UNITY_TESTS
  "Compile sources of tests four at a time (half of a clean build's time)" ON)

# cooper_unity(<target> [source...]): the sources are compiled alone.
function(cooper_unity target)
  set_target_properties(${target} PROPERTIES
    UNITY_BUILD ${COOPER_UNITY_TESTS} UNITY_BUILD_BATCH_SIZE 4)
  if(ARGN)
    set_source_files_properties(${ARGN} PROPERTIES
      SKIP_UNITY_BUILD_INCLUSION ON)
  endif()
endfunction()

# cooper_test(<name> SOURCES a_test.cc ... LINK targets... [BY_SUITE]
#             [ALONE a_test.cc ...] [LABELS ...] [TIMEOUT seconds]
#             [PRECOMPILED test|torch_test])
# One GoogleTest program. CTest runs each of its cases as <name>.<Suite>.<Case>
# and finds them when it starts; BY_SUITE, for programs that take long to start:
# each suite as <name>.<Suite>. COOPER_TEST_DATA is tests/data of the checkout.
# Four sources are compiled as one (COOPER_UNITY_TESTS); ALONE: those of the
# sources that are not, because they name their own things as another does.
function(cooper_test name)
  cmake_parse_arguments(ARG "BY_SUITE" "TIMEOUT;PRECOMPILED"
    "SOURCES;ALONE;LINK;LABELS" ${ARGN})
  if(NOT ARG_PRECOMPILED)
    set(ARG_PRECOMPILED test)
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE
    cooper_options cooper_warnings cooper_linking GTest::gmock
    GTest::gtest_main ${ARG_LINK})
  target_compile_definitions(${name} PRIVATE
    COOPER_TEST_DATA="${PROJECT_SOURCE_DIR}/tests/data"
    COOPER_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  set_target_properties(${name} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
  cooper_use_precompiled(${name} ${ARG_PRECOMPILED})
  cooper_unity(${name} ${ARG_ALONE})
  target_compile_options(${name} PRIVATE ${COOPER_TEST_OPTIONS})
  set(_properties TIMEOUT ${ARG_TIMEOUT})
  if(ARG_LABELS)
    list(APPEND _properties LABELS "${ARG_LABELS}")
  endif()
  if(ARG_BY_SUITE)
    set(_include "${CMAKE_CURRENT_BINARY_DIR}/${name}_suites.cmake")
    file(GENERATE OUTPUT "${_include}" CONTENT
"set(program \"$<TARGET_FILE:${name}>\")
set(name \"${name}\")
set(properties ${_properties})
include(\"${PROJECT_SOURCE_DIR}/cmake/discover-suites.cmake\")
")
    set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES "${_include}")
  else()
    gtest_discover_tests(${name}
      DISCOVERY_MODE PRE_TEST
      DISCOVERY_TIMEOUT 60
      TEST_PREFIX "${name}." NO_PRETTY_VALUES
      PROPERTIES ${_properties})
  endif()
endfunction()

# cooper_pytest(<name> FILES a_test.py ... MODULES modules... [PYTHON program]
#               [ENVIRONMENT VARIABLE=value...] [LABELS ...] [TIMEOUT seconds]
#               [COST seconds])
# Files of pytest cases as one entry of CTest, skipped by name where Python or
# one of the modules is missing. Entries with a high cost start first.
function(cooper_pytest name)
  cmake_parse_arguments(ARG "" "PYTHON;TIMEOUT;COST"
    "FILES;MODULES;ENVIRONMENT;LABELS" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  if(NOT ARG_COST)
    set(ARG_COST 0)
  endif()
  if(NOT ARG_PYTHON)
    set(ARG_PYTHON "${COOPER_TEST_PYTHON}")
  endif()
  list(JOIN ARG_MODULES "," _modules)
  add_test(NAME ${name}
    COMMAND "${PROJECT_SOURCE_DIR}/cmake/run-pytest" "${ARG_PYTHON}"
            "pytest,${_modules}" ${ARG_FILES}
    WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
  set_tests_properties(${name} PROPERTIES
    TIMEOUT ${ARG_TIMEOUT} LABELS "${ARG_LABELS}" COST ${ARG_COST}
    SKIP_RETURN_CODE 77
    ENVIRONMENT "COOPER_BIN=${PROJECT_BINARY_DIR}/bin;COOPER_BUILD_DIR=${PROJECT_BINARY_DIR};PYTHONDONTWRITEBYTECODE=1;${ARG_ENVIRONMENT}")
endfunction()
