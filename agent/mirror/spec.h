/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A mirror session as an operator writes it, in a request or in the daemon's configuration, and
 * what can be said of it without looking at the node. Pure: no map, no socket, no clock.
 */
#ifndef PODLANE_MIRROR_SPEC_H
#define PODLANE_MIRROR_SPEC_H

#include <jansson.h>
#include "common/addr.h"
#include "common/record.h"
#include "common/util.h"
#include "podlane/abi.h"

#define PL_MIRROR_NAME_MAX 63
#define PL_MIRROR_DEVICES  "plm-" /* devices with this prefix are the mirrors' own */

enum pl_mirror_target_kind {
	PL_TARGET_DEVICE,
	PL_TARGET_ENDPOINT,
	PL_TARGET_VXLAN,
	PL_TARGET_GRE,
	PL_TARGET_ERSPAN,
};

struct pl_mirror_target {
	enum pl_mirror_target_kind kind;
	char name[2 * PL_NAME_MAX + 2]; /* of the device or endpoint */
	struct pl_ip remote, local;	/* tunnels; local family 0: the kernel's choice */
	uint32_t id;			/* VNI, GRE key (0: none), ERSPAN session */
	uint16_t port;			/* VXLAN */
};

struct pl_mirror_spec {
	char name[PL_MIRROR_NAME_MAX + 1];
	bool all;
	char **endpoints; /* where not all: names as pl_record_is_called() takes them */
	size_t n_endpoints;
	bool out, in;
	char *filter;  /* NULL: every packet */
	char *program; /* what it compiles to, see pl_filter_parse(); NULL: not said */
	struct pl_mirror_target target;
	uint32_t sample; /* 1 in so many; 1: all */
	bool flows;
	uint64_t pps, bps;	   /* 0: no limit */
	uint32_t snaplen;	   /* 0: whole */
	uint64_t seconds, packets; /* 0: for ever */
	bool drops;
};

/*
 * Unknown keys: -ENOTSUP with the nearest one named. Values out of place: -EINVAL with the key.
 * "op" and "v" may stand beside them. The filter's program is not looked at. *ret is to be ended
 * with pl_mirror_spec_clear(), also after a failure.
 */
int pl_mirror_spec_parse(const json_t *j, struct pl_mirror_spec *ret, struct pl_error *err);
/* The inverse, canonical and without the program: equal sessions give equal objects. Caller owns.
 */
json_t *pl_mirror_spec_to_json(const struct pl_mirror_spec *spec);
void pl_mirror_spec_clear(struct pl_mirror_spec *spec);

/* One session, as far as the masks of endpoints depend on it. */
struct pl_mirror_view {
	const struct pl_mirror_spec *spec;
	bool running;	 /* target there, not expired */
	uint32_t target; /* ifindex, 0: away */
};

/*
 * The sessions that concern an endpoint, as bits by index of @views. An endpoint that is a target
 * has none: its packets would be copied to itself, or from one session to another for ever.
 */
void pl_mirror_masks(const struct pl_mirror_view views[PL_MIRRORS_MAX], const struct pl_record *rec,
		     uint64_t *ret_out, uint64_t *ret_in);
/*
 * The endpoint is named by @spec, be it a target or not; "all" names none. A name that several
 * endpoints have means all of them.
 */
bool pl_mirror_names(const struct pl_mirror_spec *spec, const struct pl_record *rec);

#endif
