/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The endpoints of this node, and how they are found.
 */
#ifndef PODLANE_ENDPOINT_TABLE_H
#define PODLANE_ENDPOINT_TABLE_H

#include "common/record.h"
#include "datapath/datapath.h"
#include "endpoint/state.h"
#include "host/host.h"
#include "host/masq.h"
#include "ipam/ipam.h"
#include "netlink/netlink.h"
#include "reconcile/reconcile.h"

struct event;
struct event_base;
struct pl_pod_ends;
struct pl_removals;
struct pl_waiter;

/* What an endpoint may lack: looked at in a moment (heal.c). */
enum pl_suspicion {
	PL_SUSPECT_STACK = 1,	/* address, routes, neighbours of its host end */
	PL_SUSPECT_POD_END = 2, /* neighbours of its pod's end */
	PL_SUSPECT_FACTS = 4,	/* there was no memory to say what the datapath must hold */
};

/* How often something was repaired: whoever breaks it again and again is not fought. */
struct pl_repairs {
	uint8_t n;
	bool failed;	   /* the last one: said once */
	uint64_t since_ns; /* of the first that is counted */
	uint64_t quiet_until_ns;
};

/*
 * A record with its place in the datapath. While the host end is in another network namespace the
 * index is 0 here, for another device may have it; on disk it stays what it was.
 */
struct pl_endpoint {
	struct pl_record rec;
	uint32_t former_ifindex; /* what it was */
	uint32_t id;		 /* slot in pl_endpoints */
	uint64_t key_hash;	 /* of container id and ifname: cheap first comparison */
	struct pl_fact_owner facts;
	enum pl_endpoint_state state;
	bool faulted; /* an event came that its state does not know: said once */
	bool shaped;
	uint8_t suspicion; /* of enum pl_suspicion */
	struct pl_repairs host_end, pod_end;
	uint64_t followed_ns;		/* when a change of the pod end was last logged; 0: never */
	uint64_t mirror_out, mirror_in; /* sessions that want its packets, as bits by slot */
	char why[160];			/* not ready: the reason, for people */
	struct pl_waiter *waiters;	/* to be told when it has gone */
	struct pl_endpoint *next_leaving;
	struct pl_endpoint *next_by_key, *next_by_link; /* of the same bucket */
};

static inline bool pl_endpoint_is_ready(const struct pl_endpoint *ep)
{
	return ep->state == PL_STATE_READY;
}

static inline bool pl_endpoint_is_leaving(const struct pl_endpoint *ep)
{
	return ep->state >= PL_STATE_LEAVING;
}

/* Who is told of endpoints that come and go. Every function is set. */
struct pl_endpoints_watcher {
	void (*added)(const struct pl_endpoint *ep, void *arg);
	void (*going)(const struct pl_endpoint *ep, void *arg); /* the last that is heard of it */
	void *arg;
};

/* What endpoints are made of; all of it must live as long. */
struct pl_endpoints_opts {
	struct event_base *base;
	struct pl_nl *nl;
	struct pl_datapath *dp;
	struct pl_reconcile *reconcile;
	struct pl_ipam *ipam;
	struct pl_host *host;
	struct pl_masq *masq;
	const char *run_dir;
	bool netkit_links; /* the kernel can make netkit links */
	struct pl_endpoints_watcher watcher;
};

struct pl_endpoints {
	struct pl_endpoints_opts opts;
	struct pl_removals *removals;
	struct event *heal; /* one-shot: armed where there is suspicion */
	uint32_t next_heal; /* where the next turn begins */
	uint32_t n_away;    /* endpoints whose host end is elsewhere */
	struct pl_pod_ends *pod_ends;
	struct pl_endpoint **v;			/* by id; entry 0 unused */
	struct pl_endpoint **by_key, **by_link; /* buckets: of container and ifname, of ifindex */
	uint32_t n_buckets;			/* a power of two */
	uint32_t max;				/* entries of @v */
	uint32_t n;
	uint32_t next_id; /* slots are reused as late as can be */
};

/* Room for as many endpoints as the datapath has slots. */
int pl_endpoints_new(const struct pl_endpoints_opts *opts, struct pl_endpoints **ret,
		     struct pl_error *err);
/* The datapath keeps the endpoints: they outlive the daemon. */
void pl_endpoints_freep(struct pl_endpoints **endpoints);

struct pl_endpoint *pl_endpoints_find(const struct pl_endpoints *t, const char *container_id,
				      const char *ifname);
struct pl_endpoint *pl_endpoints_by_ifindex(const struct pl_endpoints *t, uint32_t ifindex);
/* Whether an endpoint has an address in @range. */
bool pl_endpoints_any_in(const struct pl_endpoints *t, const struct pl_prefix *range);
/*
 * For people: container id or a unique prefix of it (4 letters at least), CONTAINER:IFNAME, pod
 * name, NAMESPACE/NAME, address, host interface. -ENOENT, or -ENOTUNIQ naming the matches.
 */
int pl_endpoints_query(const struct pl_endpoints *t, const char *query, struct pl_endpoint **ret,
		       struct pl_error *err);

#endif
