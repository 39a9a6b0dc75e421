/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The sole writer of the datapath: one operation of a plan is one call. Nothing here decides what
 * should be.
 */
#include "reconcile/write.h"

#include "datapath/write.h"

/*
 * READY goes off before the fields change and on after them, so that no program redirects by a
 * half-written slot.
 */
static void set_endpoint(struct pl_datapath *dp, uint32_t id, const struct pl_endpoint_info *want)
{
	struct pl_endpoint_info *slot = &pl_datapath_endpoints(dp)[id];
	bool same = slot->ifindex == want->ifindex && slot->link_kind == want->link_kind &&
		    slot->mtu == want->mtu && !memcmp(slot->pod_mac, want->pod_mac, 6) &&
		    !memcmp(slot->host_mac, want->host_mac, 6) &&
		    !memcmp(slot->ip4, want->ip4, 4) && !memcmp(slot->ip6, want->ip6, 16);

	if (!same) {
		uint16_t off = slot->flags & (uint16_t)~PL_EP_READY;

		__atomic_store_n(&slot->flags, off, __ATOMIC_SEQ_CST);
		if (memcmp(slot->ip4, want->ip4, 4) || memcmp(slot->ip6, want->ip6, 16))
			slot->generation++; /* flows that name the slot by another address are void
					     */
		slot->link_kind = want->link_kind;
		slot->mtu = want->mtu;
		memcpy(slot->pod_mac, want->pod_mac, 6);
		memcpy(slot->host_mac, want->host_mac, 6);
		memcpy(slot->ip4, want->ip4, 4);
		memcpy(slot->ip6, want->ip6, 16);
		__atomic_store_n(&slot->ifindex, want->ifindex, __ATOMIC_SEQ_CST);
	}
	__atomic_store_n(&slot->mirror_out, want->mirror_out, __ATOMIC_RELAXED);
	__atomic_store_n(&slot->mirror_in, want->mirror_in, __ATOMIC_RELAXED);
	__atomic_store_n(&slot->flags, want->flags, __ATOMIC_RELEASE);
}

static int clear_endpoint(struct pl_datapath *dp, uint32_t id)
{
	struct pl_endpoint_info *slot = &pl_datapath_endpoints(dp)[id];

	__atomic_store_n(&slot->flags, 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(&slot->ifindex, 0, __ATOMIC_SEQ_CST);
	slot->generation++; /* flows of this use of the slot are void */
	slot->mirror_in = 0;
	slot->mirror_out = 0;
	return pl_datapath_endpoint_reset(dp, id);
}

/*
 * Off, then without its counters, then empty: a crash in between leaves a session to be deleted,
 * never an empty slot that does not count from zero.
 */
static int clear_mirror(struct pl_datapath *dp, const struct pl_fact *f)
{
	const struct pl_mirror off = {.id = f->mirror.id}, none = {0};
	int r = pl_datapath_mirror_set(dp, f->index, &off);

	r = r ?: pl_datapath_mirror_reset(dp, f->index);
	return r ?: pl_datapath_mirror_set(dp, f->index, &none);
}

static int set_program(struct pl_datapath *dp, const struct pl_fact *f)
{
	return f->program.fd < 0 ? pl_datapath_mirror_restore(dp)
				 : pl_datapath_program_set(dp, f->index, f->program.fd);
}

int pl_write_set(struct pl_datapath *dp, const struct pl_fact *f, struct pl_error *err)
{
	char ip[PL_IP_STRLEN];
	int r;

	switch (f->kind) {
	case PL_FACT_NETWORKS:
		return pl_datapath_networks_set(dp, f->networks.rules, f->networks.n, err);
	case PL_FACT_ENDPOINT:
		set_endpoint(dp, f->index, &f->endpoint);
		return 0;
	case PL_FACT_PROGRAM:
		r = set_program(dp, f);
		return r ? pl_fail(err, r, "put program %u into pl_programs: %s", f->index,
				   strerror(-r))
			 : 0;
	case PL_FACT_MIRROR:
		r = pl_datapath_mirror_set(dp, f->index, &f->mirror);
		return r ? pl_fail(err, r, "store mirror session %u: %s", f->index, strerror(-r))
			 : 0;
	case PL_FACT_LINK:
		r = pl_datapath_link_set(dp, f->index, &f->link);
		return r ? pl_fail(err, r, "store link %u in pl_devices: %s", f->index,
				   strerror(-r))
			 : 0;
	case PL_FACT_TUNNEL:
		r = pl_datapath_tunnel_set(dp, (uint16_t)f->index, &f->tunnel);
		return r ? pl_fail(err, r, "store port %u in pl_tunnel_ports: %s", f->index,
				   strerror(-r))
			 : 0;
	case PL_FACT_ATTACH:
		return pl_datapath_attach(dp, f->hook, f->index, err);
	case PL_FACT_ADDR:
		r = pl_datapath_addr_set(dp, &f->ip, &f->addr);
		return r ? pl_fail(err, r, "store address %s in pl_addrs: %s",
				   pl_ip_format(&f->ip, ip), strerror(-r))
			 : 0;
	}
	return -EINVAL;
}

int pl_write_del(struct pl_datapath *dp, const struct pl_fact *f, struct pl_error *err)
{
	char ip[PL_IP_STRLEN];
	int r;

	switch (f->kind) {
	case PL_FACT_NETWORKS:
		return pl_datapath_networks_set(dp, NULL, 0, err);
	case PL_FACT_PROGRAM:
		r = pl_datapath_program_set(dp, f->index, -1);
		return r ? pl_fail(err, r, "take program %u out of pl_programs: %s", f->index,
				   strerror(-r))
			 : 0;
	case PL_FACT_MIRROR:
		r = clear_mirror(dp, f);
		return r ? pl_fail(err, r, "clear mirror session %u: %s", f->index, strerror(-r))
			 : 0;
	case PL_FACT_ENDPOINT:
		r = clear_endpoint(dp, f->index);
		return r ? pl_fail(err, r, "clear endpoint %u: %s", f->index, strerror(-r)) : 0;
	case PL_FACT_LINK:
		r = pl_datapath_link_del(dp, f->index);
		return r ? pl_fail(err, r, "remove link %u from pl_devices: %s", f->index,
				   strerror(-r))
			 : 0;
	case PL_FACT_TUNNEL:
		r = pl_datapath_tunnel_del(dp, (uint16_t)f->index);
		return r ? pl_fail(err, r, "remove port %u from pl_tunnel_ports: %s", f->index,
				   strerror(-r))
			 : 0;
	case PL_FACT_ATTACH:
		return pl_datapath_detach(dp, f->hook, f->index, err);
	case PL_FACT_ADDR:
		r = pl_datapath_addr_del(dp, &f->ip);
		return r ? pl_fail(err, r, "remove address %s from pl_addrs: %s",
				   pl_ip_format(&f->ip, ip), strerror(-r))
			 : 0;
	}
	return -EINVAL;
}

void pl_write_forget(struct pl_datapath *dp, enum pl_hook hook, uint32_t ifindex)
{
	pl_datapath_forget(dp, hook, ifindex);
}

int pl_write_pins(struct pl_datapath *dp, struct pl_error *err)
{
	return pl_datapath_pins_restore(dp, err);
}

int pl_write_settle(struct pl_datapath *dp)
{
	return pl_datapath_settle(dp);
}

void pl_write_budgets(struct pl_datapath *dp, uint32_t budget, uint32_t rate)
{
	pl_datapath_budgets_set(dp, budget, rate);
}

void pl_write_routes_forget(struct pl_datapath *dp)
{
	pl_datapath_routes_forget(dp);
}
