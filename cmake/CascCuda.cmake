# CUDA where it is: CASC_HAS_CUDA. The preset `cuda` cannot do without; the sanitizers' do, since what they would watch runs
# elsewhere. The toolkit lies outside the path on most machines.
set(CASC_CUDA AUTO CACHE STRING "The CUDA backend: AUTO (where nvcc is), ON (or fail) or OFF")
set(CASC_HAS_CUDA OFF)
if(CASC_CUDA AND NOT CASC_SANITIZE)
  find_program(CASC_NVCC nvcc HINTS $ENV{CUDA_HOME}/bin $ENV{CUDA_PATH}/bin /usr/local/cuda/bin)
  if(CASC_NVCC)
    execute_process(COMMAND ${CASC_NVCC} --version OUTPUT_VARIABLE nvcc_says ERROR_QUIET)
    string(REGEX MATCH "release ([0-9]+\\.[0-9]+)" found "${nvcc_says}")
    set(CASC_NVCC_VERSION "${CMAKE_MATCH_1}")
    # Older ones do not know C++20. And it must go with the compiler that there is, and have cuBLASLt beside it.
    if(CASC_NVCC_VERSION VERSION_GREATER_EQUAL 12.0)
      set(ENV{CUDACXX} ${CASC_NVCC})
      include(CheckLanguage)
      check_language(CUDA)
      get_filename_component(nvcc_folder ${CASC_NVCC} REALPATH)
      get_filename_component(nvcc_folder ${nvcc_folder} DIRECTORY)
      find_path(CASC_CUBLASLT_INCLUDE cublasLt.h HINTS ${nvcc_folder}/../include ${nvcc_folder}/../targets/x86_64-linux/include
        ${nvcc_folder}/../targets/sbsa-linux/include)
      if(CMAKE_CUDA_COMPILER AND CASC_CUBLASLT_INCLUDE)
        set(CASC_HAS_CUDA ON)
      endif()
    endif()
  endif()
  if(CASC_CUDA STREQUAL "ON" AND NOT CASC_HAS_CUDA)
    message(FATAL_ERROR "CASC_CUDA is ON, and there is no CUDA toolkit of version 12 or newer that works with this compiler "
                        "(nvcc: '${CASC_NVCC}', version '${CASC_NVCC_VERSION}', compiles: '${CMAKE_CUDA_COMPILER}', cublasLt.h: "
                        "'${CASC_CUBLASLT_INCLUDE}'). Set CUDA_HOME to where it is.")
  endif()
endif()

if(CASC_HAS_CUDA)
  if(NOT CMAKE_CUDA_ARCHITECTURES)
    # What the chips of today run as it is (A100, RTX 30, RTX 40 and L4, H100 and H200), and what newer ones translate.
    set(CMAKE_CUDA_ARCHITECTURES 80-real 86-real 89-real 90)
  endif()
  enable_language(CUDA)
  set(CMAKE_CUDA_STANDARD 20)
  set(CMAKE_CUDA_STANDARD_REQUIRED ON)
  # The CMake of Debian 12 does not know that the toolkits of today have it.
  if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)
    set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
    set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION -std=c++20)
  endif()
  if(CASC_CCACHE)
    set(CMAKE_CUDA_COMPILER_LAUNCHER ${CASC_CCACHE})
  endif()
  find_package(CUDAToolkit REQUIRED)
endif()
