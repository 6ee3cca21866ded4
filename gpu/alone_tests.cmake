# The tests of this folder as a project of its own.
add_test(NAME gpu/check COMMAND casc-gpu-check)
add_test(NAME gpu/bench COMMAND casc-gpu-bench small 16)

# The unit tests, where doctest is; without those of models that numpy writes or that lie elsewhere in the repository.
find_path(DOCTEST_INCLUDE_DIR doctest/doctest.h)
if(DOCTEST_INCLUDE_DIR)
  set(tests ${CMAKE_CURRENT_SOURCE_DIR}/../tests)
  file(GLOB casc_gpu_cases CONFIGURE_DEPENDS ${tests}/unit/gpu/*.cpp)
  list(FILTER casc_gpu_cases EXCLUDE REGEX "/(cpu_backend|gpu_devices|sections_model|tokenizer_sentencepiece)_test\\.cpp$")
  add_executable(casc-gpu-tests ${casc_gpu_cases} ${tests}/support/doctest_main.cpp)
  target_include_directories(casc-gpu-tests PRIVATE ${tests}/unit/gpu ${tests}/support src)
  target_include_directories(casc-gpu-tests SYSTEM PRIVATE ${DOCTEST_INCLUDE_DIR})
  target_link_libraries(casc-gpu-tests PRIVATE casc::gpu)
  casc_unity(casc-gpu-tests)
  set_source_files_properties(${tests}/support/doctest_main.cpp PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  casc_quick(casc-gpu-tests)
  add_test(NAME gpu/unit COMMAND casc-gpu-tests --no-intro)
endif()
