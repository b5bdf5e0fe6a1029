/* jobs.h - a job document for the tests of documents: all banks of tally_test_federation(banks). */
#pragma once

#include <jansson.h>
#include <stdint.h>

json_t *tally_test_job(const uint8_t federation_id[32], unsigned banks, uint64_t issued_s);
