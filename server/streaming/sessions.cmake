# The sessions behind streaming URLs, apart from the server that carries them.
crisp_room(NAME streaming_sessions PATH server PCH cri
  SOURCES
    streaming/attach_session.cc streaming/exec_session.cc streaming/forward.cc
    streaming/resize_parser.cc streaming/session_block.cc streaming/session_input.cc
    streaming/session_output.cc streaming/status_document.cc streaming/stdio_session.cc
  LINKS crisp_streaming crisp_server_parts crisp_oci)
# Boost 1.74 with g++ 12 in C++20.
set_source_files_properties(streaming/session_block.cc PROPERTIES COMPILE_DEFINITIONS
                            BOOST_ASIO_DISABLE_CO_AWAIT)
