/* rewrap.c - a content key wrapped again for an instance with a new KEM key (CHANNEL.md section 3):
 * the wrap lies outside the evidence, so nothing else is sent. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/hub.h"
#include "aggregator/sealed.h"

struct rewrap_task {
    struct tally_task task;
    struct tally_course *course;
    uint64_t link, round;
    uint32_t site;
    struct tally_statement st;
    char path[2 * TALLY_HUB_PATH_MAX]; /* of the sealed file */
    uint8_t st_digest[32], wrap[TALLY_WRAP_BYTES];
};

/* The key must open the very file that counts before the wrap takes the old one's place. */
static enum tally_status rewrap_run(struct tally_task *task)
{
    struct rewrap_task *t = (struct rewrap_task *)task;
    const struct tally_hub *h = t->course->hub;
    const struct tally_node *n = t->course->guests[t->site]->node;
    TALLY_CLEANUP(tally_secret_free) struct tally_secret key = {0};
    struct tally_sealed s;
    struct tally_store_key k = {.round = t->round, .org = n->org, .node = n->node};

    memcpy(k.job, t->course->job.digest, 32);
    TALLY_TRY(tally_sealed_key(tally_hub_instance(h)->kem_secret, h->key_id, t->wrap,
                               t->st.seal_digest, &key));
    TALLY_TRY(tally_sealed_open(t->path, &key, &t->st, &s));
    tally_sealed_close(&s);
    return tally_store_update_wrap(h->store, &k, t->st_digest, TALLY_SLICE(t->wrap), h->key_id);
}

static void acknowledge(struct tally_session *l, const struct rewrap_task *t)
{
    struct tally_message m = {.type = TALLY_MSG_ACK};

    memcpy(m.digest, t->st_digest, 32);
    if (tally_ack_sign(&tally_hub_instance(l->hub)->attested, t->st_digest,
                       t->course->accepted[t->site].ev_digest, m.signature) == TALLY_OK)
        (void)tally_session_send(l, &m);
}

static void rewrap_done(struct tally_task *task)
{
    struct rewrap_task *t = (struct rewrap_task *)task;
    struct tally_course *c = t->course;
    struct tally_session *l = tally_session_by_id(c->hub, t->link);

    if (l != NULL) l->asked--;
    if (task->status == TALLY_E_IO) {
        tally_hub_fatal(c->hub, "a wrap cannot be kept", task->why);
    } else if (task->status != TALLY_OK) {
        const char *why = strstr(task->why, ": ");
        (void)!TALLY_REFUSE(task->reason == TALLY_R_NONE ? TALLY_R_E_UPDATE : task->reason, "%s",
                            why != NULL ? why + 2 : task->why);
        if (l != NULL) tally_session_refuse(l, t->st_digest);
    } else {
        if (c->round.number == t->round) memcpy(c->accepted[t->site].wrap, t->wrap, sizeof t->wrap);
        if (l != NULL) acknowledge(l, t);
        if (c->round.number == t->round)
            tally_course_event(
                c, (struct tally_round_event){.type = TALLY_ROUND_EV_REWRAPPED, .site = t->site});
    }
    free(t);
}

void tally_intake_rewrap(struct tally_session *l, const struct tally_message *m)
{
    struct tally_course *c = l->course;
    const struct tally_round_site *site = &c->round.sites[l->site];
    struct rewrap_task *t;

    if (site->status != TALLY_SITE_ACCEPTED || memcmp(site->statement, m->digest, 32) != 0 ||
        memcmp(m->key_id, l->hub->key_id, 32) != 0) {
        (void)!TALLY_REFUSE(TALLY_R_E_UPDATE, "no update of this round has that statement");
        tally_session_refuse(l, m->digest);
        return;
    }
    t = l->asked < TALLY_ASKED_MAX ? calloc(1, sizeof *t) : NULL;
    if (t == NULL) {
        tally_session_end(l, "too much to do");
        return;
    }
    t->task.run = rewrap_run;
    t->task.done = rewrap_done;
    t->course = c;
    t->link = l->id;
    t->round = c->round.number;
    t->site = l->site;
    memcpy(t->st_digest, m->digest, 32);
    const struct tally_accepted *a = &c->accepted[l->site];
    (void)snprintf(t->path, sizeof t->path, "%s/%s", c->hub->dir, a->path);
    if (tally_statement_decode(tally_slice_of(a->st, a->st_len), &t->st) != TALLY_OK) {
        free(t);
        tally_session_end(l, tally_why());
        return;
    }
    memcpy(t->wrap, m->wrap, sizeof t->wrap);
    struct tally_task *task = &t->task;
    l->asked++;
    if (tally_mailbox_post(l->hub->store_box, &task) == TALLY_OK) return;
    free(t);
    tally_session_end(l, "too much to do");
}
