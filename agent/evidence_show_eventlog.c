/* evidence_show_eventlog.c - see evidence_show.h: a CCEL or TCG2 log, event by event, and what it
 * replays to. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/evidence_show.h"
#include "common/attest/eventlog.h"
#include "common/text.h"

enum { DATA_SHOWN = 80, VALUE = 250, REGISTER_NAME = 16 };

struct listing {
    json_t *fields;
    enum tally_eventlog_kind kind;
};

static void register_name(enum tally_eventlog_kind kind, uint32_t index, char out[REGISTER_NAME])
{
    if (index == UINT32_MAX)
        (void)snprintf(out, REGISTER_NAME, "no register");
    else if (kind == TALLY_EVENTLOG_TPM)
        (void)snprintf(out, REGISTER_NAME, "PCR %" PRIu32, index);
    else if (index == 0)
        (void)snprintf(out, REGISTER_NAME, "MRTD");
    else
        (void)snprintf(out, REGISTER_NAME, "RTMR%" PRIu32, index - 1);
}

/* Text in ASCII or in UTF-16 of it, without the zeros at its end, cut; false for other data. */
static bool as_text(struct tally_slice d, char out[VALUE])
{
    size_t step = d.len >= 4 && d.at[1] == 0 ? 2 : 1, n = 0;

    while (d.len > 0 && d.at[d.len - 1] == 0) d.len--;
    for (size_t i = 0; i < d.len && n < DATA_SHOWN; i += step) {
        bool narrow = step == 1 || i + 1 >= d.len || d.at[i + 1] == 0;
        uint8_t c = d.at[i] == '\n' ? ' ' : d.at[i];
        if (c < ' ' || c >= 0x7f || !narrow) return false;
        out[n++] = (char)c;
    }
    (void)snprintf(out + n, VALUE - n, "%s", n == DATA_SHOWN ? ".." : "");
    return n > 0;
}

static void data_text(struct tally_slice d, char out[VALUE])
{
    size_t shown = d.len < DATA_SHOWN / 2 ? d.len : DATA_SHOWN / 2;

    if (as_text(d, out)) return;
    tally_hex(tally_slice_of(d.at, shown), out);
    (void)snprintf(out + 2 * shown, VALUE - 2 * shown, "%s", shown < d.len ? ".." : "");
}

static void add_event(void *ctx, const struct tally_event *e)
{
    const struct listing *l = ctx;
    char name[REGISTER_NAME], data[VALUE], digest[2 * TALLY_RTMR_BYTES + 1];
    const char *meaning =
        e->vouched ? "digest; its data, as measured" : "digest; data, not measured";

    if (e->type == TALLY_EV_NO_ACTION) meaning = "says something, extends nothing";
    register_name(l->kind, e->index, name);
    data_text(e->data, data);
    tally_hex(e->digest, digest);
    char field[64];
    (void)snprintf(field, sizeof field, "%s %s", name, tally_event_type_name(e->type));
    evidence_field(l->fields, e->at, e->size, field, meaning, "%s %s", digest, data);
}

static enum tally_status add_registers(struct tally_slice file, const struct listing *l)
{
    uint8_t rtmr[TALLY_RTMRS][TALLY_RTMR_BYTES], pcr[TALLY_PCRS][TALLY_PCR_BYTES];
    bool tpm = l->kind == TALLY_EVENTLOG_TPM;
    char name[REGISTER_NAME];

    if (tpm)
        TALLY_TRY(tally_eventlog_tpm_replay(file, pcr));
    else
        TALLY_TRY(tally_eventlog_ccel_replay(file, rtmr));
    for (uint32_t i = 0; i < (tpm ? TALLY_PCRS : TALLY_RTMRS); i++) {
        register_name(l->kind, tpm ? i : i + 1, name);
        evidence_field_hex(l->fields, 0, name, "what the events replay to",
                           tpm ? TALLY_SLICE(pcr[i]) : TALLY_SLICE(rtmr[i]));
    }
    return TALLY_OK;
}

enum tally_status evidence_show_eventlog(struct tally_slice file, json_t *fields)
{
    struct listing l = {.fields = fields};

    TALLY_TRY(tally_eventlog_kind_of(file, &l.kind));
    evidence_field(fields, 0, 0, "log", "by the hashes that its header lists", "%s",
                   l.kind == TALLY_EVENTLOG_TPM ? "TCG2 log of a TPM, SHA-256"
                                                : "CCEL of a TDX guest, SHA-384");
    TALLY_TRY(tally_eventlog_walk(file, l.kind, add_event, &l));
    return add_registers(file, &l);
}
