# Read by CTest when it starts: adds a test for each suite of a GoogleTest
# program. In: program, name (of the tests), properties. The list of suites is
# kept in a file, since some programs take a second to say it.
set(_list "${program}_suites.txt")
if(NOT EXISTS "${program}")
  add_test(${name}_NOT_BUILT "${program}")
  return()
endif()
if(NOT EXISTS "${_list}" OR "${program}" IS_NEWER_THAN "${_list}")
  execute_process(COMMAND "${program}" --gtest_list_tests
    OUTPUT_VARIABLE _output RESULT_VARIABLE _result)
  if(NOT _result EQUAL 0)
    message(FATAL_ERROR "${program} does not list its tests: ${_result}")
  endif()
  # Suites begin their lines and end with a dot; a comment may follow.
  string(REGEX MATCHALL "(^|\n)[^ \n]+\\." _suites "${_output}")
  string(REPLACE "\n" "" _suites "${_suites}")
  string(REGEX REPLACE "\\.(;|$)" "\\1" _suites "${_suites}")
  file(WRITE "${_list}" "${_suites}")
endif()
file(READ "${_list}" _suites)
foreach(_suite ${_suites})
  add_test("${name}.${_suite}" "${program}" "--gtest_filter=${_suite}.*")
  set_tests_properties("${name}.${_suite}" PROPERTIES ${properties})
endforeach()
