/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * ADD, in this order: lease, record (so that a crash leaves a trace), link, datapath, record again
 * with what the link became; the caller replies after that. Any failure walks the same way back.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include "common/log.h"
#include "endpoint/internal.h"
#include "endpoint/link.h"
#include "host/host.h"
#include "host/masq.h"
#include "reconcile/reconcile.h"

static uint8_t choose_link(const struct pl_endpoints *t, const struct pl_netconf *conf)
{
	bool netkit = conf->link == PL_CHOOSE_NETKIT ||
		      (conf->link == PL_CHOOSE_AUTO && t->opts.netkit_links);

	if (!netkit)
		return PL_LINK_VETH;
	return conf->netkit_l2 ? PL_LINK_NETKIT_L2 : PL_LINK_NETKIT_L3;
}

static bool is_own_netns(const struct stat *ns)
{
	struct stat own;

	return !stat("/proc/self/ns/net", &own) && own.st_dev == ns->st_dev &&
	       own.st_ino == ns->st_ino;
}

static int check_request(struct pl_endpoints *t, const struct pl_endpoint_request *req,
			 struct stat *ret_ns, struct pl_error *err)
{
	struct pl_endpoint *pod;

	if (!pl_name_valid(req->container_id))
		return pl_fail(
			err, -EINVAL,
			"container id \"%s\": letters, digits, '_', '.', '-', starting with a "
			"letter or digit",
			req->container_id);
	if (!pl_ifname_valid(req->ifname))
		return pl_fail(err, -EINVAL, "\"%s\" is not a valid interface name", req->ifname);
	pod = pl_endpoints_find(t, req->container_id, req->ifname);
	if (pod && pl_endpoint_is_leaving(pod))
		return pl_fail(err, -EBUSY, "the endpoint %s of container %s is being removed",
			       req->ifname, req->container_id);
	if (pod)
		return pl_fail(err, -EEXIST,
			       "container %s has an endpoint %s already: delete it first",
			       req->container_id, req->ifname);
	if (req->netns_fd < 0)
		return pl_fail(err, -EBADF, "the request came without a network namespace");
	if (fstat(req->netns_fd, ret_ns) < 0)
		return pl_fail(err, -errno, "network namespace %s: %s", req->netns,
			       strerror(errno));
	if (is_own_netns(ret_ns))
		return pl_fail(err, -EINVAL,
			       "network namespace %s is the host's own: a pod has another",
			       req->netns);
	if (req->conf->link == PL_CHOOSE_NETKIT && !t->opts.netkit_links)
		return pl_fail(err, -ENOTSUP,
			       "this kernel has no netkit devices (Linux 6.7 and later, "
			       "CONFIG_NETKIT): use \"link\": \"veth\" or \"auto\"");
	if (req->has_mac &&
	    ((req->mac.bytes[0] & 1) || !memcmp(req->mac.bytes, (uint8_t[6]){0}, 6)))
		return pl_fail(err, -EINVAL, "the requested MAC is not a unicast address");
	return 0;
}

static void start_record(struct pl_endpoints *t, const struct pl_endpoint_request *req,
			 const struct stat *ns, struct pl_record *rec)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	*rec = (struct pl_record){
		.mode = req->conf->mode,
		.link_kind = choose_link(t, req->conf),
		.mtu = req->conf->mtu ? req->conf->mtu : pl_host_mtu(t->opts.host),
		.antispoof = req->conf->antispoof,
		.allow = req->conf->allow,
		.ip_masq = req->conf->ip_masq,
		.netns_inode = ns->st_ino,
		.created_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec,
	};
	pl_endpoint_copy_text(rec->container_id, sizeof(rec->container_id), req->container_id);
	pl_endpoint_copy_text(rec->ifname, sizeof(rec->ifname), req->ifname);
	pl_endpoint_copy_text(rec->network, sizeof(rec->network), req->conf->name);
	pl_endpoint_copy_text(rec->netns, sizeof(rec->netns), req->netns);
	pl_endpoint_copy_text(rec->pod_name, sizeof(rec->pod_name), req->pod_name);
	pl_endpoint_copy_text(rec->pod_namespace, sizeof(rec->pod_namespace), req->pod_namespace);
	pl_endpoint_copy_text(rec->pod_uid, sizeof(rec->pod_uid), req->pod_uid);
	pl_endpoint_copy_text(rec->ipam_type, sizeof(rec->ipam_type), req->conf->ipam_type);
	pl_host_ifname(req->container_id, req->ifname, rec->host_ifname);
	pl_mac_random(&rec->host_mac);
	if (req->has_mac)
		rec->pod_mac = req->mac;
	else
		pl_mac_random(&rec->pod_mac);
}

/* Link and datapath for a record whose lease is taken. On failure the link is gone again. */
static int bring_up(struct pl_endpoints *t, const struct pl_endpoint_request *req,
		    struct pl_record *rec, const struct pl_podlink_routes *routes,
		    struct pl_endpoint **ret, struct pl_error *err)
{
	struct pl_nl_link link;
	struct pl_endpoint *pod;
	int r = rec->mode == PL_MODE_POD
			? pl_podlink_create(t->opts.nl, req->netns_fd, rec, routes, &link, err)
			: pl_endpoint_adopt_link(t, req, rec, &link, err);

	if (r < 0)
		return r;
	if (req->has_mac && rec->link_kind == PL_LINK_NETKIT_L2 &&
	    memcmp(&rec->pod_mac, &req->mac, sizeof(req->mac))) {
		r = pl_fail(
			err, -ENOTSUP,
			"the netkit of this kernel takes no MAC (Linux 6.10 and later do): ask for "
			"none, or use \"link\": \"veth\"");
		goto undo_link;
	}
	r = pl_host_note_link(t->opts.host, &link);
	if (r < 0) {
		pl_fail(err, r, "note the new link %s: %s", rec->host_ifname, strerror(-r));
		goto undo_link;
	}
	r = pl_endpoints_insert(t, rec, &pod, err);
	if (r < 0)
		goto undo_link;
	if (rec->mode == PL_MODE_ACCELERATE)
		pod->shaped = pl_endpoint_is_shaped(t, &link);
	r = pl_endpoint_update(t, pod, err);
	if (!r && !pl_endpoint_is_ready(pod))
		r = pl_fail(err, -ENOLINK, "the new link %s is not ready: %s", rec->host_ifname,
			    pod->why);
	if (!r)
		r = pl_endpoint_save(t, rec, err);
	if (!r)
		r = pl_masq_add(t->opts.masq, &pod->rec, err);
	if (!r) {
		*ret = pod;
		return 0;
	}
	pl_endpoint_event(pod, PL_EVENT_ADD_FAILED);
	pl_masq_forget(t->opts.masq, rec);
	(void)pl_reconcile_withdraw(t->opts.reconcile, &pod->facts, NULL);
	pl_endpoints_drop(t, pod);
undo_link:
	if (rec->mode == PL_MODE_POD)
		(void)pl_podlink_delete(t->opts.nl, rec, NULL);
	return r;
}

int pl_endpoints_delete_leftover(struct pl_endpoints *t, const char *container_id,
				 const char *ifname, struct pl_error *err)
{
	struct pl_record rec = {0};
	const struct pl_nl_link *link;

	pl_host_ifname(container_id, ifname, rec.host_ifname);
	link = pl_links_by_name(pl_host_links(t->opts.host), rec.host_ifname);
	if (!link || !pl_nl_is_pair(link) || pl_endpoints_by_ifindex(t, link->ifindex))
		return 0;
	pl_info("link without record deleted host=%s container=%s ifname=%s", rec.host_ifname,
		container_id, ifname);
	return pl_podlink_delete(t->opts.nl, &rec, err);
}

int pl_endpoints_add(struct pl_endpoints *t, const struct pl_endpoint_request *req,
		     struct pl_endpoint **ret, json_t **ret_routes, struct pl_error *err)
{
	struct pl_podlink_routes routes;
	struct pl_record rec;
	struct stat ns;
	int r = check_request(t, req, &ns, err);

	if (r < 0)
		return r;
	r = pl_endpoints_delete_leftover(t, req->container_id, req->ifname, err);
	if (r < 0)
		return r;
	start_record(t, req, &ns, &rec);
	r = pl_lease(t, req, &rec, err);
	if (r < 0)
		return r;
	r = pl_lease_check(t, &rec, err);
	if (!r)
		r = pl_podlink_routes(&rec, req->conf->routes, &routes, err);
	if (!r)
		r = pl_endpoint_save(t, &rec, err);
	if (!r)
		r = bring_up(t, req, &rec, &routes, ret, err);
	if (r < 0) {
		(void)pl_record_remove(t->opts.run_dir, rec.container_id, rec.ifname);
		pl_lease_release(t, &rec);
		return r;
	}
	t->opts.watcher.added(*ret, t->opts.watcher.arg);
	*ret_routes = pl_podlink_routes_json(&routes);
	pl_info("endpoint added container=%s ifname=%s network=%s host=%s id=%u", rec.container_id,
		rec.ifname, rec.network, rec.host_ifname, (*ret)->id);
	return 0;
}
