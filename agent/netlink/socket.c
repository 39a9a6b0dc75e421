/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The rtnetlink request socket: opening it in any netns, one exchange of requests and answers,
 * and lookups. The kernel carries out a request inside sendmsg(), so every answer is there
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

int pl_nl_send_all(int fd, const void *buf, size_t len)
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
	r = pl_nl_send_all(nl->fd, buf, len);
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

int pl_nl_error_of(const struct nlmsghdr *nlh)
{
	char text[2];
	int code;
	int r = pl_nl_decode_ack(nlh, nlh->nlmsg_len, &code, text, sizeof(text));

	return r < 0 ? r : code;
}

static int on_link(unsigned int index, const struct nlmsghdr *nlh, void *arg)
{
	if (nlh->nlmsg_type == NLMSG_ERROR)
		return pl_nl_error_of(nlh);
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
		return pl_nl_error_of(nlh);
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
