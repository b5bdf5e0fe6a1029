/* check_device.h - the part of `tally-agent check` about this machine: what its TEE can prove, and
 * whether peers would take it for this node. */
#pragma once

#include "agent/conf.h"
#include "common/attest/describe.h"
#include "common/revocation.h"

/* What is in force here; all NULL where there is nothing yet: then the machine is described and
 * nothing is judged. */
struct tally_check_device {
    const struct tally_agent_conf *conf;
    const struct tally_federation *federation;
    const struct tally_revocations *revoked;
    const struct tally_node *self;
};

/* Opens the device, describes it, and judges evidence of its own as the aggregator would. */
void tally_check_device(const struct tally_check_device *c, const struct tally_describe *to);
