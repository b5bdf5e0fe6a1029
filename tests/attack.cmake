# Programs that attack the built binaries over real sockets. Each case is a test of its own and has
# an aggregator of its own, on any free port; those with honest agents share the port that the
# arena's document names, one at a time.
if(TALLY_FUZZ OR TALLY_SANITIZE OR TALLY_TSAN)
  return() # they attack the release build; the same decoders run under sanitizers as unit tests
endif()
set(arena ${CMAKE_CURRENT_BINARY_DIR}/arena)
add_test(NAME attack/arena
  COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/attack/make_arena.sh ${CMAKE_BINARY_DIR} ${arena})
set_tests_properties(attack/arena PROPERTIES FIXTURES_SETUP arena TIMEOUT 120
  LABELS processes)

add_library(tally_attacker STATIC attack/attacker.c attack/session.c attack/arena.c attack/crowd.c)
target_link_libraries(tally_attacker PUBLIC tally_aggregator PRIVATE tally_flags)
target_compile_definitions(tally_attacker PRIVATE
  TALLY_BIN_DEFAULT="${CMAKE_BINARY_DIR}" TALLY_ARENA_DEFAULT="${arena}")

# tally_attack(PROGRAM case...): tests/attack/PROGRAM.c, one test for each case.
function(tally_attack program)
  add_executable(${program} attack/${program}.c)
  target_link_libraries(${program} PRIVATE tally_attacker tally_flags)
  add_dependencies(${program} tally-agent tally-aggregator)
  foreach(case ${ARGN})
    add_test(NAME attack/${case} COMMAND ${program} ${case})
    set_tests_properties(attack/${case} PROPERTIES FIXTURES_REQUIRED arena TIMEOUT 120
      SKIP_RETURN_CODE 77 LABELS processes)
    if(case MATCHES "^agents_")
      set_tests_properties(attack/${case} PROPERTIES RESOURCE_LOCK arena_port)
    endif()
  endforeach()
endfunction()
tally_attack(attack_handshake relay_without_the_session_key
  relay_with_the_session_key
  another_chip_of_the_same_root
  a_leaked_session_key_on_another_chip
  reflection
  reflection_under_our_key_block
  role_swap
  replay_at_once
  replay_after_a_restart
  debug_guest
  migratable_guest
  another_measurement
  another_vmpl
  another_federations_guest
  a_new_m1_leaves_the_live_session
  m4_of_another_machine_leaves_the_live_session)
tally_attack(attack_report_data every_bit_of_report_data)
tally_attack(attack_flood frames_cut_and_changed stalled_handshakes a_flood_of_m1)
tally_attack(attack_update pieces_out_of_order
  the_last_chunk_of_64_mb_is_corrupt
  any_sealed_byte_is_changed
  a_wrap_of_another_key
  a_rewrap_of_another_key
  values_that_are_not_finite
  lying_counts
  moments_that_cannot_be_true
  statements_that_lie)
tally_attack(attack_session a_second_different_update
  a_vote_counted_twice
  a_vote_of_another_key
  messages_that_end_the_session)
tally_attack(attack_disk every_column_of_rounds_is_edited
  every_column_of_updates_is_edited
  every_other_column_is_edited
  a_weight_a_vote_and_a_deleted_update
  every_file_is_changed)
tally_attack(attack_restore keys_lost_twice_over_a_frozen_set
  seal_of_another_guest
  seal_of_another_folder
  agents_refuse_a_second_set
  agents_refuse_an_older_version)
tally_attack(attack_agent agents_relayed_evidence agents_relayed_evidence_with_the_session_key
  agents_aggregator_on_another_chip agents_aggregator_under_debug
  agents_another_aggregator_program agents_signature_of_the_other_side)
# The same over TDX machines.
set(tdx_cases tdx_debug_td tdx_migratable_td tdx_host_that_may_inject_exceptions
  tdx_another_program tdx_a_leaked_session_key_on_another_machine)
add_test(NAME attack/tdx_arena
  COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/attack/make_arena.sh ${CMAKE_BINARY_DIR} ${arena}-tdx 3 "tdx tdx tdx snp")
set_tests_properties(attack/tdx_arena PROPERTIES FIXTURES_SETUP tdx_arena TIMEOUT 120
  LABELS processes)
tally_attack(attack_tdx ${tdx_cases})
foreach(case ${tdx_cases})
  set_tests_properties(attack/${case} PROPERTIES FIXTURES_REQUIRED tdx_arena
    ENVIRONMENT "TALLY_ARENA=${arena}-tdx")
endforeach()
# The same with GPUs at every node.
set(gpu_cases gpus_evidence_for_another_question gpus_missing gpus_of_another_root
  gpus_firmware_of_another_version)
add_test(NAME attack/gpus_arena COMMAND sh -c "rm -rf ${arena}-plugs && \
  $<TARGET_FILE:tally_make_gpus> ${arena}-plugs 5 && ${CMAKE_CURRENT_SOURCE_DIR}/attack/make_arena.sh \
  ${CMAKE_BINARY_DIR} ${arena}-gpus 3 'snp snp tdx snp' ${arena}-plugs")
set_tests_properties(attack/gpus_arena PROPERTIES FIXTURES_SETUP gpus_arena TIMEOUT 120
  LABELS processes)
tally_attack(attack_gpus ${gpu_cases})
foreach(case ${gpu_cases})
  set_tests_properties(attack/${case} PROPERTIES FIXTURES_REQUIRED gpus_arena
    ENVIRONMENT "TALLY_ARENA=${arena}-gpus;TALLY_ARENA_GPUS=${arena}-plugs;LD_LIBRARY_PATH=${CMAKE_BINARY_DIR}/stub;TALLY_STUB_SIM=${arena}-plugs/gpu-1,${arena}-plugs/gpu-2")
endforeach()
tally_attack(attack_expiry an_expired_crl an_expired_certificate an_expired_document a_clock_set_back)
add_test(NAME attack/no_raw_report_data
  COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/attack/no_raw_report_data.sh ${CMAKE_BINARY_DIR} ${CMAKE_SOURCE_DIR})
add_test(NAME kill/short COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/kill/run --bin ${CMAKE_BINARY_DIR} --seed 1)
add_test(NAME kill/tdx COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/kill/run --bin ${CMAKE_BINARY_DIR} --seed 1
  --tees "tdx snp tdx tdx" --instances 0 --kills 5)
set_tests_properties(attack/no_raw_report_data kill/short kill/tdx PROPERTIES TIMEOUT 180 LABELS processes)
add_test(NAME attack/documents
  COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/attack/documents.sh ${CMAKE_BINARY_DIR} ${arena})
set_tests_properties(attack/documents PROPERTIES FIXTURES_REQUIRED arena TIMEOUT 120 LABELS processes)
