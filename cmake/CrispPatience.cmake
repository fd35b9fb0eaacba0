# crisp_patient_tests(TARGET SECONDS): the limit of each test that gtest_discover_tests(TARGET) finds
# is SECONDS times CRISP_TEST_TIME_FACTOR (tests/support/patience.h). The variable is read when ctest
# runs, so that a build made elsewhere can be tested on a slower machine. CMake has whole numbers
# only: 2.5 counts as 3.
function(crisp_patient_tests target seconds)
  set(file ${CMAKE_CURRENT_BINARY_DIR}/${target}_patience.cmake)
  file(CONFIGURE OUTPUT ${file} @ONLY CONTENT [[
if("$ENV{CRISP_TEST_TIME_FACTOR}" MATCHES "^([0-9]+)([.][0-9]*)?$")
  set(crisp_limit ${CMAKE_MATCH_1})
  if(CMAKE_MATCH_2 MATCHES "[1-9]")
    math(EXPR crisp_limit "${crisp_limit} + 1")
  endif()
  math(EXPR crisp_limit "${crisp_limit} * @seconds@")
  foreach(crisp_test IN LISTS @target@_TESTS)
    set_tests_properties("${crisp_test}" PROPERTIES TIMEOUT ${crisp_limit})
  endforeach()
endif()
]])
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES ${file})
endfunction()
