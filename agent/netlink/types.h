/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What links, addresses, routes and neighbours are, as netlink tells of them.
 */
#ifndef PODLANE_NETLINK_TYPES_H
#define PODLANE_NETLINK_TYPES_H

#include <net/if.h>
#include <netinet/in.h>
/* Kernel headers give way only to C library headers that came before. */
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include "common/addr.h"
#include "common/util.h"

enum {
	PL_NL_NSID_HERE = -1,	 /* no attribute: it is about this netns */
	PL_NL_NSID_UNKNOWN = -2, /* another netns, which has no number here (it may be dying) */
};

/* Of routes that are podlane's alone, so that a dump tells them from all others: nobody's so far.
 */
enum { PL_NL_PROTOCOL = 112 };

/* A link as RTM_NEWLINK tells it. */
struct pl_nl_link {
	uint32_t ifindex;
	uint16_t type; /* ARPHRD_*: ifi_type */
	char name[IFNAMSIZ];
	char kind[16];	/* IFLA_INFO_KIND, "" for a physical device */
	uint32_t flags; /* IFF_UP, IFF_LOWER_UP ... */
	uint32_t mtu;
	struct pl_mac mac;     /* zero where it has none */
	uint32_t peer_ifindex; /* IFLA_LINK: in the netns below; 0: none */
	int32_t peer_nsid; /* IFLA_LINK_NETNSID or PL_NL_NSID_*; HERE: the peer is in this netns */
	uint32_t master;   /* 0: none */
	uint32_t group;	   /* IFLA_GROUP; 0: in none */
	char qdisc[16];	   /* root qdisc's kind, "noqueue" ... */
	uint8_t netkit_mode; /* 1 + IFLA_NETKIT_MODE (L2 0, L3 1); 0: not netkit or unknown */
	bool netkit_primary;
	uint16_t tunnel_port; /* UDP port of a VXLAN, Geneve or bareudp device; else 0 */
	int32_t new_nsid;     /* of RTM_DELLINK: where it moved; PL_NL_NSID_HERE: a deletion */
};

/* Of the kinds that reach a pod: veth or netkit. */
static inline bool pl_nl_is_pair(const struct pl_nl_link *link)
{
	return !strcmp(link->kind, "veth") || !strcmp(link->kind, "netkit");
}

struct pl_nl_addr {
	uint32_t ifindex;
	struct pl_prefix ip;
	uint8_t scope;
	uint32_t flags; /* IFA_F_* */
};

struct pl_nl_route {
	struct pl_prefix dst;
	struct pl_ip gateway; /* family 0: on-link */
	uint32_t oif;
	uint32_t table;
	uint32_t priority;
	uint32_t mtu, advmss; /* 0: not set */
	uint8_t scope;	      /* RT_SCOPE_* */
	uint8_t type;	      /* RTN_*; 0 means RTN_UNICAST when added */
	uint8_t protocol;     /* RTPROT_*; 0 means static when added, any when deleted */
	bool onlink;
};

struct pl_nl_neigh {
	uint32_t ifindex;
	struct pl_ip ip;
	struct pl_mac mac;
	uint16_t state; /* NUD_* */
};

struct pl_nl_pair {
	const char *name; /* host end */
	const char *peer_name;
	int peer_netns_fd;	     /* the peer is made in there, not moved; -1: same netns */
	struct pl_mac mac, peer_mac; /* ignored for netkit L3 */
	uint32_t mtu;		     /* both ends; 0: the kernel's default */
	uint32_t ifindex;	     /* 0: the kernel chooses, as it should */
	uint32_t peer_ifindex;	     /* heeded by the kernel only where ifindex is set too */
};

enum pl_nl_event_type {
	PL_NL_LINK_NEW,
	PL_NL_LINK_DEL, /* with new_nsid other than PL_NL_NSID_HERE: moved to another netns */
	PL_NL_ADDR_NEW,
	PL_NL_ADDR_DEL,
	PL_NL_ROUTE_CHANGED,   /* a default route of the main table came or went, IPv4 or IPv6 */
	PL_NL_OWN_ROUTE_GONE,  /* one of PL_NL_PROTOCOL was deleted, by whomever */
	PL_NL_HOST_ROUTE_GONE, /* .route, to one address, was deleted or replaced */
	PL_NL_NEIGH_CHANGED,   /* .neigh was deleted (state 0), or became permanent */
	PL_NL_QDISC_CHANGED,   /* on .link.ifindex: read the link again */
	PL_NL_LOST,	       /* ENOBUFS: events are missing, dump everything again */
};

struct pl_nl_event {
	enum pl_nl_event_type type;
	int32_t nsid; /* the netns it tells of, of pl_nl_monitor_open_pods(); else NSID_HERE */
	struct pl_nl_link link; /* LINK_*: all; QDISC_CHANGED: ifindex */
	struct pl_nl_addr addr; /* ADDR_* */
	struct pl_nl_route route;
	struct pl_nl_neigh neigh;
};

#endif
