# Precompiled headers: parsing what most sources include costs more than compiling them (the CRI's
# messages alone 4 s of the 7 s that a source of pod takes).
#
# A precompiled header hides that a source does not include what it uses, and it must never bring a
# header to a room that may not see it. So each kind holds only what every target of that kind
# links, and CRISP_PCH=OFF (the tidy preset) builds without.
option(CRISP_PCH "Precompile the headers that many sources share" ON)

set(CRISP_PCH_STANDARD
    <algorithm> <array> <chrono> <functional> <map> <memory> <mutex> <optional> <string>
    <string_view> <utility> <vector>)
set(CRISP_PCH_GTEST <filesystem> <thread> <gmock/gmock.h> <gtest/gtest.h>)

# crisp_precompiled(NAME FOR library|program LINKS ... HEADERS ...): what the targets of one kind
# reuse. Libraries and programs are position independent in different ways, and a compiler takes a
# precompiled header only where it is made with the same options.
function(crisp_precompiled name)
  cmake_parse_arguments(PCH "" "FOR" "LINKS;HEADERS" ${ARGN})
  if(NOT CRISP_PCH)
    return()
  endif()
  set(source ${CMAKE_BINARY_DIR}/pch/${name}.cc)
  file(CONFIGURE OUTPUT ${source} CONTENT "")
  add_library(crisp_pch_${name} OBJECT ${source})
  if(PCH_FOR STREQUAL "program")
    set_target_properties(crisp_pch_${name} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
    target_compile_options(crisp_pch_${name} PRIVATE -fPIE)
  endif()
  target_link_libraries(crisp_pch_${name} PRIVATE crisp_flags ${PCH_LINKS})
  target_precompile_headers(crisp_pch_${name} PRIVATE ${PCH_HEADERS})
endfunction()

# crisp_precompile(TARGET NAME): the sources of TARGET use that one. A target links everything that
# the headers come from, or it does not build.
function(crisp_precompile target name)
  if(TARGET crisp_pch_${name})
    target_precompile_headers(${target} REUSE_FROM crisp_pch_${name})
    # g++ 12 at -O2 warns of what std::string never does (GCC bug 105329). Otherwise that is not
    # heard, as it lies in a system's header; read from a precompiled one it counts as ours.
    target_compile_options(${target} PRIVATE
      $<$<CXX_COMPILER_ID:GNU>:-Wno-array-bounds;-Wno-stringop-overflow;-Wno-stringop-overread>)
  endif()
endfunction()

# The kinds that any room may use; cri-api and tests make theirs.
crisp_precompiled(standard FOR library HEADERS ${CRISP_PCH_STANDARD})
crisp_precompiled(json FOR library HEADERS ${CRISP_PCH_STANDARD} <nlohmann/json.hpp>)
