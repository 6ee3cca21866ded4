# Debian packages (tools/install-deps.sh installs them; docs/dependencies.md says why each one).
find_package(Threads REQUIRED)
# Debian's default Boost is 1.74 and has no Boost.JSON; the 1.81 packages are asked for by name.
find_package(Boost 1.81 REQUIRED COMPONENTS json)
find_package(PkgConfig REQUIRED)
pkg_check_modules(LIBURING REQUIRED IMPORTED_TARGET liburing)
pkg_check_modules(LZ4 REQUIRED IMPORTED_TARGET liblz4)
find_package(spdlog REQUIRED)
find_package(CLI11 REQUIRED)
find_package(doctest REQUIRED)
find_package(FlatBuffers REQUIRED)
find_program(CASC_FLATC flatc REQUIRED)

# librocksdb-dev ships no usable CMake config without its optional dependencies, so it is found by hand.
find_path(ROCKSDB_INCLUDE_DIR rocksdb/db.h REQUIRED)
find_library(ROCKSDB_LIBRARY rocksdb REQUIRED)
add_library(casc_deps_rocksdb INTERFACE)
target_include_directories(casc_deps_rocksdb SYSTEM INTERFACE ${ROCKSDB_INCLUDE_DIR})
target_link_libraries(casc_deps_rocksdb INTERFACE ${ROCKSDB_LIBRARY})

# Optional: a machine without it reads tokenizer.json alone. Its pkg-config file would link what trains models, too.
find_path(SENTENCEPIECE_INCLUDE_DIR sentencepiece_processor.h)
find_library(SENTENCEPIECE_LIBRARY sentencepiece)
if(SENTENCEPIECE_INCLUDE_DIR AND SENTENCEPIECE_LIBRARY)
  add_library(casc_deps_sentencepiece INTERFACE)
  target_include_directories(casc_deps_sentencepiece SYSTEM INTERFACE ${SENTENCEPIECE_INCLUDE_DIR})
  target_link_libraries(casc_deps_sentencepiece INTERFACE ${SENTENCEPIECE_LIBRARY})
endif()

add_library(casc_deps_asio INTERFACE)
target_link_libraries(casc_deps_asio INTERFACE Boost::headers Threads::Threads)
target_compile_definitions(casc_deps_asio INTERFACE BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_DISABLE_VISIBILITY)

if(CASC_MIMALLOC)
  find_package(mimalloc REQUIRED)
  add_library(casc_deps_mimalloc INTERFACE)
  target_link_libraries(casc_deps_mimalloc INTERFACE mimalloc)
endif()

# toml++ is used header-only.
find_path(TOMLPLUSPLUS_INCLUDE_DIR toml++/toml.h REQUIRED)
if(NOT TARGET tomlplusplus::tomlplusplus)
  add_library(tomlplusplus::tomlplusplus INTERFACE IMPORTED)
  target_include_directories(tomlplusplus::tomlplusplus SYSTEM INTERFACE ${TOMLPLUSPLUS_INCLUDE_DIR})
endif()
