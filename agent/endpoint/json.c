/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The endpoint object of replies.
 */
#include <time.h>

#include "endpoint/internal.h"

/* "2026-11-25T09:30:00.123456789Z", as RFC 3339 has it. */
static json_t *time_json(uint64_t ns)
{
	time_t seconds = (time_t)(ns / 1000000000);
	char text[32];
	struct tm tm;

	if (!gmtime_r(&seconds, &tm) || !strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm))
		return NULL;
	return json_sprintf("%s.%09uZ", text, (unsigned int)(ns % 1000000000));
}

json_t *pl_endpoint_pod_json(const struct pl_record *r)
{
	if (!r->pod_name[0] && !r->pod_namespace[0] && !r->pod_uid[0])
		return NULL;
	return json_pack("{s:s, s:s, s:s}", "name", r->pod_name, "namespace", r->pod_namespace,
			 "uid", r->pod_uid);
}

json_t *pl_endpoint_record_json(const struct pl_record *r)
{
	pl_autojson json_t *pod = pl_endpoint_pod_json(r);
	json_t *j = pl_record_to_json(r);

	if (!pod)
		json_object_del(j, "pod");
	json_object_set_new(j, "created", time_json(r->created_ns));
	return j;
}

static enum pl_attach_kind attached(const struct pl_endpoints *t, const struct pl_endpoint *pod,
				    enum pl_hook hook)
{
	return pl_reconcile_attached(t->opts.reconcile, &pod->facts, hook, pod->rec.ifindex);
}

json_t *pl_endpoint_json(struct pl_endpoints *t, const struct pl_endpoint *pod)
{
	const struct pl_record *r = &pod->rec;
	enum pl_hook from = r->link_kind == PL_LINK_VETH ? PL_HOOK_FROM_POD : PL_HOOK_FROM_NETKIT;
	const char *degraded = pl_endpoint_degraded(t, pod);
	bool ready = pl_endpoint_is_ready(pod) && !degraded;
	json_t *j = pl_endpoint_record_json(r);

	json_object_set_new(j, "id", json_integer(pod->id));
	json_object_set_new(j, "ready", json_boolean(ready));
	json_object_set_new(j, "degraded", json_boolean(degraded));
	if (!ready)
		json_object_set_new(j, "notReady", json_string(degraded ?: pod->why));
	json_object_set_new(j, "shaped", json_boolean(pod->shaped));
	json_object_set_new(j, "attached",
			    json_pack("{s:s, s:s}", "fromPod",
				      pl_datapath_kind_name(attached(t, pod, from)), "toPod",
				      pl_datapath_kind_name(attached(t, pod, PL_HOOK_TO_POD))));
	return j;
}
