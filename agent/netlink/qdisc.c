/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whether a link polices what it receives. RTM_GETQDISC cannot be used: singly, the kernel sends
 * the answer to everybody who listens for qdisc changes, us included, which would never end; its
 * dump walks every device of the netns, whatever index it is given.
 */
#include <errno.h>
#include <linux/pkt_sched.h>

#include "netlink/internal.h"

static int note_error(unsigned int index, const struct nlmsghdr *nlh, void *arg)
{
	int *code = arg;
	char text[8];

	return nlh->nlmsg_type == NLMSG_ERROR
		       ? pl_nl_decode_ack(nlh, nlh->nlmsg_len, code, text, sizeof(text))
		       : 0;
}

/*
 * clsact has two classes, for its two hooks; the ingress qdisc claims to have any that it is asked
 * for (and so takes an egress filter, which it then runs on ingress).
 */
int pl_nl_has_ingress_qdisc(struct pl_nl *nl, uint32_t ifindex)
{
	_Alignas(struct nlmsghdr) char buf[64];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct tcmsg *tcm;
	int code = 0, r;

	nlh->nlmsg_type = RTM_GETTCLASS;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	tcm = mnl_nlmsg_put_extra_header(nlh, sizeof(*tcm));
	tcm->tcm_ifindex = (int)ifindex;
	tcm->tcm_handle = TC_H_MAKE(TC_H_INGRESS, 1);
	r = pl_nl_exchange(nl, buf, nlh->nlmsg_len, note_error, &code);
	if (r < 0)
		return r;
	return !code ? 1 : code == -ENOENT ? 0 : code;
}
