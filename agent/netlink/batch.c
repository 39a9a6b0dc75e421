/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Messages that change something, collected and sent together: a few system calls for a whole
 * pod. Nothing here waits or retries, and nothing is sent after a message that it depends on has
 * failed.
 */
#include <arpa/inet.h>
#include <net/if.h>
#include "netlink/batch.h"

enum {
	MESSAGE_MAX = 1024, /* more than the longest message that is built here */
	TEXT_MAX = 160,
};

int pl_nl_batch_new(struct pl_nl *nl, struct pl_nl_batch **ret)
{
	struct pl_nl_batch *b = calloc(1, sizeof(*b));

	if (!b)
		return -ENOMEM;
	b->nl = nl;
	*ret = b;
	return 0;
}

void pl_nl_batch_freep(struct pl_nl_batch **batch)
{
	if (!*batch)
		return;
	free((*batch)->buf);
	free((*batch)->v);
	free(*batch);
}

/* Room for one more message. */
static int reserve(struct pl_nl_batch *b)
{
	if (b->cap - b->len < MESSAGE_MAX) {
		size_t cap = b->cap ? b->cap * 2 : 4 * MESSAGE_MAX;
		char *buf = realloc(b->buf, cap);

		if (!buf)
			return -ENOMEM;
		b->buf = buf;
		b->cap = cap;
	}
	if (b->n == b->v_cap) {
		size_t cap = b->v_cap ? b->v_cap * 2 : 16;
		struct pl_nl_message *v = realloc(b->v, cap * sizeof(*v));

		if (!v)
			return -ENOMEM;
		b->v = v;
		b->v_cap = cap;
	}
	return 0;
}

int pl_nl_batch_give_up(struct pl_nl_batch *b, int code)
{
	if (!b->failed)
		b->failed = code;
	return code;
}

/* NULL: the batch has failed. *ret_header is zeroed. */
struct nlmsghdr *pl_nl_batch_begin(struct pl_nl_batch *b, uint16_t type, uint16_t flags,
				   size_t header_size, void *ret_header)
{
	struct nlmsghdr *nlh;
	int r = b->failed ? b->failed : reserve(b);

	if (r < 0) {
		pl_nl_batch_give_up(b, r);
		return NULL;
	}
	nlh = mnl_nlmsg_put_header(b->buf + b->len);
	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	*(void **)ret_header = mnl_nlmsg_put_extra_header(nlh, header_size);
	b->v[b->n] = (struct pl_nl_message){
		.offset = b->len,
		.creates = type == RTM_NEWLINK && (flags & NLM_F_CREATE),
		.reads = type == RTM_GETLINK,
	};
	return nlh;
}

int pl_nl_batch_end(struct pl_nl_batch *b, const struct nlmsghdr *nlh)
{
	b->len += MNL_ALIGN(nlh->nlmsg_len);
	b->n++;
	return 0;
}

/* Committing. */

struct commit {
	struct pl_nl_message *v; /* of the part that is on its way */
	const char *buf;
	struct pl_error *err;
	bool failed;
};

static bool is_missing(int code)
{
	return code == -ENODEV || code == -ESRCH || code == -ENOENT || code == -EADDRNOTAVAIL;
}

static int fail_message(struct commit *c, const struct pl_nl_message *m, int code,
			const char *kernel)
{
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)(c->buf + m->offset);
	char what[TEXT_MAX];

	/* Only the first failure is told: the later ones mostly follow from it. */
	if (c->failed)
		return code;
	c->failed = true;
	pl_nl_describe(nlh, nlh->nlmsg_len, what, sizeof(what));
	if (kernel[0])
		return pl_fail(c->err, code, "%s: %s (%s)", what, strerror(-code), kernel);
	return pl_fail(c->err, code, "%s: %s", what, strerror(-code));
}

static int on_answer(unsigned int index, const struct nlmsghdr *nlh, void *arg)
{
	struct commit *c = arg;
	struct pl_nl_message *m = &c->v[index];
	char kernel[TEXT_MAX] = "";
	int code;
	int r;

	if (nlh->nlmsg_type != NLMSG_ERROR) {
		if (!m->reads)
			return 0;
		r = pl_nl_decode_link(nlh, nlh->nlmsg_len, &m->got);
		return r < 0 ? fail_message(c, m, r, "unreadable answer") : 0;
	}
	r = pl_nl_decode_ack(nlh, nlh->nlmsg_len, &code, kernel, sizeof(kernel));
	if (r < 0)
		return fail_message(c, m, r, "unreadable answer");
	if ((m->may_miss && is_missing(code)) || code == m->forgiven)
		return 0;
	return fail_message(c, m, code, kernel);
}

static size_t end_of(const struct pl_nl_batch *b, size_t i)
{
	return i < b->n ? b->v[i].offset : b->len;
}

/* The messages from @from that may go together: up to the index returned. */
static size_t next_part(const struct pl_nl_batch *b, size_t from)
{
	bool creates = false;
	size_t i;

	for (i = from; i < b->n && i - from < PL_NL_SEND_MESSAGES; i++) {
		const struct pl_nl_message *m = &b->v[i];

		if (end_of(b, i + 1) - b->v[from].offset > PL_NL_SEND_BYTES)
			break;
		if (creates && !m->creates && !m->reads)
			break;
		creates |= m->creates;
	}
	return i;
}

static int commit_part(struct pl_nl_batch *b, size_t from, size_t to, struct pl_error *err)
{
	struct commit c = {.v = b->v + from, .buf = b->buf, .err = err};
	char *buf = b->buf + b->v[from].offset;
	int r = pl_nl_exchange(b->nl, buf, end_of(b, to) - b->v[from].offset, on_answer, &c);

	if (r < 0 && !c.failed)
		return pl_fail(err, r, "no answer from the kernel's netlink: %s", strerror(-r));
	if (r < 0)
		return r;
	for (size_t i = from; i < to; i++) {
		if (b->v[i].reads)
			*b->v[i].ret = b->v[i].got;
	}
	return 0;
}

int pl_nl_batch_commit(struct pl_nl_batch *b, struct pl_error *err)
{
	int r = 0;

	if (b->failed)
		r = pl_fail(err, b->failed, "cannot build a netlink request: %s",
			    strerror(-b->failed));
	for (size_t from = 0, to; r == 0 && from < b->n; from = to) {
		to = next_part(b, from);
		r = commit_part(b, from, to, err);
	}
	pl_nl_batch_clear(b);
	return r;
}

void pl_nl_batch_clear(struct pl_nl_batch *b)
{
	b->len = 0;
	b->n = 0;
	b->failed = 0;
}

void pl_nl_allow_missing(struct pl_nl_batch *b)
{
	if (b->n)
		b->v[b->n - 1].may_miss = true;
}

/* Links that are there. */

int pl_nl_read_link(struct pl_nl_batch *b, const char *name, uint32_t ifindex,
		    struct pl_nl_link *ret)
{
	struct ifinfomsg *ifi;
	struct nlmsghdr *nlh = pl_nl_batch_begin(b, RTM_GETLINK, 0, sizeof(*ifi), &ifi);

	if (!nlh)
		return b->failed;
	if (pl_nl_put_link_id(nlh, name, ifindex) < 0)
		return pl_nl_batch_give_up(b, -EINVAL);
	mnl_attr_put_u32(nlh, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	b->v[b->n].ret = ret;
	return pl_nl_batch_end(b, nlh);
}

static struct nlmsghdr *begin_change(struct pl_nl_batch *b, uint32_t ifindex,
				     struct ifinfomsg **ret_ifi)
{
	struct nlmsghdr *nlh = pl_nl_batch_begin(b, RTM_NEWLINK, 0, sizeof(**ret_ifi), ret_ifi);

	if (nlh)
		(*ret_ifi)->ifi_index = (int)ifindex;
	return nlh;
}

int pl_nl_set_up(struct pl_nl_batch *b, uint32_t ifindex, bool up)
{
	struct ifinfomsg *ifi;
	struct nlmsghdr *nlh = begin_change(b, ifindex, &ifi);

	if (!nlh)
		return b->failed;
	ifi->ifi_change = IFF_UP;
	ifi->ifi_flags = up ? IFF_UP : 0;
	return pl_nl_batch_end(b, nlh);
}

int pl_nl_set_mtu(struct pl_nl_batch *b, uint32_t ifindex, uint32_t mtu)
{
	struct ifinfomsg *ifi;
	struct nlmsghdr *nlh = begin_change(b, ifindex, &ifi);

	if (!nlh)
		return b->failed;
	mnl_attr_put_u32(nlh, IFLA_MTU, mtu);
	return pl_nl_batch_end(b, nlh);
}

int pl_nl_set_no_ll(struct pl_nl_batch *b, uint32_t ifindex)
{
	struct nlattr *spec, *inet6;
	struct ifinfomsg *ifi;
	struct nlmsghdr *nlh = begin_change(b, ifindex, &ifi);

	if (!nlh)
		return b->failed;
	spec = mnl_attr_nest_start(nlh, IFLA_AF_SPEC);
	inet6 = mnl_attr_nest_start(nlh, AF_INET6);
	mnl_attr_put_u8(nlh, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	mnl_attr_nest_end(nlh, inet6);
	mnl_attr_nest_end(nlh, spec);
	/* Where IPv6 is off nobody makes such an address. */
	b->v[b->n].forgiven = -EAFNOSUPPORT;
	return pl_nl_batch_end(b, nlh);
}

int pl_nl_del_link(struct pl_nl_batch *b, const char *name, uint32_t ifindex)
{
	struct ifinfomsg *ifi;
	struct nlmsghdr *nlh;

	if (name ? !pl_nl_name_fits(name) : ifindex == 0)
		return pl_nl_batch_give_up(b, -EINVAL);
	nlh = pl_nl_batch_begin(b, RTM_DELLINK, 0, sizeof(*ifi), &ifi);
	if (!nlh)
		return b->failed;
	pl_nl_put_link_id(nlh, name, ifindex);
	return pl_nl_batch_end(b, nlh);
}

int pl_nl_set_group(struct pl_nl_batch *b, uint32_t ifindex, uint32_t group)
{
	struct ifinfomsg *ifi;
	struct nlmsghdr *nlh = begin_change(b, ifindex, &ifi);

	if (!nlh)
		return b->failed;
	mnl_attr_put_u32(nlh, IFLA_GROUP, group);
	return pl_nl_batch_end(b, nlh);
}

int pl_nl_del_group(struct pl_nl_batch *b, uint32_t group)
{
	struct ifinfomsg *ifi;
	struct nlmsghdr *nlh;

	if (group == 0) /* the default group: every link that is in no other */
		return pl_nl_batch_give_up(b, -EINVAL);
	nlh = pl_nl_batch_begin(b, RTM_DELLINK, 0, sizeof(*ifi), &ifi);
	if (!nlh)
		return b->failed;
	mnl_attr_put_u32(nlh, IFLA_GROUP, group);
	return pl_nl_batch_end(b, nlh);
}

/* Addresses, routes, neighbours. */

static int put_addr(struct pl_nl_batch *b, uint16_t type, uint16_t message_flags, uint32_t ifindex,
		    const struct pl_prefix *ip, uint8_t scope, uint32_t flags)
{
	struct ifaddrmsg *ifa;
	struct nlmsghdr *nlh;

	if (ip->len > pl_ip_bits(ip->ip.family))
		return pl_nl_batch_give_up(b, -EINVAL);
	nlh = pl_nl_batch_begin(b, type, message_flags, sizeof(*ifa), &ifa);
	if (!nlh)
		return b->failed;
	ifa->ifa_family = ip->ip.family;
	ifa->ifa_prefixlen = ip->len;
	ifa->ifa_scope = scope;
	ifa->ifa_index = ifindex;
	pl_nl_put_ip(nlh, IFA_LOCAL, &ip->ip);
	pl_nl_put_ip(nlh, IFA_ADDRESS, &ip->ip);
	if (flags)
		mnl_attr_put_u32(nlh, IFA_FLAGS, flags);
	return pl_nl_batch_end(b, nlh);
}

int pl_nl_add_addr(struct pl_nl_batch *b, uint32_t ifindex, const struct pl_prefix *ip,
		   uint8_t scope, uint32_t flags)
{
	return put_addr(b, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, ifindex, ip, scope, flags);
}

int pl_nl_del_addr(struct pl_nl_batch *b, uint32_t ifindex, const struct pl_prefix *ip)
{
	return put_addr(b, RTM_DELADDR, 0, ifindex, ip, 0, 0);
}

static void put_gateway(struct nlmsghdr *nlh, uint8_t family, const struct pl_ip *gateway)
{
	size_t size = pl_ip_bits(gateway->family) / 8;
	_Alignas(struct rtvia) char buf[sizeof(struct rtvia) + sizeof(gateway->bytes)];
	struct rtvia *via = (struct rtvia *)buf;

	if (gateway->family == family) {
		pl_nl_put_ip(nlh, RTA_GATEWAY, gateway);
		return;
	}
	via->rtvia_family = gateway->family;
	memcpy(via->rtvia_addr, gateway->bytes, size);
	mnl_attr_put(nlh, RTA_VIA, sizeof(*via) + size, via);
}

static void put_metrics(struct nlmsghdr *nlh, const struct pl_nl_route *route)
{
	struct nlattr *metrics;

	if (!route->mtu && !route->advmss)
		return;
	metrics = mnl_attr_nest_start(nlh, RTA_METRICS);
	if (route->mtu)
		mnl_attr_put_u32(nlh, RTAX_MTU, route->mtu);
	if (route->advmss)
		mnl_attr_put_u32(nlh, RTAX_ADVMSS, route->advmss);
	mnl_attr_nest_end(nlh, metrics);
}

static int put_route(struct pl_nl_batch *b, uint16_t type, uint16_t flags,
		     const struct pl_nl_route *route)
{
	uint8_t family = route->dst.ip.family;
	struct nlmsghdr *nlh;
	struct rtmsg *rtm;

	/* IPv4 may go by an IPv6 gateway, not the other way round. */
	if (pl_ip_bits(family) == 0 || route->dst.len > pl_ip_bits(family) ||
	    (route->gateway.family == AF_INET && family != AF_INET))
		return pl_nl_batch_give_up(b, -EINVAL);
	nlh = pl_nl_batch_begin(b, type, flags, sizeof(*rtm), &rtm);
	if (!nlh)
		return b->failed;
	rtm->rtm_family = family;
	rtm->rtm_dst_len = route->dst.len;
	rtm->rtm_table = RT_TABLE_UNSPEC;
	rtm->rtm_scope = route->scope;
	rtm->rtm_type = route->type ? route->type : RTN_UNICAST;
	rtm->rtm_protocol = route->protocol	   ? route->protocol
			    : type == RTM_NEWROUTE ? RTPROT_STATIC
						   : RTPROT_UNSPEC;
	/* Without a gateway every route is on-link, and the flag is refused. */
	if (route->onlink && route->gateway.family)
		rtm->rtm_flags = RTNH_F_ONLINK;
	mnl_attr_put_u32(nlh, RTA_TABLE, route->table ? route->table : RT_TABLE_MAIN);
	if (route->dst.len)
		pl_nl_put_ip(nlh, RTA_DST, &route->dst.ip);
	if (route->gateway.family)
		put_gateway(nlh, family, &route->gateway);
	if (route->oif)
		mnl_attr_put_u32(nlh, RTA_OIF, route->oif);
	if (route->priority)
		mnl_attr_put_u32(nlh, RTA_PRIORITY, route->priority);
	put_metrics(nlh, route);
	return pl_nl_batch_end(b, nlh);
}

int pl_nl_add_route(struct pl_nl_batch *b, const struct pl_nl_route *route)
{
	return put_route(b, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, route);
}

int pl_nl_replace_route(struct pl_nl_batch *b, const struct pl_nl_route *route)
{
	return put_route(b, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, route);
}

int pl_nl_del_route(struct pl_nl_batch *b, const struct pl_nl_route *route)
{
	return put_route(b, RTM_DELROUTE, 0, route);
}

int pl_nl_add_neigh(struct pl_nl_batch *b, uint32_t ifindex, const struct pl_ip *ip,
		    const struct pl_mac *mac)
{
	struct nlmsghdr *nlh;
	struct ndmsg *ndm;

	if (pl_ip_bits(ip->family) == 0)
		return pl_nl_batch_give_up(b, -EINVAL);
	nlh = pl_nl_batch_begin(b, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, sizeof(*ndm), &ndm);
	if (!nlh)
		return b->failed;
	ndm->ndm_family = ip->family;
	ndm->ndm_ifindex = (int)ifindex;
	ndm->ndm_state = NUD_PERMANENT;
	pl_nl_put_ip(nlh, NDA_DST, ip);
	mnl_attr_put(nlh, NDA_LLADDR, sizeof(mac->bytes), mac->bytes);
	return pl_nl_batch_end(b, nlh);
}

bool pl_nl_name_fits(const char *name)
{
	return name && name[0] && strlen(name) < IFNAMSIZ;
}

void pl_nl_put_ip(struct nlmsghdr *nlh, uint16_t type, const struct pl_ip *ip)
{
	mnl_attr_put(nlh, type, pl_ip_bits(ip->family) / 8, ip->bytes);
}
