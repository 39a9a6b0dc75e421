/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Accelerate mode: an endpoint on a link that another plugin has made.
 */
#include "endpoint/internal.h"

/* The pod's side of a link that an earlier plugin made. */
static int adopt_pod_end(const struct pl_endpoint_request *req, struct pl_record *rec,
			 struct pl_error *err)
{
	pl_cleanup(pl_nl_closep) struct pl_nl *pod = NULL;
	struct pl_nl_link link;
	int r = pl_nl_open(req->netns_fd, &pod, err);

	if (r < 0)
		return r;
	r = pl_nl_link_get(pod, req->ifname, 0, &link);
	if (r < 0)
		return pl_fail(err, r, "accelerate %s: it is not in the pod", req->ifname);
	rec->pod_ifindex = link.ifindex;
	rec->pod_mac = link.mac;
	rec->mtu = link.mtu;
	return 0;
}

int pl_endpoint_adopt_link(struct pl_endpoints *t, const struct pl_endpoint_request *req,
			   struct pl_record *rec, struct pl_nl_link *ret_link, struct pl_error *err)
{
	struct pl_nl_link link;
	int r;

	if (!req->host_ifname || !*req->host_ifname)
		return pl_fail(
			err, -EINVAL,
			"accelerate: no host end was named; chain podlane behind a plugin that "
			"gives the pod its own veth");
	r = adopt_pod_end(req, rec, err);
	if (r < 0)
		return r;
	r = pl_nl_link_get(t->opts.nl, req->host_ifname, 0, &link);
	if (r < 0)
		return pl_fail(err, r, "accelerate: host end %s: %s", req->host_ifname,
			       strerror(-r));
	if (!pl_nl_is_pair(&link))
		return pl_fail(err, -EINVAL, "accelerate: %s is neither veth nor netkit",
			       req->host_ifname);
	if (link.master)
		return pl_fail(err, -EINVAL,
			       "accelerate: %s is a port of a bridge; only routed links can be "
			       "accelerated",
			       req->host_ifname);
	if (link.peer_nsid == PL_NL_NSID_HERE || link.peer_ifindex != rec->pod_ifindex)
		return pl_fail(err, -EINVAL, "accelerate: %s is not the host end of %s",
			       req->host_ifname, req->ifname);
	if (pl_endpoints_by_ifindex(t, link.ifindex))
		return pl_fail(err, -EEXIST, "accelerate: %s has an endpoint already",
			       req->host_ifname);
	pl_endpoint_copy_text(rec->host_ifname, sizeof(rec->host_ifname), link.name);
	rec->ifindex = link.ifindex;
	rec->host_mac = link.mac;
	rec->link_kind = PL_LINK_VETH;
	if (!strcmp(link.kind, "netkit"))
		rec->link_kind = link.netkit_mode == 1 ? PL_LINK_NETKIT_L2 : PL_LINK_NETKIT_L3;
	*ret_link = link;
	return 0;
}
