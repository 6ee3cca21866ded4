# Build-wide switches. Everything here is visible in CMakePresets.json under the preset that sets it.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

option(CASC_TESTS "Build the tests" ON)
set(CASC_SANITIZE "" CACHE STRING "Sanitizers to build with, for instance address,undefined or thread")
option(CASC_FUZZ "Build the libFuzzer programs, and what they look at so that they see where they get (needs clang)" OFF)
option(CASC_MIMALLOC "Link the executables against mimalloc" ON)
option(CASC_UNITY "Compile several sources of a target together" ON)
option(CASC_FAIL_POINTS "Compile in the named crash points that the fault tests arm" ON)

if(CASC_SANITIZE)
  add_compile_options(-fsanitize=${CASC_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${CASC_SANITIZE})
  if(CASC_SANITIZE MATCHES address AND CASC_SANITIZE MATCHES undefined)
    # A null pointer that is used ends the program here as it is; asking before each use takes a third of the build. The
    # preset `ubsan` asks.
    add_compile_options(-fno-sanitize=null)
    if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
      # Clang 14 cannot assemble what it makes of it ("Cannot represent a difference across sections").
      add_compile_options(-fno-sanitize=function)
    endif()
  endif()
  set(CASC_MIMALLOC OFF)
endif()

find_program(CASC_CCACHE ccache)
if(CASC_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CASC_CCACHE})
endif()
