/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What was applied may be changed behind our back: a pin or a filter removed, a program detached,
 * a map entry overwritten. Nothing tells of most of it, so it is looked at, owner by owner. An
 * owner that lacks something is looked at again in the next turn before it is repaired: an event
 * that explains it (a device that went) has come until then.
 */
#include "common/log.h"
#include "common/turn.h"
#include "reconcile/actual.h"
#include "reconcile/internal.h"

enum {
	TICK_US = 250000,
	BUDGET_NS = 2500000, /* 1 % of a processor */
	REPAIRS_MAX = 5,
};

#define QUIET_NS (60ULL * 1000000000)

static void log_repair(const struct pl_fact *f)
{
	char ip[PL_IP_STRLEN];

	switch (f->kind) {
	case PL_FACT_NETWORKS:
		pl_warn("datapath repaired object=networks");
		return;
	case PL_FACT_PROGRAM:
		pl_warn("datapath repaired object=program name=%s",
			f->index == PL_PROG_MATCH ? "match" : "pl_mirror");
		return;
	case PL_FACT_MIRROR:
		pl_warn("datapath repaired object=mirror slot=%u", f->index);
		return;
	case PL_FACT_ENDPOINT:
		pl_warn("datapath repaired object=endpoint slot=%u ifindex=%u", f->index,
			f->endpoint.ifindex);
		return;
	case PL_FACT_LINK:
		pl_warn("datapath repaired object=device ifindex=%u", f->index);
		return;
	case PL_FACT_TUNNEL:
		pl_warn("datapath repaired object=tunnel port=%u", f->index);
		return;
	case PL_FACT_ATTACH:
		pl_warn("datapath repaired object=attachment hook=%s ifindex=%u",
			pl_datapath_hook_name(f->hook), f->index);
		return;
	case PL_FACT_ADDR:
		pl_warn("datapath repaired object=address address=%s", pl_ip_format(&f->ip, ip));
		return;
	}
}

/* In the words of an operator: what is not there. */
static void describe(const struct pl_fact *f, char *text, size_t size)
{
	char ip[PL_IP_STRLEN];

	switch (f->kind) {
	case PL_FACT_NETWORKS:
		snprintf(text, size, "the native networks are not as they should be");
		return;
	case PL_FACT_PROGRAM:
		snprintf(text, size, "program %s is not in pl_programs",
			 f->index == PL_PROG_MATCH ? "pl_match" : "pl_mirror");
		return;
	case PL_FACT_MIRROR:
		snprintf(text, size, "slot %u of pl_mirrors is not as it should be", f->index);
		return;
	case PL_FACT_ENDPOINT:
		snprintf(text, size, "slot %u of pl_endpoints is not as it should be", f->index);
		return;
	case PL_FACT_LINK:
		snprintf(text, size, "pl_devices has no entry for device %u", f->index);
		return;
	case PL_FACT_TUNNEL:
		snprintf(text, size, "pl_tunnel_ports has no entry for port %u", f->index);
		return;
	case PL_FACT_ATTACH:
		snprintf(text, size, "program %s is not attached to device %u",
			 pl_datapath_hook_name(f->hook), f->index);
		return;
	case PL_FACT_ADDR:
		snprintf(text, size, "pl_addrs has no entry for %s", pl_ip_format(&f->ip, ip));
		return;
	}
}

static bool is_applied(const struct pl_fact_owner *o, const struct pl_fact *want)
{
	for (size_t i = 0; i < o->applied.n; i++)
		if (!pl_fact_compare(&o->applied.v[i], want) &&
		    pl_fact_same(&o->applied.v[i], want))
			return true;
	return false;
}

/* What could not be set; or what was left to somebody who takes it away again and again. */
static const struct pl_fact *first_lack(struct pl_reconcile *rec, const struct pl_fact_owner *o)
{
	for (size_t i = 0; o->dirty && i < o->desired.n; i++)
		if (!is_applied(o, &o->desired.v[i]))
			return &o->desired.v[i];
	for (size_t i = 0; !o->dirty && o->quiet_ns && i < o->applied.n; i++)
		if (!pl_actual_holds(rec->dp, &o->applied.v[i]))
			return &o->applied.v[i];
	return NULL;
}

const char *pl_reconcile_lacks(struct pl_reconcile *rec, const struct pl_fact_owner *o)
{
	const struct pl_fact *lack = first_lack(rec, o);
	char what[128];

	if (!lack)
		return NULL;
	describe(lack, what, sizeof(what));
	snprintf(rec->text, sizeof(rec->text), "%s: %.200s", what,
		 !o->dirty ? "another program changes it repeatedly"
		 : o->why  ? o->why
			   : "it is tried again");
	return rec->text;
}

static bool lacks(struct pl_reconcile *rec, const struct pl_fact_owner *o)
{
	for (size_t i = 0; i < o->applied.n; i++)
		if (!pl_actual_holds(rec->dp, &o->applied.v[i]))
			return true;
	return false;
}

/* What is there goes into applied, all of it into desired: the difference is then carried out. */
static int split(struct pl_reconcile *rec, struct pl_fact_owner *o)
{
	struct pl_facts there = {0};

	for (size_t i = 0; i < o->applied.n; i++) {
		const struct pl_fact *want = &o->applied.v[i];
		struct pl_fact *f;

		if (!pl_actual_holds(rec->dp, want)) {
			log_repair(want);
			continue;
		}
		f = pl_facts_add(&there, want->kind);
		if (!f) {
			pl_facts_clear(&there);
			return -ENOMEM;
		}
		*f = *want;
	}
	pl_facts_clear(&o->desired);
	o->desired = o->applied;
	o->applied = there;
	o->dirty = true;
	return 0;
}

static void log_quiet(struct pl_reconcile *rec, const struct pl_fact_owner *o)
{
	char what[128] = "";

	for (size_t i = 0; !what[0] && i < o->applied.n; i++)
		if (!pl_actual_holds(rec->dp, &o->applied.v[i]))
			describe(&o->applied.v[i], what, sizeof(what));
	pl_warn("datapath is changed repeatedly by others, left alone for a minute what=\"%s\"",
		what);
}

static void repair(struct pl_reconcile *rec, struct pl_fact_owner *o)
{
	struct pl_error err = {0};

	o->suspect = false;
	if (o->dirty || !lacks(rec, o)) {
		o->repairs = 0;
		return;
	}
	if (++o->repairs > REPAIRS_MAX) {
		log_quiet(rec, o);
		o->repairs = 0;
		o->quiet_ns = pl_now_ns() + QUIET_NS;
		return;
	}
	if (split(rec, o) < 0 || pl_reconcile_reach(rec, o, &err) < 0)
		pl_warn("datapath not repaired, trying again error=\"%s\"", err.text);
}

static void look(struct pl_reconcile *rec, uint64_t now)
{
	struct pl_fact_owner *begin = rec->next_check, *o = begin;

	do {
		if (o != &rec->owners && !o->dirty && now >= o->quiet_ns) {
			o->suspect = lacks(rec, o);
			rec->any_suspect |= o->suspect;
			if (!o->suspect)
				o->repairs = 0;
			o->quiet_ns = 0;
		}
		o = o->next;
	} while (o != begin && pl_now_ns() - now < BUDGET_NS);
	rec->next_check = o;
}

void pl_repair_tick(evutil_socket_t fd, short what, void *arg)
{
	struct pl_reconcile *rec = arg;
	PL_TURN("comparison with the datapath");

	/* The kernel would answer when the links that are being deleted have gone. */
	if (pl_datapath_expediting(rec->dp) || !rec->watcher.look(rec->watcher.arg))
		return;
	for (struct pl_fact_owner *o = rec->owners.next; rec->any_suspect && o != &rec->owners;
	     o = o->next)
		if (o->suspect)
			repair(rec, o);
	rec->any_suspect = false;
	look(rec, pl_now_ns());
}

enum pl_attach_kind pl_reconcile_attached(struct pl_reconcile *rec,
					  const struct pl_fact_owner *owner, enum pl_hook hook,
					  uint32_t ifindex)
{
	if (owner->quiet_ns) /* left to somebody who takes it away */
		return pl_datapath_attached(rec->dp, hook, ifindex);
	for (size_t i = 0; i < owner->applied.n; i++) {
		const struct pl_fact *f = &owner->applied.v[i];

		if (f->kind == PL_FACT_ATTACH && f->hook == hook && f->index == ifindex)
			return f->attach.kind;
	}
	return PL_ATTACHED_NONE;
}

void pl_reconcile_each_attachment(struct pl_reconcile *rec,
				  void (*fn)(const struct pl_fact *attachment, void *arg),
				  void *arg)
{
	for (const struct pl_fact_owner *o = rec->owners.next; o != &rec->owners; o = o->next)
		for (size_t i = 0; i < o->applied.n; i++)
			if (o->applied.v[i].kind == PL_FACT_ATTACH)
				fn(&o->applied.v[i], arg);
}

void pl_reconcile_watch(struct pl_reconcile *rec)
{
	const struct timeval tick = {.tv_usec = TICK_US};

	event_add(rec->check, &tick);
}
