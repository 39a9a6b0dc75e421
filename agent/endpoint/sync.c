/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Brings an endpoint's facts to the datapath as its links are now.
 */
#include "common/log.h"
#include "endpoint/internal.h"

static int want_facts(struct pl_endpoints *t, struct pl_endpoint *pod, struct pl_error *err)
{
	struct pl_facts want = {0};
	int r = pl_endpoint_facts(t, pod, &want);

	if (r < 0) {
		pl_facts_clear(&want);
		return pl_fail(err, r, "endpoint %s:%s: out of memory", pod->rec.container_id,
			       pod->rec.ifname);
	}
	pl_reconcile_want(t->opts.reconcile, &pod->facts, &want);
	return 0;
}

int pl_endpoint_update(struct pl_endpoints *t, struct pl_endpoint *pod, struct pl_error *err)
{
	int r = want_facts(t, pod, err);

	return r < 0 ? r : pl_reconcile_reach(t->opts.reconcile, &pod->facts, err);
}

int pl_endpoints_want(struct pl_endpoints *t, struct pl_error *err)
{
	int r = 0;

	for (uint32_t id = 1; id < t->max && !r; id++)
		if (t->v[id])
			r = want_facts(t, t->v[id], err);
	return r;
}

void pl_endpoint_sync(struct pl_endpoints *t, struct pl_endpoint *pod)
{
	struct pl_error err = {0};
	bool was_ready = pl_endpoint_is_ready(pod), ready;

	if (pl_endpoint_update(t, pod, &err) < 0) {
		pl_warn("endpoint update failed, trying again container=%s ifname=%s error=\"%s\"",
			pod->rec.container_id, pod->rec.ifname, err.text);
		if (err.code == -ENOMEM) /* nothing was said that could be tried again */
			pl_endpoint_suspect(t, pod, PL_SUSPECT_FACTS);
	}
	ready = pl_endpoint_is_ready(pod);
	if (was_ready != ready)
		pl_info("endpoint %s container=%s ifname=%s host=%s why=\"%s\"",
			ready ? "ready" : "not ready", pod->rec.container_id, pod->rec.ifname,
			pod->rec.host_ifname, ready ? NULL : pod->why);
	if (ready && !was_ready)
		pl_endpoint_suspect(t, pod, PL_SUSPECT_STACK);
}
