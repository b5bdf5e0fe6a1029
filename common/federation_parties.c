/* federation_parties.c - parties, their nodes, and the programs they may run. */
#include <stdlib.h>
#include <string.h>

#include "common/federation_parts.h"
#include "common/policydoc.h"
#include "common/z85.h"

const char *const tally_role_names[] = {"agent", "aggregator", "kms", "auditor", NULL};
enum { ROLES = 4 };

static enum tally_status read_role(const struct tally_json_at *at, enum tally_role *role)
{
    size_t which = 0;

    TALLY_TRY(tally_json_choice(at, tally_role_names, ROLES, &which));
    *role = (enum tally_role)(which + TALLY_ROLE_AGENT);
    return TALLY_OK;
}

/* tcp://host:port, the port a number from 1 to 65535. */
static bool endpoint_ok(const char *s)
{
    unsigned port = 0;
    const char *colon = strrchr(s, ':');

    if (strncmp(s, "tcp://", 6) != 0 || colon == NULL || colon <= s + 6) return false;
    for (const char *p = s + 6; p < colon; p++) {
        if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_[]:", *p) ==
            NULL)
            return false;
    }
    const char *p = colon + 1;
    for (; *p >= '0' && *p <= '9' && port <= 65535; p++) port = port * 10 + (unsigned)(*p - '0');
    return *p == '\0' && port >= 1 && port <= 65535;
}

static enum tally_status read_curve_keys(const struct tally_json_at *at, struct tally_node *n)
{
    uint8_t raw[TALLY_CURVE_KEY_BYTES];
    size_t keys = 0;

    TALLY_TRY(tally_json_array(at, 1, TALLY_CURVE_KEYS_MAX, &keys));
    for (size_t i = 0; i < keys; i++) {
        struct tally_json_at key = tally_json_item(at, i);
        const char *s = json_string_value(key.value);
        if (s == NULL || tally_z85_key_parse(s, raw) != TALLY_OK)
            return tally_json_refuse(&key, "expected a CURVE key: 40 characters of Z85");
        memcpy(n->curve_keys[i], s, TALLY_Z85_KEY_CHARS + 1);
    }
    n->curve_keys_n = (uint32_t)keys;
    return TALLY_OK;
}

static enum tally_status read_digests(const struct tally_json_at *at, uint8_t *out, size_t len,
                                      uint32_t *n)
{
    size_t items = 0;

    TALLY_TRY(tally_json_array(at, 1, TALLY_CHIPS_MAX, &items));
    for (size_t i = 0; i < items; i++) {
        struct tally_json_at item = tally_json_item(at, i);
        TALLY_TRY(tally_json_hex(&item, out + i * len, len));
    }
    *n = (uint32_t)items;
    return TALLY_OK;
}

/* Which machine a node runs on: chips, or id keys, or "any" spelled out; exactly one of them. */
static enum tally_status read_machine(const struct tally_json_at *at, struct tally_node *n)
{
    struct tally_json_at chips = tally_json_member(at, "chips");
    struct tally_json_at id_keys = tally_json_member(at, "id_keys");

    if ((chips.value == NULL) == (id_keys.value == NULL))
        return tally_json_refuse(at, "expected either \"chips\" or \"id_keys\" (or \"chips\": "
                                     "\"any\", spelled out)");
    if (id_keys.value != NULL)
        return read_digests(&id_keys, n->id_keys[0], sizeof n->id_keys[0], &n->id_keys_n);
    if (json_is_string(chips.value)) {
        n->any_chip = true;
        return tally_json_exact(&chips, "any");
    }
    return read_digests(&chips, n->chips[0], sizeof n->chips[0], &n->chips_n);
}

static enum tally_status read_node(const struct tally_json_at *at, const char *org,
                                   struct tally_node *n)
{
    TALLY_TRY(tally_json_keys(at, TALLY_JSON_KEYS("name", "role", "endpoint?", "session_key",
                                                  "curve_keys", "chips?", "id_keys?")));
    struct tally_json_at name = tally_json_member(at, "name");
    struct tally_json_at role = tally_json_member(at, "role");
    struct tally_json_at endpoint = tally_json_member(at, "endpoint");
    struct tally_json_at session = tally_json_member(at, "session_key");
    struct tally_json_at curve = tally_json_member(at, "curve_keys");

    memcpy(n->org, org, sizeof n->org);
    TALLY_TRY(tally_json_name(&name, n->node));
    TALLY_TRY(read_role(&role, &n->role));
    bool listens = n->role == TALLY_ROLE_AGGREGATOR || n->role == TALLY_ROLE_KMS;
    if (!listens && endpoint.value != NULL)
        return tally_json_refuse(&endpoint, "a node of this role only connects out");
    if (listens) {
        TALLY_TRY(tally_json_text(&endpoint, n->endpoint, sizeof n->endpoint));
        if (!endpoint_ok(n->endpoint))
            return tally_json_refuse(&endpoint, "expected tcp://HOST:PORT");
    }
    TALLY_TRY(tally_json_base64(&session, n->session_key, sizeof n->session_key));
    TALLY_TRY(read_curve_keys(&curve, n));
    return read_machine(at, n);
}

static enum tally_status read_party(const struct tally_json_at *at, struct tally_federation *f)
{
    struct tally_party *p = &f->parties[f->parties_n];
    size_t nodes = 0;

    TALLY_TRY(tally_json_keys(at, TALLY_JSON_KEYS("name", "document_key", "nodes")));
    struct tally_json_at name = tally_json_member(at, "name");
    struct tally_json_at key = tally_json_member(at, "document_key");
    struct tally_json_at list = tally_json_member(at, "nodes");
    TALLY_TRY(tally_json_name(&name, p->name));
    if (tally_federation_party(f, p->name) != NULL)
        return tally_json_refuse(&name, "\"%s\" is listed twice", p->name);
    TALLY_TRY(tally_json_base64(&key, p->document_key, sizeof p->document_key));
    f->parties_n++;
    TALLY_TRY(tally_json_array(&list, 0, TALLY_NODES_MAX - f->nodes_n, &nodes));
    for (size_t i = 0; i < nodes; i++) {
        struct tally_json_at node = tally_json_item(&list, i);
        struct tally_node *n = &f->nodes[f->nodes_n];
        TALLY_TRY(read_node(&node, p->name, n));
        if (tally_federation_node(f, n->org, n->node) != NULL)
            return tally_json_refuse(&node, "\"%s/%s\" is listed twice", n->org, n->node);
        f->nodes_n++;
    }
    return TALLY_OK;
}

enum tally_status tally_federation_read_parties(const struct tally_json_at *at,
                                                struct tally_federation *f)
{
    size_t n = 0;

    TALLY_TRY(tally_json_array(at, 1, TALLY_PARTIES_MAX, &n));
    for (size_t i = 0; i < n; i++) {
        struct tally_json_at party = tally_json_item(at, i);
        TALLY_TRY(read_party(&party, f));
    }
    return TALLY_OK;
}

enum tally_status tally_federation_check_party(const json_t *party)
{
    struct tally_federation *scratch = calloc(1, sizeof *scratch);
    struct tally_json_at root = tally_json_root(party);

    TALLY_ENSURE(scratch != NULL, TALLY_E_NOMEM, "no memory to check a party");
    enum tally_status s = read_party(&root, scratch);
    free(scratch);
    return s;
}

bool tally_measurement_same(const struct tally_measurement *a, const struct tally_measurement *b)
{
    return a->tee == b->tee && memcmp(a->digest, b->digest, sizeof a->digest) == 0 &&
           a->td.rtmr_n == b->td.rtmr_n && memcmp(a->td.rtmr, b->td.rtmr, sizeof a->td.rtmr) == 0;
}

static enum tally_status read_measurement(const struct tally_json_at *at,
                                          struct tally_measurement *m)
{
    static const char *const tees[] = {"snp", "tdx"};
    struct tally_json_at tee = tally_json_member(at, "tee");
    struct tally_json_at role = tally_json_member(at, "role");
    struct tally_json_at digest = tally_json_member(at, "digest");
    struct tally_json_at software = tally_json_member(at, "software");
    size_t which = 0;

    TALLY_TRY(tally_json_choice(&tee, tees, 2, &which));
    m->tee = which == 0 ? TALLY_EVIDENCE_SNP : TALLY_EVIDENCE_TDX;
    if (m->tee == TALLY_EVIDENCE_SNP) {
        TALLY_TRY(tally_json_keys(at, TALLY_JSON_KEYS("role", "tee", "digest", "software")));
        TALLY_TRY(tally_json_hex(&digest, m->digest, sizeof m->digest));
    } else {
        TALLY_TRY(tally_json_keys(at, TALLY_JSON_KEYS("role", "tee", "mrtd", "rtmr?", "software")));
        TALLY_TRY(tally_td_measurement_read(at, &m->td));
        memcpy(m->digest, m->td.mrtd, sizeof m->digest);
    }
    TALLY_TRY(read_role(&role, &m->role));
    TALLY_TRY(tally_json_text(&software, m->software, sizeof m->software));
    if (strspn(m->software, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._+-") !=
        strlen(m->software))
        return tally_json_refuse(&software, "expected 1 to 63 of A-Z a-z 0-9 . _ + -");
    return TALLY_OK;
}

enum tally_status tally_federation_read_measurements(const struct tally_json_at *at,
                                                     struct tally_federation *f)
{
    size_t n = 0;

    TALLY_TRY(tally_json_array(at, 1, TALLY_MEASUREMENTS_MAX, &n));
    for (size_t i = 0; i < n; i++) {
        struct tally_json_at item = tally_json_item(at, i);
        struct tally_measurement *m = &f->measurements[i];
        TALLY_TRY(read_measurement(&item, m));
        for (size_t k = 0; k < i; k++) {
            const struct tally_measurement *o = &f->measurements[k];
            if (o->role == m->role && tally_measurement_same(o, m))
                return tally_json_refuse(&item, "is listed twice");
        }
        f->measurements_n++;
    }
    return TALLY_OK;
}
