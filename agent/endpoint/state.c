/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Brings an endpoint's facts to the datapath as its links are now.
 */
#include "common/log.h"
#include "endpoint/internal.h"
#include "reconcile/reconcile.h"

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

void pl_endpoint_sync(struct pl_daemon *d, struct pl_endpoint *pod)
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
