# This folder as a project of its own: for machines with a compiler and CMake, and perhaps nvcc, and nothing else.
#
#   cmake -S gpu -B build/gpu && cmake --build build/gpu -j && ctest --test-dir build/gpu
include(${CMAKE_CURRENT_LIST_DIR}/../cmake/CascOptions.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/../cmake/CascTargets.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/../cmake/CascCuda.cmake)
set(CASC_MIMALLOC OFF)
find_package(Threads REQUIRED)

# The vocabulary, of which the whole project's schemas/ makes the same library.
file(GLOB casc_types_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/../schemas/src/types_*.cpp)
add_library(casc_types STATIC ${casc_types_sources})
target_include_directories(casc_types PUBLIC ${CMAKE_CURRENT_LIST_DIR}/../schemas/include)
target_link_libraries(casc_types PUBLIC Threads::Threads)
add_library(casc::types ALIAS casc_types)

enable_testing()
