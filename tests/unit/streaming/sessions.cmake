# The sessions, with a client in memory.
crisp_test(NAME streaming_sessions_test LABEL unit PCH cri_test
  SOURCES attach_session_test.cc exec_session_test.cc forward_test.cc resize_parser_test.cc
          session_input_test.cc session_output_test.cc status_document_test.cc
  LINKS crisp_streaming_sessions crisp_conmon_protocol util)
target_include_directories(streaming_sessions_test PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}
                           ${CMAKE_CURRENT_SOURCE_DIR}/../server ${CMAKE_CURRENT_SOURCE_DIR}/../oci)
# Boost 1.74 with g++ 12 in C++20.
target_compile_definitions(streaming_sessions_test PRIVATE BOOST_ASIO_DISABLE_CO_AWAIT)
