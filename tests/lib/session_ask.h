/* session_ask.h - what a session asks a device, made of a text. */
#pragma once

#include <string.h>

#include "common/attest/device.h"

/* The text, then the place of the set hash; the verifier's nonce is the body's beginning. */
enum { SESSION_ASK_BYTES = 96 };
static inline struct tally_quote_ask session_ask(const char *text, uint8_t body[SESSION_ASK_BYTES])
{
    memset(body, 0, SESSION_ASK_BYTES);
    memcpy(body, text, strlen(text));
    return (struct tally_quote_ask){TALLY_QUOTE_SESSION, tally_slice_of(body, SESSION_ASK_BYTES),
                                    body, tally_slice_str("key block")};
}
