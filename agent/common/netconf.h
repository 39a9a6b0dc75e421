/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The configuration of one podlane network, as CNI, the daemon's file and the control socket
 * write it: parsed and checked once, by the same code on both sides of the socket.
 */
#ifndef PODLANE_NETCONF_H
#define PODLANE_NETCONF_H

#include <jansson.h>
#include "common/addr.h"
#include "common/util.h"

#define PL_NAME_MAX   255 /* of a network or a container id, bytes without NUL */
#define PL_RANGES_MAX 32  /* ranges in all of a network's sets */
#define PL_SETS_MAX   16  /* addresses that one network gives a pod */

enum pl_mode {
	PL_MODE_POD,	    /* podlane makes the pod's link */
	PL_MODE_ACCELERATE, /* chained: the link of an earlier plugin gets the fast path */
};

enum pl_link_choice {
	PL_CHOOSE_VETH,
	PL_CHOOSE_NETKIT,
	PL_CHOOSE_AUTO, /* netkit where the kernel has it */
};

/* One stretch of addresses, inclusive on both ends. */
struct pl_range {
	unsigned int set; /* ranges of one set are alternatives; each set gives one address */
	struct pl_prefix subnet;
	struct pl_ip start;
	struct pl_ip end;
	/*
	 * Never handed out. Where none was named: the first address after the network's, as in
	 * host-local; family 0 in a subnet of one or two addresses, where a pod may need it.
	 */
	struct pl_ip gateway;
};

struct pl_netconf {
	char name[PL_NAME_MAX + 1];
	enum pl_mode mode;
	enum pl_link_choice link;
	bool netkit_l2;
	bool ip_masq;
	bool antispoof;	    /* default true */
	uint16_t allow;	    /* PL_EP_ALLOW_*: sent although it cannot be verified */
	uint32_t mtu;	    /* 0: that of the uplink */
	char ipam_type[64]; /* "podlane": built in; else the delegated plugin's name */
	/* By set, ascending. None with the built-in IPAM: the daemon's own ranges are meant. */
	struct pl_range ranges[PL_RANGES_MAX];
	size_t n_ranges;
	struct pl_prefix exclude[PL_RANGES_MAX];
	size_t n_exclude;
	/* ipam.routes: checked array of {"dst", "gw"?, "mtu"?, ...}; NULL: default routes. Owned */
	json_t *routes;
	json_t *dns; /* object or NULL. Owned */
	bool disable_gc;
	bool disable_check;
};

/*
 * @conf: a CNI network configuration object (one plugin's, name and cniVersion merged in), or
 * the daemon's "network". Unknown keys: -ENOTSUP with the nearest known key named. Values out of
 * place: -EINVAL with the path of the key. The caller ends with pl_netconf_clear(), which is
 * also right after a failure.
 */
int pl_netconf_parse(const json_t *conf, struct pl_netconf *ret, struct pl_error *err);
/* The same, but all that is wrong is told. 0, or the first problem's code and nothing in *ret. */
int pl_netconf_parse_all(const json_t *conf, struct pl_netconf *ret, pl_problem_fn *problem,
			 void *arg);
/*
 * What a person wrote into @conf, which became @parsed: netkitMode together with a veth is refused.
 * Programs fill in both.
 */
int pl_netconf_check_link(const json_t *conf, const struct pl_netconf *parsed,
			  struct pl_error *err);
/* The inverse, for the control socket: only podlane's own keys, canonical. Caller owns. */
json_t *pl_netconf_to_json(const struct pl_netconf *conf);
void pl_netconf_clear(struct pl_netconf *conf);

/*
 * Where @conf uses the built-in IPAM and names no range, it gets those of @from, together with
 * what @from excludes. 0, or -EINVAL where these are more exclusions than fit.
 */
int pl_netconf_inherit_ranges(struct pl_netconf *conf, const struct pl_netconf *from,
			      struct pl_error *err);

/* Letters, digits, '_', '.', '-'; starts with a letter or digit (CNI's rule for both). */
bool pl_name_valid(const char *name);
/* A Linux interface name that CNI allows: 1 to 15 bytes, no '/', ':', space; not "." or "..". */
bool pl_ifname_valid(const char *name);

#endif
