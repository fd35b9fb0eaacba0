include(CrispPatience)

# crisp_room: one room, one target, one include root.
#
# Includes are written from the top of the repository ("image/reference.h"), but the top itself is
# on nobody's include path. Each room gets a directory of its own in the build tree that holds one
# symlink to the room, and only targets that link the room get that directory: a header of a room
# that was not declared is a header that does not exist.
#
#   crisp_room(NAME base_core PATH base/core SOURCES a.cc b.cc LINKS Threads::Threads)
#
# PCH: which precompiled header its sources use (CrispPch.cmake).
function(crisp_room)
  cmake_parse_arguments(ROOM "" "NAME;PATH;PCH" "SOURCES;LINKS;PRIVATE_LINKS" ${ARGN})
  set(target crisp_${ROOM_NAME})
  crisp_include_root(${ROOM_NAME} ${ROOM_PATH} ${ROOM_PATH})
  if(ROOM_SOURCES)
    add_library(${target} STATIC ${ROOM_SOURCES})
    target_include_directories(${target} PUBLIC ${CRISP_INCLUDE_ROOT})
    target_link_libraries(${target} PUBLIC ${ROOM_LINKS} PRIVATE crisp_flags ${ROOM_PRIVATE_LINKS})
    if(ROOM_PCH)
      crisp_precompile(${target} ${ROOM_PCH})
    endif()
  else()
    add_library(${target} INTERFACE)
    target_include_directories(${target} INTERFACE ${CRISP_INCLUDE_ROOT})
    target_link_libraries(${target} INTERFACE ${ROOM_LINKS})
  endif()
endfunction()

# Makes build/include/NAME/LINK a symlink to SOURCE and returns its root in CRISP_INCLUDE_ROOT.
function(crisp_include_root name link source)
  set(root ${CMAKE_BINARY_DIR}/include/${name})
  get_filename_component(parent ${root}/${link} DIRECTORY)
  file(MAKE_DIRECTORY ${parent})
  file(CREATE_LINK ${CMAKE_SOURCE_DIR}/${source} ${root}/${link} SYMBOLIC)
  set(CRISP_INCLUDE_ROOT ${root} PARENT_SCOPE)
endfunction()

# A GoogleTest binary: crisp_test(NAME reference_test LABEL unit SOURCES ... LINKS ...).
# Every case becomes a ctest of its own with the label. PCH: test unless said (CrispPch.cmake).
function(crisp_test)
  cmake_parse_arguments(TEST "" "NAME;LABEL;TIMEOUT;PCH" "SOURCES;LINKS" ${ARGN})
  if(NOT TEST_PCH)
    set(TEST_PCH test)
  endif()
  if(NOT TEST_TIMEOUT)
    set(TEST_TIMEOUT 60)
  endif()
  add_executable(${TEST_NAME} ${TEST_SOURCES})
  target_link_libraries(${TEST_NAME} PRIVATE crisp_flags ${TEST_LINKS} GTest::gmock GTest::gtest_main)
  crisp_precompile(${TEST_NAME} ${TEST_PCH})
  gtest_discover_tests(${TEST_NAME} DISCOVERY_TIMEOUT 60
    PROPERTIES LABELS ${TEST_LABEL} TIMEOUT ${TEST_TIMEOUT})
  crisp_patient_tests(${TEST_NAME} ${TEST_TIMEOUT})
endfunction()
