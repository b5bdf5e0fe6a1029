# Tests that run the built programs.
if(TARGET tally-agent AND TARGET tally-aggregator)
  add_test(NAME programs/documents
    COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/programs/documents.sh $<TARGET_FILE_DIR:tally-agent>)
  set_tests_properties(programs/documents PROPERTIES TIMEOUT 300)
  if(TARGET aml-demo)
    add_test(NAME programs/demo
      COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/programs/demo.sh ${CMAKE_BINARY_DIR})
    set_tests_properties(programs/demo PROPERTIES TIMEOUT 300 LABELS processes)
  endif()
endif()
include(${CMAKE_CURRENT_SOURCE_DIR}/attack.cmake)
