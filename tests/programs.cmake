# Tests that run the built programs.
if(TARGET tally-agent AND TARGET tally-aggregator)
  add_test(NAME programs/documents
    COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/programs/documents.sh $<TARGET_FILE_DIR:tally-agent>)
  set_tests_properties(programs/documents PROPERTIES TIMEOUT 300)
  add_test(NAME programs/evidence_docs
    COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/programs/evidence_docs.sh ${CMAKE_SOURCE_DIR}
      $<TARGET_FILE_DIR:tally-agent> ${TALLY_SHARED})
  set_tests_properties(programs/evidence_docs PROPERTIES TIMEOUT 300)
  if(NOT TALLY_SANITIZE AND NOT TALLY_TSAN AND NOT TALLY_FUZZ)
    # A played kernel under whole programs (LD_PRELOAD): for tests alone, never installed.
    add_library(tally_tsm_shim SHARED shim/tsm_shim.c lib/tee_kernel.c lib/tee_firmware.c)
    target_link_libraries(tally_tsm_shim PRIVATE tally_common tally_flags ${CMAKE_DL_LIBS})
    target_compile_options(tally_tsm_shim PRIVATE -fvisibility=hidden)
    set_source_files_properties(shim/tsm_shim.c PROPERTIES COMPILE_OPTIONS -U_FORTIFY_SOURCE)
    target_link_options(tally_tsm_shim PRIVATE -Wl,--exclude-libs,ALL -Wl,-Bsymbolic)
    add_test(NAME programs/hardware
      COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/programs/hardware.sh ${CMAKE_BINARY_DIR}
        $<TARGET_FILE:tally_tsm_shim> ${TALLY_SHARED})
    set_tests_properties(programs/hardware PROPERTIES TIMEOUT 300 LABELS processes)
    add_test(NAME programs/collect
      COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/programs/collect.sh ${CMAKE_BINARY_DIR}
        $<TARGET_FILE:tally_tsm_shim>)
    set_tests_properties(programs/collect PROPERTIES TIMEOUT 300 LABELS processes)
  endif()
  if(NOT TALLY_SANITIZE AND NOT TALLY_TSAN AND NOT TALLY_FUZZ)
    add_test(NAME programs/tdx
      COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/programs/tdx.sh ${CMAKE_BINARY_DIR})
    add_executable(tally_make_gpus programs/make_gpus.c)
    target_link_libraries(tally_make_gpus PRIVATE tally_testlib tally_flags)
    add_test(NAME programs/gpus COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/programs/gpus.sh ${CMAKE_BINARY_DIR}
      $<TARGET_FILE:tally_make_gpus>)
    set_tests_properties(programs/tdx programs/gpus PROPERTIES TIMEOUT 300 LABELS processes)
  endif()
  if(TARGET aml-demo)
    add_test(NAME programs/demo
      COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/programs/demo.sh ${CMAKE_BINARY_DIR})
    set_tests_properties(programs/demo PROPERTIES TIMEOUT 300 LABELS processes)
  endif()
endif()
include(${CMAKE_CURRENT_SOURCE_DIR}/attack.cmake)
