# casc_library(NAME folder-target SOURCES ... [PUBLIC_LINK ...] [PRIVATE_LINK ...]): one library per folder.
#   Public headers live in include/, private ones in src/. Warnings are errors on our own targets only.
function(casc_warnings target)
  target_compile_options(${target} PRIVATE "$<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wconversion;-Wshadow;-Werror>")
  # GCC decides what is an error; clang, which builds for the address sanitizer and the fuzzers, counts more as a
  # conversion.
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    target_compile_options(${target} PRIVATE "$<$<COMPILE_LANGUAGE:CXX>:-Wno-sign-conversion;-Wno-error>")
  endif()
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # GCC 12 takes "text" + std::string for an overlapping copy at -O3 (GCC bug 105651).
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict>)
  endif()
  if(CASC_SANITIZE AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Instrumented code hides from GCC that an engaged optional or variant was written before it is read, and which
    # allocation function Asio's memory came from.
    target_compile_options(${target} PRIVATE -Wno-maybe-uninitialized -Wno-mismatched-new-delete)
  endif()
endfunction()

function(casc_library target)
  cmake_parse_arguments(ARG "" "" "SOURCES;PUBLIC_LINK;PRIVATE_LINK" ${ARGN})
  add_library(${target} STATIC ${ARG_SOURCES})
  target_include_directories(${target} PUBLIC include PRIVATE src)
  target_link_libraries(${target} PUBLIC ${ARG_PUBLIC_LINK} PRIVATE ${ARG_PRIVATE_LINK})
  casc_warnings(${target})
  casc_unity(${target})
  string(REPLACE "casc_" "casc::" alias ${target})
  add_library(${alias} ALIAS ${target})
endfunction()

# casc_executable(casc-admin SOURCES ... LINK ...): a program of ours, in <build>/bin.
function(casc_executable name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_LINK})
  if(CASC_MIMALLOC)
    target_link_libraries(${name} PRIVATE casc_deps_mimalloc)
  endif()
  casc_warnings(${name})
  casc_unity(${name})
endfunction()

# casc_fuzzed(target): what libFuzzer steers by, in the libraries that have decoders and in the fuzz programs alone.
function(casc_fuzzed target)
  if(CASC_FUZZ)
    target_compile_options(${target} PRIVATE -fsanitize=fuzzer-no-link)
  endif()
endfunction()

# casc_quick(target [HEADERS]): for what only calls the libraries, which are optimised and watched as the preset says. Half of
# the time that a sanitized build took went into our tests' own assertions and the flags of casc-admin. What such code reads
# and frees is watched; whether what it refers to is aligned and of its type is not asked of it. (Of an inline function that
# a library has, too, the linker keeps one, mostly this one: casc-broker itself and the suites marked HEADERS have all.)
function(casc_quick target)
  if(CMAKE_BUILD_TYPE STREQUAL "Release")
    # These wait for others or do things once; those of gpu and storage do what they test themselves, many times.
    if(target MATCHES "_(integration|golden|unit_client|unit_broker|unit_schemas|unit_bench)_")
      target_compile_options(${target} PRIVATE -O0)
    else()
      target_compile_options(${target} PRIVATE -O1)
    endif()
  elseif(CASC_SANITIZE)
    target_compile_options(${target} PRIVATE -O0)
    if(CASC_SANITIZE MATCHES undefined AND NOT "HEADERS" IN_LIST ARGN)
      target_compile_options(${target} PRIVATE -fno-sanitize=null,alignment,vptr)
    endif()
  endif()
endfunction()

# casc_waits(target): for a library that mostly waits for others. Under a sanitizer it is not optimised: Clang then compiles
# it in half of the time and less, and the tests take no longer.
function(casc_waits target)
  if(CASC_SANITIZE)
    target_compile_options(${target} PRIVATE -O0)
  endif()
endfunction()

# casc_unity(target): several sources a compilation, since most of the time of one is headers (CLI11, Asio, flatbuffers).
# The preset `dev` goes without: there a change costs one small file, and a source that leans on its neighbour's includes
# does not compile.
function(casc_unity target)
  if(CASC_UNITY)
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 20)
  endif()
endfunction()
