/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The rtnetlink request socket: opening it in any netns, one exchange of requests and answers,
 * lookups and dumps. The kernel carries out a request inside sendmsg(), so every answer is there
 * to be read at once: nothing here waits, and a lost answer is an error, not a hang.
 */
#include <fcntl.h>
#include <linux/net_namespace.h>
#include <sched.h>
#include <sys/socket.h>
#include "netlink/internal.h"

/* Strict checking, extended ACKs: all older than Linux 5.10. */
static int tune(int fd)
{
	static const int options[] = {NETLINK_EXT_ACK, NETLINK_CAP_ACK, NETLINK_GET_STRICT_CHK};

	for (size_t i = 0; i < PL_ARRAY_SIZE(options); i++) {
		int one = 1;

		if (setsockopt(fd, SOL_NETLINK, options[i], &one, sizeof(one)) < 0)
			return -errno;
	}
	return 0;
}

static int open_socket(int *ret, struct pl_error *err)
{
	pl_autoclose int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	int r;

	if (fd < 0)
		return pl_fail(err, -errno, "cannot open a netlink socket: %s", strerror(errno));
	r = tune(fd);
	if (r < 0)
		return pl_fail(err, r, "cannot set up a netlink socket (Linux 5.10 is needed): %s",
			       strerror(-r));
	*ret = TAKE_FD(fd);
	return 0;
}

static int enter_netns(int netns_fd, struct pl_error *err)
{
	if (setns(netns_fd, CLONE_NEWNET) == 0)
		return 0;
	switch (errno) {
	case EINVAL:
	case EBADF:
		return pl_fail(err, -EINVAL, "file descriptor %d is not a network namespace",
			       netns_fd);
	case EPERM:
		return pl_fail(err, -EPERM,
			       "not permitted to enter a network namespace: run as root, with "
			       "CAP_SYS_ADMIN");
	default:
		return pl_fail(err, -errno, "cannot enter the network namespace of fd %d: %s",
			       netns_fd, strerror(errno));
	}
}

static void leave_netns(int home_fd)
{
	if (setns(home_fd, CLONE_NEWNET) == 0)
		return;
	fprintf(stderr,
		"podlane: cannot return from a pod's network namespace: %s; ending here, for all "
		"further work would be done to the pod\n",
		strerror(errno));
	abort();
}

static int open_socket_in(int netns_fd, int *ret, struct pl_error *err)
{
	/* Taken anew each time: a remembered one would be wrong after an unshare() or setns(). */
	pl_autoclose int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	int r;

	if (home < 0)
		return pl_fail(err, -errno,
			       "cannot open /proc/thread-self/ns/net, the way back from another "
			       "network namespace: %s",
			       strerror(errno));
	r = enter_netns(netns_fd, err);
	if (r < 0)
		return r;
	r = open_socket(ret, err);
	leave_netns(home);
	return r;
}

int pl_nl_open(int netns_fd, struct pl_nl **ret, struct pl_error *err)
{
	pl_autoclose int fd = -1;
	struct pl_nl *nl;
	int r;

	r = netns_fd < 0 ? open_socket(&fd, err) : open_socket_in(netns_fd, &fd, err);
	if (r < 0)
		return r;
	nl = malloc(sizeof(*nl));
	if (!nl)
		return pl_fail(err, -ENOMEM, "cannot open a netlink socket: out of memory");
	nl->fd = TAKE_FD(fd);
	nl->seq = 0;
	*ret = nl;
	return 0;
}

void pl_nl_close(struct pl_nl *nl)
{
	if (!nl)
		return;
	close(nl->fd);
	free(nl);
}

void pl_nl_closep(struct pl_nl **nl)
{
	pl_nl_close(*nl);
}

static int send_all(int fd, const void *buf, size_t len)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	ssize_t n;

	do {
		n = sendto(fd, buf, len, 0, (struct sockaddr *)&kernel, sizeof(kernel));
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

/*
 * Numbers the messages. Errors are always answered, so only the last one asks for an ACK, as the
 * sign that all were carried out: one datagram for a whole batch. A read is answered by its data.
 */
static unsigned int number_messages(struct pl_nl *nl, void *buf, size_t len, bool *ret_acked)
{
	struct nlmsghdr *last = NULL;
	unsigned int n = 0;

	for (size_t at = 0; at < len; at += MNL_ALIGN(last->nlmsg_len)) {
		last = (struct nlmsghdr *)((char *)buf + at);
		last->nlmsg_seq = ++nl->seq;
		n++;
	}
	if (last && last->nlmsg_type != RTM_GETLINK && last->nlmsg_type != RTM_GETNSID)
		last->nlmsg_flags |= NLM_F_ACK;
	*ret_acked = last && (last->nlmsg_flags & NLM_F_ACK);
	return n;
}

static bool is_plain_ack(const struct nlmsghdr *nlh)
{
	int code;
	char text[2];

	return nlh->nlmsg_type == NLMSG_ERROR &&
	       pl_nl_decode_ack(nlh, nlh->nlmsg_len, &code, text, sizeof(text)) == 0 && code == 0;
}

int pl_nl_exchange(struct pl_nl *nl, void *buf, size_t len,
		   int (*fn)(unsigned int index, const struct nlmsghdr *nlh, void *arg), void *arg)
{
	uint32_t first = nl->seq + 1;
	bool acked;
	unsigned int n = number_messages(nl, buf, len, &acked);
	bool done = n == 0;
	int result = 0;
	int r;

	if (done)
		return 0;
	r = send_all(nl->fd, buf, len);
	if (r < 0)
		return r;
	while (!done) {
		size_t got;
		int left;

		r = pl_nl_recv(nl->fd, nl->buf, sizeof(nl->buf), &got);
		if (r < 0)
			return r == -EAGAIN ? -EIO : r;
		left = (int)got;
		for (struct nlmsghdr *nlh = (struct nlmsghdr *)nl->buf; mnl_nlmsg_ok(nlh, left);
		     nlh = mnl_nlmsg_next(nlh, &left)) {
			uint32_t index = nlh->nlmsg_seq - first;

			if (index >= n)
				continue;
			done |= index == n - 1 && (!acked || nlh->nlmsg_type == NLMSG_ERROR);
			if (is_plain_ack(nlh))
				continue;
			r = fn(index, nlh, arg);
			if (r && !result)
				result = r;
		}
	}
	return result;
}

/* Lookups. */

int pl_nl_put_link_id(struct nlmsghdr *nlh, const char *name, uint32_t ifindex)
{
	struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);

	if (!name) {
		ifi->ifi_index = (int)ifindex;
		return 0;
	}
	if (name[0] == '\0' || strlen(name) >= IFNAMSIZ)
		return -EINVAL;
	mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	return 0;
}

static int error_of(const struct nlmsghdr *nlh)
{
	char text[2];
	int code;
	int r = pl_nl_decode_ack(nlh, nlh->nlmsg_len, &code, text, sizeof(text));

	return r < 0 ? r : code;
}

static int on_link(unsigned int index, const struct nlmsghdr *nlh, void *arg)
{
	if (nlh->nlmsg_type == NLMSG_ERROR)
		return error_of(nlh);
	return pl_nl_decode_link(nlh, nlh->nlmsg_len, arg);
}

static int get_link(struct pl_nl *nl, const int32_t *nsid, const char *name, uint32_t ifindex,
		    struct pl_nl_link *ret)
{
	_Alignas(struct nlmsghdr) char buf[128];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);

	nlh->nlmsg_type = RTM_GETLINK;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	/* Nothing can bear a name that does not fit. */
	if (pl_nl_put_link_id(nlh, name, ifindex) < 0 || (!name && ifindex == 0))
		return -ENODEV;
	mnl_attr_put_u32(nlh, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	if (nsid)
		mnl_attr_put_u32(nlh, IFLA_TARGET_NETNSID, (uint32_t)*nsid);
	return pl_nl_exchange(nl, buf, nlh->nlmsg_len, on_link, ret);
}

int pl_nl_link_get(struct pl_nl *nl, const char *name, uint32_t ifindex, struct pl_nl_link *ret)
{
	return get_link(nl, NULL, name, ifindex, ret);
}

int pl_nl_link_get_in(struct pl_nl *nl, int32_t nsid, const char *name, uint32_t ifindex,
		      struct pl_nl_link *ret)
{
	if (nsid < 0)
		return -EINVAL;
	return get_link(nl, &nsid, name, ifindex, ret);
}

static int on_nsid(unsigned int index, const struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *attr;
	const char *payload = mnl_nlmsg_get_payload(nlh);
	size_t len = mnl_nlmsg_get_payload_len(nlh);
	size_t skip = MNL_ALIGN(sizeof(struct rtgenmsg));

	if (nlh->nlmsg_type == NLMSG_ERROR)
		return error_of(nlh);
	if (nlh->nlmsg_type != RTM_NEWNSID || len < skip)
		return -EBADMSG;
	pl_nl_for_each_attr (attr, payload + skip, len - skip) {
		if (mnl_attr_get_type(attr) == NETNSA_NSID &&
		    mnl_attr_get_payload_len(attr) == sizeof(int32_t)) {
			memcpy(arg, mnl_attr_get_payload(attr), sizeof(int32_t));
			return 0;
		}
	}
	return -EBADMSG;
}

int pl_nl_nsid_get(struct pl_nl *nl, int netns_fd, int32_t *ret)
{
	_Alignas(struct nlmsghdr) char buf[64];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	int32_t nsid = NETNSA_NSID_NOT_ASSIGNED;
	int r;

	nlh->nlmsg_type = RTM_GETNSID;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct rtgenmsg));
	mnl_attr_put_u32(nlh, NETNSA_FD, (uint32_t)netns_fd);
	r = pl_nl_exchange(nl, buf, nlh->nlmsg_len, on_nsid, &nsid);
	if (r < 0)
		return r;
	if (nsid < 0)
		return -ENOENT;
	*ret = nsid;
	return 0;
}

/* Dumps: collected in a vector of decoded items, told when whole. */

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
		r = error_of(nlh);
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
	r = send_all(nl->fd, request, request->nlmsg_len);
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
