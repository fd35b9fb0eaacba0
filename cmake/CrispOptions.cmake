# ccache: paths below the sources count relative to them, so that another clone finds what this one
# compiled; and it has to be told that it may keep what uses precompiled headers.
if(CMAKE_CXX_COMPILER_LAUNCHER MATCHES "ccache")
  set(CRISP_CCACHE ${CMAKE_CXX_COMPILER_LAUNCHER})
  set(CRISP_CCACHE_ENV
      CCACHE_NOHASHDIR=1
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR}
                                  ${CRISP_CCACHE_ENV} ${CRISP_CCACHE})
endif()

# Flags that every crisp target gets, through the interface target crisp_flags.
add_library(crisp_flags INTERFACE)
target_compile_options(crisp_flags INTERFACE
  -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Werror
  -fstack-protector-strong -ffunction-sections -fdata-sections
  $<$<CONFIG:Release>:-O2 -g1>)
target_compile_definitions(crisp_flags INTERFACE
  CRISP_VERSION="${PROJECT_VERSION}" _FILE_OFFSET_BITS=64
  $<$<CONFIG:Release>:_FORTIFY_SOURCE=2>)
target_link_options(crisp_flags INTERFACE -Wl,--gc-sections -Wl,-z,relro,-z,now)
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  # g++ 12 at -O2 takes "literal" + std::string for an overlapping copy (GCC bug 105329).
  target_compile_options(crisp_flags INTERFACE -Wno-restrict)
endif()
if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
  # CRISP_TRY is a statement expression, which both compilers know.
  target_compile_options(crisp_flags INTERFACE -Wno-gnu-statement-expression)
endif()

if(CRISP_SANITIZE STREQUAL "address")
  set(CRISP_SANITIZE_FLAGS -fsanitize=address,undefined -fno-sanitize-recover=all
      -fno-omit-frame-pointer)
elseif(CRISP_SANITIZE STREQUAL "thread")
  set(CRISP_SANITIZE_FLAGS -fsanitize=thread -fno-omit-frame-pointer)
elseif(CRISP_SANITIZE)
  message(FATAL_ERROR "CRISP_SANITIZE is '${CRISP_SANITIZE}': allowed are address, thread, or empty")
endif()
if(CRISP_SANITIZE)
  target_compile_options(crisp_flags INTERFACE ${CRISP_SANITIZE_FLAGS}
    $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  target_link_options(crisp_flags INTERFACE ${CRISP_SANITIZE_FLAGS})
endif()
if(CRISP_FUZZ)  # coverage for libFuzzer; the program that has its main links -fsanitize=fuzzer
  target_compile_options(crisp_flags INTERFACE -fsanitize=fuzzer-no-link)
  target_link_options(crisp_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(CRISP_COVERAGE)  # what is killed is not counted: the counts are written at exit
  target_compile_options(crisp_flags INTERFACE --coverage -fprofile-update=atomic)
  target_link_options(crisp_flags INTERFACE --coverage)
endif()
