/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Makes again what the host's stack needs to reach a pod, where an event, or a dump, gave reason to
 * doubt that it is there. Looks once a tenth of a second, at most 2.5 ms each time; whoever takes
 * it away again and again is not fought.
 */
#include <event2/event.h>
#include <net/if.h>

#include "common/log.h"
#include "common/turn.h"
#include "endpoint/internal.h"
#include "endpoint/reach.h"

enum {
	TICK_US = 100000,
	BUDGET_NS = 2500000,
	REPAIRS_MAX = 5, /* a minute */
};

#define SECOND_NS 1000000000ULL
#define MINUTE_NS (60 * SECOND_NS)

static void arm(struct pl_endpoints *t)
{
	const struct timeval tick = {.tv_usec = TICK_US};

	if (!event_pending(t->heal, EV_TIMEOUT, NULL))
		event_add(t->heal, &tick);
}

void pl_endpoint_suspect(struct pl_endpoints *t, struct pl_endpoint *pod, unsigned int what)
{
	pod->suspicion |= what;
	arm(t);
}

/* What was made, for the log: "route 10.1.0.2, neighbour 10.1.0.2". */
struct made {
	char text[200];
	size_t len;
};

static void note_made(struct made *made, const struct pl_reach_fact *f)
{
	size_t left = sizeof(made->text) - made->len;
	char ip[PL_IP_STRLEN];
	int n = snprintf(made->text + made->len, left, "%s%s %s", made->len ? ", " : "",
			 pl_reach_name(f->kind), pl_ip_format(&f->ip, ip));

	if (n > 0 && (size_t)n < left)
		made->len += (size_t)n;
	else
		made->text[made->len] = '\0'; /* there is more than a line should hold */
}

static int ensure_all(struct pl_nl *nl, const struct pl_host *host, uint32_t ifindex,
		      const struct pl_reach *want, struct made *made, struct pl_error *err)
{
	int first = 0;

	for (size_t i = 0; i < want->n; i++) {
		struct pl_error why = {0};
		int r = pl_reach_ensure(nl, host, ifindex, &want->v[i], &why);

		if (r > 0)
			note_made(made, &want->v[i]);
		if (r < 0 && !first) {
			first = r;
			*err = why;
		}
	}
	return first;
}

static int heal_host_end(struct pl_endpoints *t, const struct pl_record *rec, struct made *made,
			 struct pl_error *err)
{
	const struct pl_nl_link *link = pl_endpoint_link_of(t, rec);
	struct pl_reach want;

	if (!link || !(link->flags & IFF_UP)) /* looked at again when it is back, or up */
		return 0;
	pl_reach_want(rec, &want);
	return ensure_all(t->opts.nl, t->opts.host, rec->ifindex, &want, made, err);
}

/* Only what podlane itself has put there; a pod that cannot be entered has other worries. */
static int heal_pod_end(const struct pl_record *rec, struct made *made, struct pl_error *err)
{
	const struct pl_identity id = pl_identity_of_pod_end(rec);
	pl_autoclose int fd = pl_identity_open_netns(rec->netns, rec->netns_inode);
	pl_cleanup(pl_nl_closep) struct pl_nl *nl = NULL;
	struct pl_nl_link link;
	struct pl_reach want;

	if (fd < 0 || pl_nl_open(fd, &nl, NULL) < 0 ||
	    pl_nl_link_get(nl, NULL, rec->pod_ifindex, &link) < 0 ||
	    !pl_identity_matches(&id, &link) || !(link.flags & IFF_UP))
		return 0;
	pl_reach_want_in_pod(rec, &want);
	return ensure_all(nl, NULL, rec->pod_ifindex, &want, made, err);
}

/* Whether it may be repaired now. */
static bool may_repair(const struct pl_endpoint *pod, struct pl_repairs *repairs, const char *what,
		       uint64_t now)
{
	if (now < repairs->quiet_until_ns)
		return false;
	if (now - repairs->since_ns > MINUTE_NS) {
		repairs->since_ns = now;
		repairs->n = 0;
	}
	if (repairs->n < REPAIRS_MAX)
		return true;
	pl_warn("%s is changed by others again and again, left so for a minute container=%s "
		"ifname=%s host=%s",
		what, pod->rec.container_id, pod->rec.ifname, pod->rec.host_ifname);
	repairs->quiet_until_ns = now + MINUTE_NS;
	return false;
}

static bool heal(struct pl_endpoints *t, struct pl_endpoint *pod, enum pl_suspicion which,
		 uint64_t now)
{
	bool in_pod = which == PL_SUSPECT_POD_END;
	struct pl_repairs *repairs = in_pod ? &pod->pod_end : &pod->host_end;
	const char *what = in_pod ? "pod end" : "host end";
	struct pl_error err = {0};
	struct made made = {0};
	int r;

	if (!may_repair(pod, repairs, what, now))
		return false;
	r = in_pod ? heal_pod_end(&pod->rec, &made, &err)
		   : heal_host_end(t, &pod->rec, &made, &err);
	if (made.len) {
		repairs->n++;
		pl_warn("%s repaired container=%s ifname=%s host=%s made=\"%s\"", what,
			pod->rec.container_id, pod->rec.ifname, pod->rec.host_ifname, made.text);
	}
	if (r < 0 && !repairs->failed)
		pl_warn("%s not repaired, trying again container=%s ifname=%s host=%s "
			"error=\"%s\"",
			what, pod->rec.container_id, pod->rec.ifname, pod->rec.host_ifname,
			err.text);
	if (r < 0)
		repairs->quiet_until_ns = now + SECOND_NS;
	repairs->failed = r < 0;
	return !r;
}

static void look_at(struct pl_endpoints *t, struct pl_endpoint *pod, uint64_t now)
{
	unsigned int what = pod->suspicion;

	pod->suspicion = 0;
	if (pl_endpoint_is_leaving(pod))
		return;
	if (what & PL_SUSPECT_FACTS)
		pl_endpoint_sync(t, pod); /* suspects them again where that fails */
	if ((what & PL_SUSPECT_STACK) && !heal(t, pod, PL_SUSPECT_STACK, now))
		pod->suspicion |= PL_SUSPECT_STACK;
	if ((what & PL_SUSPECT_POD_END) && !heal(t, pod, PL_SUSPECT_POD_END, now))
		pod->suspicion |= PL_SUSPECT_POD_END;
}

/* From where the last turn ended; while links are being deleted the kernel would not answer. */
static void on_tick(evutil_socket_t fd, short events, void *arg)
{
	struct pl_endpoints *t = arg;
	uint64_t begin = pl_now_ns();
	bool left = pl_datapath_expediting(t->opts.dp);
	PL_TURN("host ends");

	for (uint32_t i = 0; !pl_datapath_expediting(t->opts.dp) && i + 1 < t->max; i++) {
		uint32_t id = 1 + (t->next_heal + i) % (t->max - 1);
		struct pl_endpoint *pod = t->v[id];

		if (!pod || !pod->suspicion)
			continue;
		if (pl_now_ns() - begin > BUDGET_NS) {
			t->next_heal = id - 1;
			left = true;
			break;
		}
		look_at(t, pod, begin);
		left |= pod->suspicion != 0;
	}
	if (left)
		arm(t);
}

int pl_heal_new(struct pl_endpoints *t, struct pl_error *err)
{
	t->heal = evtimer_new(t->opts.base, on_tick, t);
	return t->heal ? 0 : pl_fail(err, -ENOMEM, "repair of host ends: out of memory");
}
