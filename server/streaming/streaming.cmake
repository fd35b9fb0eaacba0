# The HTTP server behind streaming URLs and what carries sessions. Of libssl only the headers: it is
# loaded when TLS is configured (openssl_library.h).
find_path(CRISP_OPENSSL_INCLUDE openssl/ssl.h REQUIRED)
crisp_room(NAME streaming PATH server/streaming PCH cri
  SOURCES
    streaming/delivery.cc streaming/forward_stream.cc streaming/handshake.cc
    streaming/http_request.cc streaming/incoming.cc streaming/listener.cc streaming/message_channel.cc
    streaming/openssl_library.cc streaming/plain_wire.cc streaming/reactor.cc streaming/sha1.cc
    streaming/socket_link.cc streaming/spdy_channels.cc streaming/spdy_forward.cc
    streaming/spdy_peer.cc streaming/streaming_server.cc streaming/tls_context.cc
    streaming/tokens.cc streaming/upgraded.cc streaming/websocket.cc
    streaming/websocket_channels.cc streaming/websocket_decoder.cc streaming/websocket_forward.cc
  LINKS crisp_base crisp_cri_api crisp_spdy
        crisp_pod_door crisp_image_door crisp_network_door crisp_oci_door
  PRIVATE_LINKS ${CMAKE_DL_LIBS})
# Boost 1.74 with g++ 12 in C++20.
set_source_files_properties(streaming/http_request.cc streaming/reactor.cc PROPERTIES
                            COMPILE_DEFINITIONS BOOST_ASIO_DISABLE_CO_AWAIT)
# The thread sanitizer does not know fences (std::atomic_thread_fence). Asio has them around handlers,
# whose queues are behind a mutex as well.
if(CRISP_SANITIZE STREQUAL "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  set_source_files_properties(streaming/http_request.cc streaming/reactor.cc PROPERTIES
                              COMPILE_OPTIONS -Wno-tsan)
endif()
