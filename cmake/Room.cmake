# A room is one folder of src/: a static library, and one test program made of the *_test.cpp beside the code.

set(ASB_WARNINGS -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wnon-virtual-dtor -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  list(APPEND ASB_WARNINGS -Wthread-safety)
  # libbson gives its documents their 128 bytes itself; a unique_ptr's type does not carry the attribute.
  list(APPEND ASB_WARNINGS -Wno-align-mismatch)
endif()

if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 at -O2 cannot see through std::variant and std::optional and warns of values that are always set.
  list(APPEND ASB_WARNINGS -Wno-maybe-uninitialized)
  if(ASB_UNITY)
    # It takes a file that is read with others for a header.
    list(APPEND ASB_WARNINGS -Wno-subobject-linkage)
  endif()
endif()

function(asb_compile_options target)
  target_compile_options(${target} PRIVATE ${ASB_WARNINGS})
  if(ASB_SANITIZE)
    target_compile_definitions(${target} PRIVATE ASB_SANITIZED)
    target_compile_options(${target} PRIVATE -fsanitize=${ASB_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(${target} PRIVATE -fsanitize=${ASB_SANITIZE})
  endif()
  if(ASB_COVERAGE)
    target_compile_options(${target} PRIVATE --coverage -fprofile-update=atomic)
    target_link_options(${target} PRIVATE --coverage)
  endif()
endfunction()

function(asb_precompile target)
  if(ASB_PCH)
    target_precompile_headers(${target} PRIVATE
      <array> <atomic> <chrono> <condition_variable> <functional> <map> <memory> <mutex> <optional> <span>
      <string> <string_view> <thread> <unordered_map> <utility> <variant> <vector> <fmt/format.h> ${ARGN})
  endif()
endfunction()

# Reading headers is most of a compilation. Names that clash when files are read together are better different anyway.
function(asb_unite target)
  set_target_properties(${target} PROPERTIES UNITY_BUILD ${ASB_UNITY} UNITY_BUILD_BATCH_SIZE 8)
endfunction()

function(asb_room name)
  cmake_parse_arguments(ROOM "" "" "USES;LIBRARIES" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${name}/*.cpp)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "(_test|/main)\\.cpp$")
  list(FILTER tests INCLUDE REGEX "_test\\.cpp$")
  list(TRANSFORM ROOM_USES PREPEND asb_)

  if(sources)
    add_library(asb_${name} STATIC ${sources})
    target_include_directories(asb_${name} PUBLIC ${CMAKE_SOURCE_DIR}/src)
    target_link_libraries(asb_${name} PUBLIC ${ROOM_USES} ${ROOM_LIBRARIES})
    asb_compile_options(asb_${name})
    asb_precompile(asb_${name})
    asb_unite(asb_${name})
  else()
    add_library(asb_${name} INTERFACE)
    target_include_directories(asb_${name} INTERFACE ${CMAKE_SOURCE_DIR}/src)
    target_link_libraries(asb_${name} INTERFACE ${ROOM_USES} ${ROOM_LIBRARIES})
  endif()
  set_property(GLOBAL APPEND PROPERTY ASB_ROOMS ${name})
  set_property(GLOBAL PROPERTY ASB_ROOM_TESTS_${name} "${tests}")
endfunction()

# A GoogleTest program whose every test is a ctest test of its own name.
function(asb_test_program name)
  cmake_parse_arguments(PROGRAM "" "" "SOURCES;USES;LABELS" ${ARGN})
  add_executable(${name} ${PROGRAM_SOURCES})
  target_link_libraries(${name} PRIVATE ${PROGRAM_USES} GTest::gmock_main)
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests)
  asb_compile_options(${name})
  asb_precompile(${name} <gtest/gtest.h> <gmock/gmock.h>)
  asb_unite(${name})
  gtest_discover_tests(${name} TEST_PREFIX "${name}." DISCOVERY_TIMEOUT 60 NO_PRETTY_VALUES
                       PROPERTIES TIMEOUT 300 LABELS "${PROGRAM_LABELS}")
endfunction()
