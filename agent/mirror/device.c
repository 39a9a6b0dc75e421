// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Makes and removes the devices of mirror sessions through rtnetlink.
 */
#include "mirror/device.h"

#include <net/ethernet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define STAGE_PEER PL_MIRROR_DEVICES "drain" /* where pl_stage is */

enum {
	STAGE_MTU = 65535, /* no pod's packet may be too large for it */
	MTU_LARGE = 65000, /* of tunnels whose packets the kernel cuts up */
};

void pl_mirror_tunnel_name(unsigned int slot, char ret[IFNAMSIZ])
{
	snprintf(ret, IFNAMSIZ, PL_MIRROR_DEVICES "%u", slot % PL_MIRRORS_MAX);
}

const char *pl_mirror_tunnel_kind(const struct pl_mirror_target *t)
{
	bool v6 = t->remote.family == AF_INET6;

	switch (t->kind) {
	case PL_TARGET_VXLAN:
		return "vxlan";
	case PL_TARGET_GRE:
		return v6 ? "ip6gretap" : "gretap";
	case PL_TARGET_ERSPAN:
		return v6 ? "ip6erspan" : "erspan";
	default:
		return NULL;
	}
}

bool pl_mirror_device_wraps(const struct pl_nl_link *link, uint32_t *ret_fits)
{
	static const char *const kinds[] = {
		"vxlan",  "geneve",    "bareudp",   "gre",  "gretap", "erspan",
		"ip6gre", "ip6gretap", "ip6erspan", "ipip", "sit",    "ip6tnl",
		"vti",	  "vti6",      "wireguard", "gtp",
	};
	bool wraps = false;

	for (size_t i = 0; i < PL_ARRAY_SIZE(kinds); i++)
		wraps |= strcmp(link->kind, kinds[i]) == 0;
	*ret_fits = wraps && link->mtu < MTU_LARGE ? link->mtu + ETHER_HDR_LEN : 0;
	return wraps;
}

bool pl_mirror_device_is_ours(const char *name)
{
	const size_t n = strlen(PL_MIRROR_DEVICES);
	uint64_t slot;

	if (strncmp(name, PL_MIRROR_DEVICES, n) != 0)
		return false;
	return strcmp(name, PL_STAGE_DEVICE) == 0 || strcmp(name, STAGE_PEER) == 0 ||
	       pl_parse_u64(name + n, 0, PL_MIRRORS_MAX - 1, &slot) == 0;
}

int pl_mirror_device_delete(struct pl_nl *nl, const char *name, struct pl_error *err)
{
	pl_cleanup(pl_nl_batch_freep) struct pl_nl_batch *batch = NULL;
	int r = pl_nl_batch_new(nl, &batch);

	if (r < 0)
		return pl_fail(err, r, "delete device %s: %s", name, strerror(-r));
	pl_nl_del_link(batch, name, 0);
	pl_nl_allow_missing(batch);
	return pl_nl_batch_commit(batch, err);
}

/* Without an address of its own: what comes in has nobody to talk to. */
static int take_up(struct pl_nl *nl, const struct pl_nl_link *link, uint32_t peer,
		   struct pl_error *err)
{
	pl_cleanup(pl_nl_batch_freep) struct pl_nl_batch *batch = NULL;
	int r = pl_nl_batch_new(nl, &batch);

	if (r < 0)
		return pl_fail(err, r, "take up device %s: %s", link->name, strerror(-r));
	pl_nl_set_no_ll(batch, link->ifindex);
	if (peer) {
		pl_nl_set_no_ll(batch, peer);
		pl_nl_set_up(batch, peer, true);
	}
	pl_nl_set_up(batch, link->ifindex, true);
	return pl_nl_batch_commit(batch, err);
}

static int remove_existing(struct pl_nl *nl, const char *name, struct pl_error *err)
{
	struct pl_nl_link there;

	if (pl_nl_link_get(nl, name, 0, &there) < 0)
		return 0;
	return pl_mirror_device_delete(nl, name, err);
}

/* Makes @name with what @append puts into the batch, then takes it up; undone on failure. */
static int make(struct pl_nl *nl, const char *name,
		int (*append)(struct pl_nl_batch *b, const char *name, const void *arg),
		const void *arg, struct pl_nl_link *ret, struct pl_error *err)
{
	pl_cleanup(pl_nl_batch_freep) struct pl_nl_batch *batch = NULL;
	struct pl_nl_link link = {0};
	int r = pl_nl_batch_new(nl, &batch);

	if (r < 0)
		return pl_fail(err, r, "add device %s: %s", name, strerror(-r));
	append(batch, name, arg);
	pl_nl_read_link(batch, name, 0, &link);
	r = pl_nl_batch_commit(batch, err);
	if (!r)
		r = take_up(nl, &link, link.peer_nsid == PL_NL_NSID_HERE ? link.peer_ifindex : 0,
			    err);
	if (r < 0) {
		if (link.ifindex)
			(void)pl_mirror_device_delete(nl, name, NULL);
		return r;
	}
	*ret = link;
	ret->flags |= IFF_UP;
	return 0;
}

/* The way to @remote, as the kernel would go now: source address and MTU. It sends nothing. */
static int look_up_path(const struct pl_ip *remote, struct pl_ip *ret_local, uint32_t *ret_mtu)
{
	enum { ANY_PORT = 9 };
	struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = htons(ANY_PORT)}, from;
	pl_autoclose int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t from_len = sizeof(from), len = sizeof(int);
	int mtu = 0;

	memcpy(&to.sin6_addr, remote->bytes, sizeof(to.sin6_addr));
	if (fd < 0 || connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0 ||
	    getsockopt(fd, IPPROTO_IPV6, IPV6_MTU, &mtu, &len) < 0 ||
	    getsockname(fd, (struct sockaddr *)&from, &from_len) < 0)
		return -errno;
	*ret_local = (struct pl_ip){.family = AF_INET6};
	memcpy(ret_local->bytes, &from.sin6_addr, sizeof(from.sin6_addr));
	*ret_mtu = (uint32_t)mtu;
	return 0;
}

struct tunnel {
	const struct pl_mirror_target *target;
	struct pl_ip local; /* family 0: the kernel's choice, a packet */
	uint32_t mtu;
};

/*
 * Over IPv4 the kernel cuts up what has been wrapped, so that a copy of any size fits. Over IPv6 it
 * does not: there a copy that is larger than the path would be lost; and GRE there sends nothing
 * without an address of its own.
 */
static int plan_tunnel(const struct pl_mirror_target *t, struct tunnel *ret, struct pl_error *err)
{
	enum {
		VXLAN = 40 + 8 + 8 + ETHER_HDR_LEN, /* IPv6, UDP, VXLAN, Ethernet */
		GRE = 40 + 16 + 12 + ETHER_HDR_LEN, /* IPv6, GRE, ERSPAN, Ethernet */
	};
	char text[PL_IP_STRLEN];
	struct pl_ip local = {0};
	uint32_t mtu = 0;
	int r;

	*ret = (struct tunnel){.target = t, .local = t->local, .mtu = MTU_LARGE};
	if (t->remote.family == AF_INET)
		return 0;
	r = look_up_path(&t->remote, &local, &mtu);
	if (r < 0)
		return pl_fail(err, r, "there is no route to %s: %s",
			       pl_ip_format(&t->remote, text), strerror(-r));
	ret->mtu = mtu - (t->kind == PL_TARGET_VXLAN ? VXLAN : GRE);
	if (!t->local.family && t->kind != PL_TARGET_VXLAN)
		ret->local = local;
	return 0;
}

static int append_tunnel(struct pl_nl_batch *b, const char *name, const void *arg)
{
	const struct tunnel *tunnel = arg;
	const struct pl_mirror_target *t = tunnel->target;

	if (t->kind == PL_TARGET_VXLAN)
		return pl_nl_add_vxlan(b, name, t->id, &t->remote, &tunnel->local, t->port,
				       tunnel->mtu);
	return pl_nl_add_gre(b, name, pl_mirror_tunnel_kind(t), &t->remote, &tunnel->local, t->id,
			     tunnel->mtu);
}

int pl_mirror_tunnel_make(struct pl_nl *nl, unsigned int slot, const struct pl_mirror_target *t,
			  struct pl_nl_link *ret, struct pl_error *err)
{
	struct tunnel tunnel;
	char name[IFNAMSIZ];
	int r;

	pl_mirror_tunnel_name(slot, name);
	r = remove_existing(nl, name, err);
	if (!r)
		r = plan_tunnel(t, &tunnel, err);
	if (!r)
		r = make(nl, name, append_tunnel, &tunnel, ret, err);
	if (r == -EOPNOTSUPP)
		return pl_fail(
			err, -ENOTSUP,
			"add tunnel %s: this kernel cannot make devices of kind %s; load its "
			"module, or use another kind of target",
			name, pl_mirror_tunnel_kind(t));
	return r;
}

static int append_stage(struct pl_nl_batch *b, const char *name, const void *arg)
{
	const struct pl_nl_pair pair = {
		.name = name, .peer_name = STAGE_PEER, .peer_netns_fd = -1, .mtu = STAGE_MTU};

	return pl_nl_add_veth(b, &pair);
}

int pl_mirror_stage_make(struct pl_nl *nl, struct pl_nl_link *ret, struct pl_error *err)
{
	struct pl_nl_link there;

	if (pl_nl_link_get(nl, PL_STAGE_DEVICE, 0, &there) == 0) {
		if (strcmp(there.kind, "veth") == 0 && (there.flags & IFF_UP) &&
		    there.mtu == STAGE_MTU && there.peer_nsid == PL_NL_NSID_HERE) {
			*ret = there;
			return 0;
		}
		if (pl_mirror_device_delete(nl, PL_STAGE_DEVICE, err) < 0)
			return err ? err->code : -EIO;
	}
	return make(nl, PL_STAGE_DEVICE, append_stage, NULL, ret, err);
}
