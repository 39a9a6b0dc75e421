// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The one question about qdiscs that libbpf cannot ask: what stands at a device's ingress, clsact
 * or the older ingress? Reads only.
 */
#include <libmnl/libmnl.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include "datapath_internal.h"

static void socket_closep(struct mnl_socket **s)
{
	if (*s)
		mnl_socket_close(*s);
}

static int on_attr(const struct nlattr *attr, void *arg)
{
	bool *clsact = arg;

	if (mnl_attr_get_type(attr) == TCA_KIND && !mnl_attr_validate(attr, MNL_TYPE_NUL_STRING))
		*clsact = !strcmp(mnl_attr_get_str(attr), "clsact");
	return MNL_CB_OK;
}

static int on_qdisc(const struct nlmsghdr *nlh, void *arg)
{
	return mnl_attr_parse(nlh, sizeof(struct tcmsg), on_attr, arg);
}

int dp_qdisc_is_clsact(uint32_t ifindex, bool *ret)
{
	pl_cleanup(socket_closep) struct mnl_socket *s = NULL;
	char buf[8192] __attribute__((aligned(8))) = {0};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct tcmsg *tcm;
	bool clsact = false;
	ssize_t n;

	nlh->nlmsg_type = RTM_GETQDISC;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	nlh->nlmsg_seq = 1;
	tcm = mnl_nlmsg_put_extra_header(nlh, sizeof(*tcm));
	tcm->tcm_family = AF_UNSPEC;
	tcm->tcm_ifindex = (int)ifindex;
	tcm->tcm_parent = TC_H_CLSACT;

	s = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!s || mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	if (mnl_socket_sendto(s, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	n = mnl_socket_recvfrom(s, buf, sizeof(buf));
	if (n < 0)
		return -errno;
	if (mnl_cb_run(buf, (size_t)n, 1, mnl_socket_get_portid(s), on_qdisc, &clsact) < 0)
		return errno == ENOENT ? (*ret = false, 0) : -errno;
	*ret = clsact;
	return 0;
}
