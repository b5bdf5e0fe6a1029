# libtally-cuda.so: the cuda backend with the vendor's libraries (docs/GPU.md). Plain commands
# instead of CMake's CUDA language, which would want a working compiler at configuration and C++.
if(TALLY_CUDA STREQUAL "OFF" OR TALLY_SANITIZE OR TALLY_TSAN OR TALLY_FUZZ)
  return()
endif()
find_program(TALLY_NVCC nvcc HINTS $ENV{CUDA_HOME}/bin /usr/local/cuda/bin)
if(NOT TALLY_NVCC)
  if(TALLY_CUDA STREQUAL "ON")
    message(FATAL_ERROR "TALLY_CUDA is ON and there is no nvcc")
  endif()
  message(STATUS "no nvcc: libtally-cuda.so is not built")
  return()
endif()
get_filename_component(cuda_home ${TALLY_NVCC} REALPATH)
get_filename_component(cuda_home ${cuda_home} DIRECTORY)
get_filename_component(cuda_home ${cuda_home} DIRECTORY)
find_library(TALLY_CUDART cudart_static HINTS ${cuda_home}/lib64 NO_CACHE)
find_library(TALLY_CUBLAS cublas HINTS ${cuda_home}/lib64 NO_CACHE)
find_library(TALLY_CUBLASLT cublasLt HINTS ${cuda_home}/lib64 NO_CACHE)
if(NOT TALLY_CUDART OR NOT TALLY_CUBLAS OR NOT TALLY_CUBLASLT)
  if(TALLY_CUDA STREQUAL "ON")
    message(FATAL_ERROR "TALLY_CUDA is ON and ${cuda_home} lacks cudart, cuBLAS or cuBLASLt")
  endif()
  message(STATUS "nvcc without cuBLAS: libtally-cuda.so is not built")
  return()
endif()
foreach(arch ${TALLY_CUDA_ARCHITECTURES})
  list(APPEND cuda_codes -gencode arch=compute_${arch},code=sm_${arch})
endforeach()
# The newest one as PTX, too: later devices compile it when they load it.
list(GET TALLY_CUDA_ARCHITECTURES -1 newest)
list(APPEND cuda_codes -gencode arch=compute_${newest},code=compute_${newest})
add_custom_command(OUTPUT ${CMAKE_BINARY_DIR}/cuda_kernels.o
  COMMAND ${TALLY_NVCC} -std=c++17 -O3 -Werror all-warnings -Xcompiler=-fPIC,-Wall,-Wextra,-fvisibility=hidden
          -I${CMAKE_SOURCE_DIR} ${cuda_codes} -c ${CMAKE_SOURCE_DIR}/kernels/cuda/kernels.cu
          -o ${CMAKE_BINARY_DIR}/cuda_kernels.o
  DEPENDS ${CMAKE_SOURCE_DIR}/kernels/cuda/kernels.cu ${CMAKE_SOURCE_DIR}/kernels/cuda/kernels.h
  VERBATIM)
add_library(tally_cuda SHARED ${TALLY_CUDA_SOURCES} kernels/cuda/runtime.c kernels/cuda/module.c
  ${CMAKE_BINARY_DIR}/cuda_kernels.o)
set_source_files_properties(${CMAKE_BINARY_DIR}/cuda_kernels.o PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
set_target_properties(tally_cuda PROPERTIES OUTPUT_NAME tally-cuda C_VISIBILITY_PRESET hidden)
target_include_directories(tally_cuda SYSTEM PRIVATE ${cuda_home}/include)
# No undefined symbols: the object needs nothing of the program that loads it.
target_link_options(tally_cuda PRIVATE -Wl,-z,defs -Wl,--exclude-libs,ALL)
target_link_libraries(tally_cuda PRIVATE tally_flags ${TALLY_CUBLAS} ${TALLY_CUBLASLT} ${TALLY_CUDART}
  Threads::Threads dl rt m stdc++)
