/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Dumps: collected in a vector of decoded items, and told when they are whole. One that the kernel
 * says was torn by a change meanwhile is asked for again.
 */
#include "netlink/internal.h"

struct items {
	size_t size; /* of one */
	size_t n, cap;
	char *v;
	int (*decode)(const void *buf, size_t len, unsigned int hop, void *ret);
	bool (*keep)(const void *item); /* NULL: all */
};

static void items_clear(struct items *items)
{
	free(items->v);
}

static int items_grow(struct items *items)
{
	size_t cap = items->cap ? items->cap * 2 : 16;
	char *v = realloc(items->v, cap * items->size);

	if (!v)
		return -ENOMEM;
	items->v = v;
	items->cap = cap;
	return 0;
}

static int items_add(struct items *items, const struct nlmsghdr *nlh)
{
	for (unsigned int hop = 0;; hop++) {
		void *item;
		int r;

		if (items->n == items->cap) {
			r = items_grow(items);
			if (r < 0)
				return r;
		}
		item = items->v + items->n * items->size;
		r = items->decode(nlh, nlh->nlmsg_len, hop, item);
		if (r == -ENOENT)
			return 0;
		if (r < 0)
			return r;
		if (!items->keep || items->keep(item))
			items->n++;
	}
}

/* The kernel ends a dump that it cannot go on with by a code in NLMSG_DONE. */
static int done_code(const struct nlmsghdr *nlh)
{
	int code;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(code))
		return 0;
	memcpy(&code, mnl_nlmsg_get_payload(nlh), sizeof(code));
	return code < 0 ? code : 0;
}

/* 1: more to come. A dump must be read to its end: until then the socket can do no other. */
static int dump_message(struct items *items, const struct nlmsghdr *nlh, int *result, bool *torn)
{
	int r = 0;

	*torn |= (nlh->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
	switch (nlh->nlmsg_type) {
	case NLMSG_DONE:
		r = done_code(nlh);
		break;
	case NLMSG_ERROR:
		r = pl_nl_error_of(nlh);
		break;
	default:
		if (*result == 0)
			*result = items_add(items, nlh);
		return 1;
	}
	if (*result == 0)
		*result = r;
	return 0;
}

static int dump_once(struct pl_nl *nl, struct nlmsghdr *request, struct items *items, bool *torn)
{
	int result = 0;
	int more = 1;
	int r;

	request->nlmsg_seq = ++nl->seq;
	r = pl_nl_send_all(nl->fd, request, request->nlmsg_len);
	if (r < 0)
		return r;
	while (more) {
		size_t got;
		int left;

		r = pl_nl_recv(nl->fd, nl->buf, sizeof(nl->buf), &got);
		if (r < 0)
			return r == -EAGAIN ? -EIO : r;
		left = (int)got;
		for (struct nlmsghdr *nlh = (struct nlmsghdr *)nl->buf; mnl_nlmsg_ok(nlh, left);
		     nlh = mnl_nlmsg_next(nlh, &left)) {
			if (nlh->nlmsg_seq == nl->seq && more)
				more = dump_message(items, nlh, &result, torn);
		}
	}
	return result;
}

static int dump(struct pl_nl *nl, struct nlmsghdr *request, struct items *items)
{
	enum { TRIES = 5 };

	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	for (int i = 0; i < TRIES; i++) {
		bool torn = false;
		int r;

		items->n = 0;
		r = dump_once(nl, request, items, &torn);
		if (r < 0 || !torn)
			return r;
	}
	return -EAGAIN;
}

static int decode_link_item(const void *buf, size_t len, unsigned int hop, void *ret)
{
	return hop ? -ENOENT : pl_nl_decode_link(buf, len, ret);
}

static int decode_addr_item(const void *buf, size_t len, unsigned int hop, void *ret)
{
	return hop ? -ENOENT : pl_nl_decode_addr(buf, len, ret);
}

static int decode_route_item(const void *buf, size_t len, unsigned int hop, void *ret)
{
	return pl_nl_decode_route_hop(buf, len, hop, ret);
}

static int decode_neigh_item(const void *buf, size_t len, unsigned int hop, void *ret)
{
	return hop ? -ENOENT : pl_nl_decode_neigh(buf, len, ret);
}

int pl_nl_link_dump(struct pl_nl *nl, int (*fn)(const struct pl_nl_link *link, void *arg),
		    void *arg)
{
	pl_cleanup(items_clear) struct items items = {
		.size = sizeof(struct pl_nl_link),
		.decode = decode_link_item,
	};
	_Alignas(struct nlmsghdr) char buf[64];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	int r;

	nlh->nlmsg_type = RTM_GETLINK;
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	mnl_attr_put_u32(nlh, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	r = dump(nl, nlh, &items);
	for (size_t i = 0; r == 0 && i < items.n; i++)
		r = fn((const struct pl_nl_link *)items.v + i, arg);
	return r;
}

int pl_nl_addr_dump(struct pl_nl *nl, int (*fn)(const struct pl_nl_addr *addr, void *arg),
		    void *arg)
{
	pl_cleanup(items_clear) struct items items = {
		.size = sizeof(struct pl_nl_addr),
		.decode = decode_addr_item,
	};
	_Alignas(struct nlmsghdr) char buf[64];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	int r;

	nlh->nlmsg_type = RTM_GETADDR;
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifaddrmsg));
	r = dump(nl, nlh, &items);
	for (size_t i = 0; r == 0 && i < items.n; i++)
		r = fn((const struct pl_nl_addr *)items.v + i, arg);
	return r;
}

static bool keep_default(const void *item)
{
	const struct pl_nl_route *route = item;

	return route->dst.len == 0 && route->type == RTN_UNICAST && route->table == RT_TABLE_MAIN;
}

static bool keep_own(const void *item)
{
	const struct pl_nl_route *route = item;

	return route->protocol == PL_NL_PROTOCOL && route->table == RT_TABLE_MAIN;
}

/* @table, @protocol 0: all of them. */
static int route_dump(struct pl_nl *nl, uint8_t family, uint32_t table, uint8_t protocol,
		      bool (*keep)(const void *item),
		      int (*fn)(const struct pl_nl_route *route, void *arg), void *arg)
{
	pl_cleanup(items_clear) struct items items = {
		.size = sizeof(struct pl_nl_route),
		.decode = decode_route_item,
		.keep = keep,
	};
	_Alignas(struct nlmsghdr) char buf[64];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct rtmsg *rtm;
	int r;

	nlh->nlmsg_type = RTM_GETROUTE;
	rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	rtm->rtm_family = family;
	rtm->rtm_protocol = protocol;
	if (table)
		mnl_attr_put_u32(nlh, RTA_TABLE, table);
	r = dump(nl, nlh, &items);
	/* A family in which no route was ever made has no table yet. */
	if (r == -ENOENT || r == -EAFNOSUPPORT)
		return 0;
	for (size_t i = 0; r == 0 && i < items.n; i++)
		r = fn((const struct pl_nl_route *)items.v + i, arg);
	return r;
}

int pl_nl_route_dump(struct pl_nl *nl, uint8_t family,
		     int (*fn)(const struct pl_nl_route *route, void *arg), void *arg)
{
	return route_dump(nl, family, 0, RTPROT_UNSPEC, NULL, fn, arg);
}

int pl_nl_default_dump(struct pl_nl *nl, uint8_t family,
		       int (*fn)(const struct pl_nl_route *route, void *arg), void *arg)
{
	return route_dump(nl, family, RT_TABLE_MAIN, RTPROT_UNSPEC, keep_default, fn, arg);
}

int pl_nl_own_route_dump(struct pl_nl *nl, int (*fn)(const struct pl_nl_route *route, void *arg),
			 void *arg)
{
	return route_dump(nl, AF_UNSPEC, RT_TABLE_MAIN, PL_NL_PROTOCOL, keep_own, fn, arg);
}

int pl_nl_neigh_dump(struct pl_nl *nl, uint32_t ifindex,
		     int (*fn)(const struct pl_nl_neigh *neigh, void *arg), void *arg)
{
	pl_cleanup(items_clear) struct items items = {
		.size = sizeof(struct pl_nl_neigh),
		.decode = decode_neigh_item,
	};
	_Alignas(struct nlmsghdr) char buf[64];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	int r;

	nlh->nlmsg_type = RTM_GETNEIGH;
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ndmsg));
	if (ifindex)
		mnl_attr_put_u32(nlh, NDA_IFINDEX, ifindex);
	r = dump(nl, nlh, &items);
	for (size_t i = 0; r == 0 && i < items.n; i++)
		r = fn((const struct pl_nl_neigh *)items.v + i, arg);
	return r;
}
