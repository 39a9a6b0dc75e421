/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which queueing discipline sits at one place of one link. Asked singly: the kernel's dump walks
 * every device of the netns whatever index it is given.
 */
#include <errno.h>

#include "nl_internal.h"

static int note_kind(unsigned int index, const struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *attr;
	char *kind = arg;

	if (nlh->nlmsg_type == NLMSG_ERROR) {
		int code;
		char text[8];
		int r = pl_nl_decode_ack(nlh, nlh->nlmsg_len, &code, text, sizeof(text));

		return r < 0 ? r : code;
	}
	if (nlh->nlmsg_type != RTM_NEWQDISC ||
	    mnl_nlmsg_get_payload_len(nlh) < sizeof(struct tcmsg))
		return 0;
	pl_nl_for_each_attr (attr, (const char *)mnl_nlmsg_get_payload(nlh) + sizeof(struct tcmsg),
			     mnl_nlmsg_get_payload_len(nlh) - sizeof(struct tcmsg)) {
		if (mnl_attr_get_type(attr) == TCA_KIND)
			snprintf(kind, PL_NL_KIND_SIZE, "%.*s", (int)mnl_attr_get_payload_len(attr),
				 mnl_attr_get_str(attr));
	}
	return 0;
}

int pl_nl_qdisc_get(struct pl_nl *nl, uint32_t ifindex, uint32_t parent,
		    char ret_kind[PL_NL_KIND_SIZE])
{
	_Alignas(struct nlmsghdr) char buf[64];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	char kind[PL_NL_KIND_SIZE] = "";
	struct tcmsg *tcm;
	int r;

	nlh->nlmsg_type = RTM_GETQDISC;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	tcm = mnl_nlmsg_put_extra_header(nlh, sizeof(*tcm));
	tcm->tcm_ifindex = (int)ifindex;
	tcm->tcm_parent = parent;
	r = pl_nl_exchange(nl, buf, nlh->nlmsg_len, note_kind, kind);
	if (r < 0)
		return r;
	if (!kind[0])
		return -ENOENT;
	strcpy(ret_kind, kind);
	return 0;
}
