/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The life of an endpoint. Order of an ADD: lease, record (so that a crash leaves a trace), link,
 * datapath, record again with what the link became; the caller replies after that. Any failure
 * walks the same way back.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include "common/log.h"
#include "endpoint/endpoint.h"
#include "endpoint/link.h"
#include "endpoint/remove.h"
#include "host/host.h"
#include "host/masq.h"
#include "mirror/mirrors.h"
#include "reconcile/reconcile.h"

/* ---- finding ---- */

struct pl_endpoint *pl_endpoints_find(const struct pl_daemon *d, const char *container_id,
				      const char *ifname)
{
	uint64_t hash = pl_endpoint_hash(container_id, ifname);
	struct pl_endpoint *pod = d->by_key[hash & (d->n_buckets - 1)];

	while (pod && (pod->key_hash != hash || strcmp(pod->rec.container_id, container_id) ||
		       strcmp(pod->rec.ifname, ifname)))
		pod = pod->next_by_key;
	return pod;
}

struct pl_endpoint *pl_endpoints_by_ifindex(const struct pl_daemon *d, uint32_t ifindex)
{
	struct pl_endpoint *pod = d->by_link[ifindex & (d->n_buckets - 1)];

	while (pod && pod->rec.ifindex != ifindex)
		pod = pod->next_by_link;
	return pod;
}

static bool pod_has_addr(const struct pl_endpoint *pod, const struct pl_ip *ip)
{
	for (size_t i = 0; i < pod->rec.n_addrs; i++)
		if (!pl_ip_cmp(&pod->rec.addrs[i].ip.ip, ip))
			return true;
	return false;
}

static bool query_exact(const struct pl_endpoint *pod, const char *query, const struct pl_ip *ip)
{
	const struct pl_record *r = &pod->rec;
	size_t n = strlen(r->container_id);
	size_t ns = strlen(r->pod_namespace);

	if (!strcmp(r->container_id, query) || !strcmp(r->host_ifname, query))
		return true;
	if (!strncmp(r->container_id, query, n) && query[n] == ':' &&
	    !strcmp(query + n + 1, r->ifname))
		return true;
	if (r->pod_name[0] && !strcmp(r->pod_name, query))
		return true;
	if (ns && !strncmp(r->pod_namespace, query, ns) && query[ns] == '/' &&
	    !strcmp(query + ns + 1, r->pod_name))
		return true;
	return ip && pod_has_addr(pod, ip);
}

static bool query_prefix(const struct pl_endpoint *pod, const char *query)
{
	size_t n = strlen(query);

	return n >= 4 && !strncmp(pod->rec.container_id, query, n);
}

int pl_endpoints_query(const struct pl_daemon *d, const char *query, struct pl_endpoint **ret,
		       struct pl_error *err)
{
	struct pl_ip ip, *want_ip = pl_ip_parse(query, &ip) ? NULL : &ip;

	for (int by_prefix = 0; by_prefix < 2; by_prefix++) {
		struct pl_endpoint *hit = NULL;

		for (uint32_t id = 1; id < d->max_pods; id++) {
			struct pl_endpoint *pod = d->pods[id];

			if (!pod || !(by_prefix ? query_prefix(pod, query)
						: query_exact(pod, query, want_ip)))
				continue;
			if (hit)
				return pl_fail(
					err, -ENOTUNIQ,
					"\"%s\" names more than one endpoint: %s:%s and %s:%s; "
					"use CONTAINER:IFNAME",
					query, hit->rec.container_id, hit->rec.ifname,
					pod->rec.container_id, pod->rec.ifname);
			hit = pod;
		}
		if (hit) {
			*ret = hit;
			return 0;
		}
	}
	return pl_fail(err, -ENOENT, "no endpoint is named \"%s\"; see: podlane endpoint list",
		       query);
}

/* ---- facts ---- */

/*
 * A root qdisc other than noqueue shapes what the pod gets; an "ingress" qdisc is how policing what
 * it sends is done. Redirected packets would pass by both.
 */
static bool is_shaped(struct pl_daemon *d, const struct pl_nl_link *link)
{
	if (link->qdisc[0] && strcmp(link->qdisc, "noqueue") && strcmp(link->qdisc, "noop"))
		return true;
	return pl_nl_has_ingress_qdisc(d->nl, link->ifindex) > 0;
}

static bool is_ready(const struct pl_endpoint *pod, const struct pl_nl_link *link,
		     const char **ret_why)
{
	const char *why = NULL;

	if (!link)
		why = "the host end is gone, or in another network namespace";
	else if (!pl_nl_is_pair(link))
		why = "the host end is neither veth nor netkit";
	else if (link->peer_nsid == PL_NL_NSID_HERE)
		why = "the pod end is in the host's network namespace";
	else if (!(link->flags & IFF_UP))
		why = "the host end is down";
	else if (!(link->flags & IFF_LOWER_UP))
		why = "the pod end is down";
	*ret_why = why;
	return !why;
}

static void fill_slot(struct pl_daemon *d, const struct pl_endpoint *pod,
		      struct pl_endpoint_info *e)
{
	const struct pl_record *r = &pod->rec;

	e->ifindex = r->ifindex;
	e->link_kind = r->link_kind;
	e->mtu = r->mtu < UINT16_MAX ? (__u16)r->mtu : UINT16_MAX;
	memcpy(e->pod_mac, r->pod_mac.bytes, 6);
	memcpy(e->host_mac, r->host_mac.bytes, 6);
	for (size_t i = r->n_addrs; i-- > 0;) {
		const struct pl_ip *ip = &r->addrs[i].ip.ip;

		if (ip->family == AF_INET)
			memcpy(e->ip4, ip->bytes, 4);
		else
			memcpy(e->ip6, ip->bytes, 16);
	}
	e->flags = (uint16_t)((pod->ready ? PL_EP_READY : 0) | (pod->shaped ? PL_EP_SHAPED : 0) |
			      (r->antispoof ? 0 : PL_EP_TRUSTED));
}

static int add_attach(struct pl_facts *facts, enum pl_hook hook, uint32_t ifindex)
{
	struct pl_fact *f = pl_facts_add(facts, PL_FACT_ATTACH);

	if (!f)
		return -ENOMEM;
	f->index = ifindex;
	f->hook = hook;
	return 0;
}

int pl_endpoint_facts(struct pl_daemon *d, struct pl_endpoint *pod, struct pl_facts *ret)
{
	const struct pl_record *r = &pod->rec;
	const struct pl_nl_link *link = pl_links_get(&d->links, r->ifindex);
	const char *why;
	struct pl_fact *f;

	pod->ready = is_ready(pod, link, &why) && !pod->leaving;
	if (pod->leaving)
		why = "it is being removed";
	snprintf(pod->why, sizeof(pod->why), "%s", why ? why : "");
	if (!link)
		return 0;
	f = pl_facts_add(ret, PL_FACT_ENDPOINT);
	if (!f)
		return -ENOMEM;
	f->index = pod->id;
	fill_slot(d, pod, &f->endpoint);
	f = pl_facts_add(ret, PL_FACT_LINK);
	if (!f)
		return -ENOMEM;
	f->index = r->ifindex;
	f->link = (struct pl_device){.endpoint = pod->id, .role = PL_ROLE_ENDPOINT};
	if (add_attach(ret, PL_HOOK_TO_POD, r->ifindex) ||
	    add_attach(ret, r->link_kind == PL_LINK_VETH ? PL_HOOK_FROM_POD : PL_HOOK_FROM_NETKIT,
		       r->ifindex))
		return -ENOMEM;
	for (size_t i = 0; !pod->leaving && i < r->n_addrs; i++) {
		f = pl_facts_add(ret, PL_FACT_ADDR);
		if (!f)
			return -ENOMEM;
		f->ip = r->addrs[i].ip.ip;
		f->addr = (struct pl_addr){.endpoint = pod->id, .kind = PL_ADDR_POD};
	}
	return 0;
}

int pl_endpoint_update(struct pl_daemon *d, struct pl_endpoint *pod, struct pl_error *err)
{
	struct pl_facts want = {0};
	int r = pl_endpoint_facts(d, pod, &want);

	if (r < 0) {
		pl_facts_clear(&want);
		return pl_fail(err, r, "endpoint %s:%s: out of memory", pod->rec.container_id,
			       pod->rec.ifname);
	}
	r = pl_apply(d, &want, &pod->applied, err);
	pod->dirty = r < 0;
	return r;
}

static void update_or_retry(struct pl_daemon *d, struct pl_endpoint *pod)
{
	struct pl_error err = {0};
	bool was_ready = pod->ready;

	if (pl_endpoint_update(d, pod, &err) < 0) {
		pl_warn("endpoint update failed, trying again container=%s ifname=%s error=\"%s\"",
			pod->rec.container_id, pod->rec.ifname, err.text);
		pl_retry_later(d);
	}
	if (was_ready != pod->ready)
		pl_info("endpoint %s container=%s ifname=%s host=%s%s%s%s",
			pod->ready ? "ready" : "not ready", pod->rec.container_id, pod->rec.ifname,
			pod->rec.host_ifname, pod->ready ? "" : " why=\"", pod->why,
			pod->ready ? "" : "\"");
}

/* ---- the table ---- */

int pl_endpoints_init(struct pl_daemon *d, uint32_t max)
{
	d->max_pods = max;
	d->n_buckets = 1;
	while (d->n_buckets < max)
		d->n_buckets *= 2;
	d->pods = calloc(max, sizeof(struct pl_endpoint *));
	d->by_key = calloc(d->n_buckets, sizeof(struct pl_endpoint *));
	d->by_link = calloc(d->n_buckets, sizeof(struct pl_endpoint *));
	return d->pods && d->by_key && d->by_link ? 0 : -ENOMEM;
}

static struct pl_endpoint **key_bucket(struct pl_daemon *d, const struct pl_endpoint *pod)
{
	return &d->by_key[pod->key_hash & (d->n_buckets - 1)];
}

static void index_link(struct pl_daemon *d, struct pl_endpoint *pod)
{
	struct pl_endpoint **bucket = &d->by_link[pod->rec.ifindex & (d->n_buckets - 1)];

	pod->next_by_link = *bucket;
	*bucket = pod;
}

static void unindex_link(struct pl_daemon *d, struct pl_endpoint *pod)
{
	struct pl_endpoint **at = &d->by_link[pod->rec.ifindex & (d->n_buckets - 1)];

	while (*at != pod)
		at = &(*at)->next_by_link;
	*at = pod->next_by_link;
}

static void unindex_key(struct pl_daemon *d, struct pl_endpoint *pod)
{
	struct pl_endpoint **at = key_bucket(d, pod);

	while (*at != pod)
		at = &(*at)->next_by_key;
	*at = pod->next_by_key;
}

static uint32_t free_id(struct pl_daemon *d, uint32_t ifindex)
{
	uint32_t guessed = PL_SLOT_HINT(ifindex);

	if (guessed && guessed < d->max_pods && !d->pods[guessed])
		return guessed;
	for (uint32_t i = 0; i + 1 < d->max_pods; i++) {
		uint32_t id = 1 + (d->next_id + i) % (d->max_pods - 1);

		if (!d->pods[id]) {
			d->next_id = id; /* the search goes on behind it */
			return id;
		}
	}
	return 0;
}

/* A slot that the datapath still holds for this very link keeps its number over a restart. */
static uint32_t known_id(struct pl_daemon *d, uint32_t ifindex)
{
	struct pl_device link;

	if (ifindex && !pl_datapath_link_get(d->dp, ifindex, &link) &&
	    link.role == PL_ROLE_ENDPOINT && link.endpoint && link.endpoint < d->max_pods &&
	    !d->pods[link.endpoint])
		return link.endpoint;
	return 0;
}

static int table_insert(struct pl_daemon *d, const struct pl_record *rec, struct pl_endpoint **ret,
			struct pl_error *err)
{
	uint32_t id = known_id(d, rec->ifindex);
	struct pl_endpoint *pod;

	if (!id)
		id = free_id(d, rec->ifindex);
	if (!id)
		return pl_fail(err, -ENOSPC,
			       "all %u endpoints of this node are in use: raise maxEndpoints",
			       d->max_pods - 1);
	pod = calloc(1, sizeof(*pod));
	if (!pod)
		return pl_fail(err, -ENOMEM, "out of memory for an endpoint");
	pod->rec = *rec;
	pod->id = id;
	pod->key_hash = pl_endpoint_hash(rec->container_id, rec->ifname);
	pod->next_by_key = *key_bucket(d, pod);
	*key_bucket(d, pod) = pod;
	index_link(d, pod);
	d->pods[id] = pod;
	d->n_pods++;
	*ret = pod;
	return 0;
}

static void table_remove(struct pl_daemon *d, struct pl_endpoint *pod)
{
	unindex_key(d, pod);
	unindex_link(d, pod);
	d->pods[pod->id] = NULL;
	d->n_pods--;
	pl_facts_clear(&pod->applied);
	free(pod);
}

static int take_addrs(struct pl_daemon *d, const struct pl_record *rec, struct pl_error *err)
{
	for (size_t i = 0; i < rec->n_addrs; i++) {
		char text[PL_IP_STRLEN];
		int r = pl_ipam_take(d->ipam, &rec->addrs[i].ip.ip);

		if (!r)
			continue;
		while (i-- > 0)
			pl_ipam_release(d->ipam, &rec->addrs[i].ip.ip);
		return pl_fail(err, r == -EEXIST ? -EADDRINUSE : r, "address %s: %s",
			       pl_ip_format(&rec->addrs[i + 1].ip.ip, text),
			       r == -EEXIST ? "another endpoint of this node has it"
					    : strerror(-r));
	}
	return 0;
}

static void release_addrs(struct pl_daemon *d, const struct pl_record *rec)
{
	for (size_t i = 0; i < rec->n_addrs; i++)
		pl_ipam_release(d->ipam, &rec->addrs[i].ip.ip);
}

/* ---- ADD ---- */

static uint8_t choose_link(const struct pl_daemon *d, const struct pl_netconf *conf)
{
	bool netkit =
		conf->link == PL_CHOOSE_NETKIT || (conf->link == PL_CHOOSE_AUTO && d->netkit_links);

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

static int check_request(struct pl_daemon *d, const struct pl_endpoint_request *req,
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
		return pl_fail(err, -EINVAL, "\"%s\" is no name for an interface", req->ifname);
	pod = pl_endpoints_find(d, req->container_id, req->ifname);
	if (pod && pod->leaving) {
		pl_leave_settle(d);
		pod = pl_endpoints_find(d, req->container_id, req->ifname);
	}
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
	if (req->conf->link == PL_CHOOSE_NETKIT && !d->netkit_links)
		return pl_fail(err, -ENOTSUP,
			       "this kernel has no netkit devices (Linux 6.7 and later, "
			       "CONFIG_NETKIT): use \"link\": \"veth\" or \"auto\"");
	if (req->has_mac &&
	    ((req->mac.bytes[0] & 1) || !memcmp(req->mac.bytes, (uint8_t[6]){0}, 6)))
		return pl_fail(err, -EINVAL, "the requested MAC is no unicast address");
	return 0;
}

static int lease(struct pl_daemon *d, const struct pl_endpoint_request *req, struct pl_record *rec,
		 struct pl_error *err)
{
	const struct pl_netconf *conf = req->conf;

	if (req->n_addrs || strcmp(conf->ipam_type, "podlane")) {
		if (!req->n_addrs)
			return pl_fail(err, -EINVAL,
				       "ipam type \"%s\" is delegated, but the request brought no "
				       "addresses",
				       conf->ipam_type);
		memcpy(rec->addrs, req->addrs, req->n_addrs * sizeof(*rec->addrs));
		rec->n_addrs = req->n_addrs;
		for (size_t i = 0; rec->mode == PL_MODE_POD && i < rec->n_addrs; i++)
			rec->addrs[i].ip.len = pl_ip_bits(rec->addrs[i].ip.ip.family);
		return take_addrs(d, rec, err);
	}
	return pl_ipam_allocate(d->ipam, conf, req->ips, req->n_ips, rec->addrs,
				PL_ARRAY_SIZE(rec->addrs), &rec->n_addrs, err);
}

static int check_addrs(struct pl_daemon *d, const struct pl_record *rec, struct pl_error *err)
{
	for (size_t i = 0; i < rec->n_addrs; i++) {
		const struct pl_ip *ip = &rec->addrs[i].ip.ip;
		char text[PL_IP_STRLEN];

		if (!pl_ip_is_pod_usable(ip))
			return pl_fail(err, -EINVAL, "%s is no address for a pod",
				       pl_ip_format(ip, text));
		if (pl_node_has_addr(d, ip))
			return pl_fail(err, -EADDRINUSE, "%s is an address of the host",
				       pl_ip_format(ip, text));
	}
	return 0;
}

static void copy_text(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from ? from : "");
}

static void start_record(struct pl_daemon *d, const struct pl_endpoint_request *req,
			 const struct stat *ns, struct pl_record *rec)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	*rec = (struct pl_record){
		.mode = req->conf->mode,
		.link_kind = choose_link(d, req->conf),
		.mtu = req->conf->mtu ? req->conf->mtu : pl_node_mtu(d),
		.antispoof = req->conf->antispoof,
		.ip_masq = req->conf->ip_masq,
		.netns_inode = ns->st_ino,
		.created_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec,
	};
	copy_text(rec->container_id, sizeof(rec->container_id), req->container_id);
	copy_text(rec->ifname, sizeof(rec->ifname), req->ifname);
	copy_text(rec->network, sizeof(rec->network), req->conf->name);
	copy_text(rec->netns, sizeof(rec->netns), req->netns);
	copy_text(rec->pod_name, sizeof(rec->pod_name), req->pod_name);
	copy_text(rec->pod_namespace, sizeof(rec->pod_namespace), req->pod_namespace);
	copy_text(rec->pod_uid, sizeof(rec->pod_uid), req->pod_uid);
	copy_text(rec->ipam_type, sizeof(rec->ipam_type), req->conf->ipam_type);
	pl_host_ifname(req->container_id, req->ifname, rec->host_ifname);
	pl_mac_random(&rec->host_mac);
	if (req->has_mac)
		rec->pod_mac = req->mac;
	else
		pl_mac_random(&rec->pod_mac);
}

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

static int adopt_link(struct pl_daemon *d, const struct pl_endpoint_request *req,
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
	r = pl_nl_link_get(d->nl, req->host_ifname, 0, &link);
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
	if (pl_endpoints_by_ifindex(d, link.ifindex))
		return pl_fail(err, -EEXIST, "accelerate: %s has an endpoint already",
			       req->host_ifname);
	copy_text(rec->host_ifname, sizeof(rec->host_ifname), link.name);
	rec->ifindex = link.ifindex;
	rec->host_mac = link.mac;
	rec->link_kind = PL_LINK_VETH;
	if (!strcmp(link.kind, "netkit"))
		rec->link_kind = link.netkit_mode == 1 ? PL_LINK_NETKIT_L2 : PL_LINK_NETKIT_L3;
	*ret_link = link;
	return 0;
}

static int save_record(struct pl_daemon *d, const struct pl_record *rec, struct pl_error *err)
{
	int r = pl_record_save(d->settings.run_dir, rec);

	return r < 0 ? pl_fail(err, r, "write the record of %s:%s under %s: %s", rec->container_id,
			       rec->ifname, d->settings.run_dir, strerror(-r))
		     : 0;
}

/* Link and datapath for a record whose lease is taken. On failure the link is gone again. */
static int bring_up(struct pl_daemon *d, const struct pl_endpoint_request *req,
		    struct pl_record *rec, const struct pl_podlink_routes *routes,
		    struct pl_endpoint **ret, struct pl_error *err)
{
	struct pl_nl_link link;
	struct pl_endpoint *pod;
	int r = rec->mode == PL_MODE_POD
			? pl_podlink_create(d->nl, req->netns_fd, rec, routes, &link, err)
			: adopt_link(d, req, rec, &link, err);

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
	r = pl_links_set(&d->links, &link);
	if (r < 0) {
		pl_fail(err, r, "note the new link %s: %s", rec->host_ifname, strerror(-r));
		goto undo_link;
	}
	r = table_insert(d, rec, &pod, err);
	if (r < 0)
		goto undo_link;
	if (rec->mode == PL_MODE_ACCELERATE)
		pod->shaped = is_shaped(d, &link);
	r = pl_endpoint_update(d, pod, err);
	if (!r && !pod->ready)
		r = pl_fail(err, -ENOLINK, "the new link %s is not ready: %s", rec->host_ifname,
			    pod->why);
	if (!r)
		r = save_record(d, rec, err);
	if (!r)
		r = pl_masq_add(d, pod, err);
	if (!r) {
		*ret = pod;
		return 0;
	}
	{
		struct pl_facts nothing = {0};

		(void)pl_apply(d, &nothing, &pod->applied, NULL);
	}
	table_remove(d, pod);
undo_link:
	if (rec->mode == PL_MODE_POD)
		(void)pl_podlink_delete(d->nl, rec, NULL);
	return r;
}

int pl_endpoints_delete_leftover(struct pl_daemon *d, const char *container_id, const char *ifname,
				 struct pl_error *err)
{
	struct pl_record rec = {0};
	const struct pl_nl_link *link;

	pl_host_ifname(container_id, ifname, rec.host_ifname);
	link = pl_links_by_name(&d->links, rec.host_ifname);
	if (!link || !pl_nl_is_pair(link) || pl_endpoints_by_ifindex(d, link->ifindex))
		return 0;
	pl_info("link without record deleted host=%s container=%s ifname=%s", rec.host_ifname,
		container_id, ifname);
	return pl_podlink_delete(d->nl, &rec, err);
}

int pl_endpoints_add(struct pl_daemon *d, const struct pl_endpoint_request *req,
		     struct pl_endpoint **ret, json_t **ret_routes, struct pl_error *err)
{
	struct pl_podlink_routes routes;
	struct pl_record rec;
	struct stat ns;
	int r = check_request(d, req, &ns, err);

	if (r < 0)
		return r;
	r = pl_endpoints_delete_leftover(d, req->container_id, req->ifname, err);
	if (r < 0)
		return r;
	start_record(d, req, &ns, &rec);
	r = lease(d, req, &rec, err);
	if (r < 0)
		return r;
	r = check_addrs(d, &rec, err);
	if (!r)
		r = pl_podlink_routes(&rec, req->conf->routes, &routes, err);
	if (!r)
		r = save_record(d, &rec, err);
	if (!r)
		r = bring_up(d, req, &rec, &routes, ret, err);
	if (r < 0) {
		(void)pl_record_remove(d->settings.run_dir, rec.container_id, rec.ifname);
		release_addrs(d, &rec);
		return r;
	}
	pl_mirrors_pod_changed(d->mirrors, *ret);
	*ret_routes = pl_podlink_routes_json(&routes);
	pl_info("endpoint added container=%s ifname=%s network=%s host=%s id=%u", rec.container_id,
		rec.ifname, rec.network, rec.host_ifname, (*ret)->id);
	return 0;
}

/* ---- DEL ---- */

void pl_endpoints_forget(struct pl_daemon *d, struct pl_endpoint *pod)
{
	const struct pl_record *rec = &pod->rec;
	int r = pl_record_remove(d->settings.run_dir, rec->container_id, rec->ifname);

	if (r < 0)
		pl_error_log("record not removed container=%s ifname=%s error=\"%s\"",
			     rec->container_id, rec->ifname, strerror(-r));
	release_addrs(d, rec);
	if (rec->mode == PL_MODE_POD)
		pl_links_del(&d->links, rec->ifindex);
	pl_info("endpoint removed container=%s ifname=%s network=%s id=%u", rec->container_id,
		rec->ifname, rec->network, pod->id);
	table_remove(d, pod);
}

/* ---- CHECK ---- */

static void check_applied(struct pl_daemon *d, const struct pl_endpoint *pod,
			  const struct pl_fact *f, json_t *differences)
{
	struct pl_fact now = *f;
	char sentence[256];

	switch (f->kind) {
	case PL_FACT_ENDPOINT:
		now.endpoint = pl_datapath_endpoints(d->dp)[f->index];
		if (pl_fact_same(&now, f))
			return;
		snprintf(sentence, sizeof(sentence), "pl_endpoints has another entry %u for %s",
			 f->index, pod->rec.host_ifname);
		break;
	case PL_FACT_ATTACH:
		if (pl_datapath_attached(d->dp, f->hook, f->index) != PL_ATTACHED_NONE)
			return;
		snprintf(sentence, sizeof(sentence), "program %s is not attached to %s",
			 f->hook == PL_HOOK_TO_POD ? "to-pod" : "from-pod", pod->rec.host_ifname);
		break;
	default: /* compared with the record */
		return;
	}
	json_array_append_new(differences, json_string(sentence));
}

static void check_maps(struct pl_daemon *d, const struct pl_endpoint *pod, json_t *differences)
{
	char sentence[256], ip[PL_IP_STRLEN];
	struct pl_device link;

	if (pl_datapath_link_get(d->dp, pod->rec.ifindex, &link) || link.endpoint != pod->id) {
		snprintf(sentence, sizeof(sentence), "pl_devices has no entry for %s",
			 pod->rec.host_ifname);
		json_array_append_new(differences, json_string(sentence));
	}
	for (size_t i = 0; i < pod->rec.n_addrs; i++) {
		struct pl_addr addr;

		if (!pl_datapath_addr_get(d->dp, &pod->rec.addrs[i].ip.ip, &addr) &&
		    addr.endpoint == pod->id)
			continue;
		snprintf(sentence, sizeof(sentence), "pl_addrs has no entry for %s",
			 pl_ip_format(&pod->rec.addrs[i].ip.ip, ip));
		json_array_append_new(differences, json_string(sentence));
	}
	for (size_t i = 0; i < pod->applied.n; i++)
		check_applied(d, pod, &pod->applied.v[i], differences);
	if (!pod->ready) {
		snprintf(sentence, sizeof(sentence), "endpoint is not ready: %.200s", pod->why);
		json_array_append_new(differences, json_string(sentence));
	}
}

static int check_record(struct pl_daemon *d, const struct pl_endpoint *pod, json_t *differences)
{
	struct pl_record on_disk;
	struct pl_error why = {0};
	char sentence[600];
	int r = pl_record_load(d->settings.run_dir, pod->rec.container_id, pod->rec.ifname,
			       &on_disk, &why);

	if (!r && on_disk.ifindex == pod->rec.ifindex)
		return 0;
	snprintf(sentence, sizeof(sentence), "the record on disk is missing or differs%s%s",
		 why.text[0] ? ": " : "", why.text);
	return json_array_append_new(differences, json_string(sentence));
}

int pl_endpoints_check(struct pl_daemon *d, struct pl_endpoint *pod, int netns_fd,
		       const struct pl_netconf *conf, json_t *differences, struct pl_error *err)
{
	struct pl_podlink_routes routes = {0};
	int r = 0;

	if (conf && pod->rec.mode == PL_MODE_POD)
		r = pl_podlink_routes(&pod->rec, conf->routes, &routes, err);
	if (!r)
		r = pl_podlink_check(d->nl, netns_fd, &pod->rec, &routes, differences, err);
	if (r < 0)
		return r;
	check_maps(d, pod, differences);
	check_record(d, pod, differences);
	return 0;
}

/* ---- events ---- */

static struct pl_endpoint *find_by_host_link(struct pl_daemon *d, const struct pl_nl_link *link)
{
	for (uint32_t id = 1; id < d->max_pods; id++) {
		struct pl_endpoint *pod = d->pods[id];

		if (pod && !strcmp(pod->rec.host_ifname, link->name) &&
		    !memcmp(pod->rec.host_mac.bytes, link->mac.bytes, 6))
			return pod;
	}
	return NULL;
}

void pl_endpoints_link_changed(struct pl_daemon *d, const struct pl_nl_link *link)
{
	struct pl_endpoint *pod = pl_endpoints_by_ifindex(d, link->ifindex);
	struct pl_error err = {0};

	if (!pod) {
		/* A host end that left and came back has a new index. */
		pod = find_by_host_link(d, link);
		if (!pod || pod->going || pl_links_get(&d->links, pod->rec.ifindex))
			return;
		unindex_link(d, pod);
		pod->rec.ifindex = link->ifindex;
		index_link(d, pod);
		if (save_record(d, &pod->rec, &err) < 0)
			pl_warn("record not saved error=\"%s\"", err.text);
	}
	if (strcmp(pod->rec.host_ifname, link->name)) {
		pl_info("host end renamed from=%s to=%s", pod->rec.host_ifname, link->name);
		copy_text(pod->rec.host_ifname, sizeof(pod->rec.host_ifname), link->name);
		if (save_record(d, &pod->rec, &err) < 0)
			pl_warn("record not saved error=\"%s\"", err.text);
	}
	pod->shaped = is_shaped(d, link);
	update_or_retry(d, pod);
}

void pl_endpoints_link_gone(struct pl_daemon *d, const struct pl_nl_link *link)
{
	struct pl_endpoint *pod = pl_endpoints_by_ifindex(d, link->ifindex);

	if (!pod)
		return;
	/* Moved: it may come back, its address stays taken. */
	if (link->new_nsid != PL_NL_NSID_HERE) {
		if (!pod->leaving)
			update_or_retry(d, pod);
		return;
	}
	if (!pod->leaving)
		pl_info("link gone host=%s container=%s", pod->rec.host_ifname,
			pod->rec.container_id);
	pl_leave_link_gone(d, pod);
}

/* The link of a record: by index, unless that was given to another device since. */
static const struct pl_nl_link *link_of(const struct pl_daemon *d, const struct pl_record *rec)
{
	const struct pl_nl_link *link = pl_links_get(&d->links, rec->ifindex);

	if (link && strcmp(link->name, rec->host_ifname) &&
	    memcmp(link->mac.bytes, rec->host_mac.bytes, sizeof(link->mac.bytes)))
		link = NULL;
	return link;
}

void pl_endpoints_sweep(struct pl_daemon *d)
{
	for (uint32_t id = 1; id < d->max_pods; id++) {
		struct pl_endpoint *pod = d->pods[id];
		const struct pl_nl_link *link;

		if (!pod)
			continue;
		link = link_of(d, &pod->rec);
		if (!link) {
			pl_info("record without link removed container=%s ifname=%s host=%s",
				pod->rec.container_id, pod->rec.ifname, pod->rec.host_ifname);
			pl_leave_link(d, pod);
			continue;
		}
		copy_text(pod->rec.host_ifname, sizeof(pod->rec.host_ifname), link->name);
		pod->shaped = is_shaped(d, link);
	}
}

void pl_endpoints_retry(struct pl_daemon *d)
{
	for (uint32_t id = 1; id < d->max_pods; id++)
		if (d->pods[id] && d->pods[id]->dirty)
			update_or_retry(d, d->pods[id]);
}

/* ---- loading ---- */

struct loading {
	struct pl_record *v;
	size_t n, size;
};

static int load_one(const struct pl_record *rec, void *arg)
{
	struct loading *all = arg;

	if (all->n == all->size) {
		size_t size = all->size ? all->size * 2 : 16;
		struct pl_record *v = reallocarray(all->v, size, sizeof(*v));

		if (!v)
			return -ENOMEM;
		all->v = v;
		all->size = size;
	}
	all->v[all->n++] = *rec;
	return 0;
}

static void load_bad(const char *path, const struct pl_error *err, void *arg)
{
	pl_error_log("record unreadable, set aside path=%s error=\"%s\"", path, err->text);
}

static int by_creation(const void *a, const void *b)
{
	const struct pl_record *x = a, *y = b;

	return x->created_ns < y->created_ns ? -1 : x->created_ns > y->created_ns;
}

static void undo_half_made(struct pl_daemon *d, const struct pl_record *rec)
{
	struct pl_error err = {0};

	pl_info("unfinished endpoint undone container=%s ifname=%s", rec->container_id,
		rec->ifname);
	if (rec->mode == PL_MODE_POD && pl_podlink_delete(d->nl, rec, &err) < 0)
		pl_warn("link not deleted host=%s error=\"%s\"", rec->host_ifname, err.text);
	(void)pl_record_remove(d->settings.run_dir, rec->container_id, rec->ifname);
}

int pl_endpoints_load(struct pl_daemon *d, struct pl_error *err)
{
	struct loading all = {0};
	int r = pl_record_each(d->settings.run_dir, load_one, load_bad, &all);

	if (r < 0) {
		free(all.v);
		return pl_fail(err, r, "read the records under %s: %s", d->settings.run_dir,
			       strerror(-r));
	}
	if (all.n)
		qsort(all.v, all.n, sizeof(*all.v), by_creation);
	for (size_t i = 0; i < all.n; i++) {
		const struct pl_record *rec = &all.v[i];
		struct pl_error why = {0};
		struct pl_endpoint *pod;

		if (!rec->ifindex) {
			undo_half_made(d, rec);
			continue;
		}
		if (take_addrs(d, rec, &why) < 0 || table_insert(d, rec, &pod, &why) < 0) {
			pl_error_log("record not taken over container=%s ifname=%s error=\"%s\"",
				     rec->container_id, rec->ifname, why.text);
			continue;
		}
		for (size_t k = 0; k < rec->n_addrs; k++)
			pl_ipam_note_last(d->ipam, rec->network, &rec->addrs[k].ip.ip);
	}
	free(all.v);
	return 0;
}

void pl_endpoints_clear(struct pl_daemon *d)
{
	for (uint32_t id = 1; d->pods && id < d->max_pods; id++)
		if (d->pods[id])
			table_remove(d, d->pods[id]);
	free(d->pods);
	free(d->by_key);
	free(d->by_link);
	d->pods = NULL;
}

/* ---- telling ---- */

static const char *attach_name(enum pl_attach_kind kind)
{
	switch (kind) {
	case PL_ATTACHED_TCX:
		return "tcx";
	case PL_ATTACHED_CLSACT:
		return "clsact";
	case PL_ATTACHED_NETKIT:
		return "netkit";
	case PL_ATTACHED_NONE:
		break;
	}
	return "none";
}

json_t *pl_endpoint_json(struct pl_daemon *d, const struct pl_endpoint *pod)
{
	const struct pl_record *r = &pod->rec;
	enum pl_hook from = r->link_kind == PL_LINK_VETH ? PL_HOOK_FROM_POD : PL_HOOK_FROM_NETKIT;
	json_t *j = pl_record_to_json(r);

	json_object_set_new(j, "id", json_integer(pod->id));
	json_object_set_new(j, "ready", json_boolean(pod->ready));
	if (!pod->ready)
		json_object_set_new(j, "notReady", json_string(pod->why));
	json_object_set_new(j, "shaped", json_boolean(pod->shaped));
	json_object_set_new(
		j, "attached",
		json_pack("{s:s, s:s}", "fromPod",
			  attach_name(pl_datapath_attached(d->dp, from, r->ifindex)), "toPod",
			  attach_name(pl_datapath_attached(d->dp, PL_HOOK_TO_POD, r->ifindex))));
	json_object_set_new(j, "mirrors", pl_mirrors_of_endpoint(d->mirrors, pod));
	return j;
}
