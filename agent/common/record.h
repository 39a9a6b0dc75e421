/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The endpoint record: the single source of truth about a pod, one JSON file under
 * RUN_DIR/endpoints/. Daemon and plugin (when the daemon is dead) read and remove the same files.
 */
#ifndef PODLANE_RECORD_H
#define PODLANE_RECORD_H

#include <jansson.h>
#include <net/if.h>
#include "common/addr.h"
#include "common/netconf.h"
#include "common/util.h"
#include "podlane/abi.h"

#define PL_RECORD_ADDRS_MAX PL_SETS_MAX
#define PL_RECORD_VERSION   1
#define PL_HASH_SHOWN	    12

struct pl_record_addr {
	struct pl_prefix ip;  /* the pod's address; podlane's own always /32 or /128 */
	struct pl_ip gateway; /* family 0: none */
};

struct pl_record {
	char container_id[PL_NAME_MAX + 1];
	char ifname[IFNAMSIZ]; /* in the pod */
	char network[PL_NAME_MAX + 1];
	char netns[512];      /* path as the runtime gave it; "" where only an fd came */
	uint64_t netns_inode; /* st_ino of that netns when ADD ran */
	char pod_name[254], pod_namespace[254], pod_uid[129]; /* "" where unknown */
	enum pl_mode mode;
	uint8_t link_kind; /* enum pl_link_kind */
	char host_ifname[IFNAMSIZ];
	uint32_t ifindex;     /* host end */
	uint32_t pod_ifindex; /* in the pod's netns */
	struct pl_mac host_mac;
	struct pl_mac pod_mac;
	uint32_t mtu;
	struct pl_record_addr addrs[PL_RECORD_ADDRS_MAX];
	size_t n_addrs;
	bool antispoof;
	uint16_t allow; /* PL_EP_ALLOW_* */
	bool ip_masq;
	char ipam_type[64];
	uint64_t created_ns; /* CLOCK_REALTIME: orders leases for round robin */
};

/* FNV-1a of "CONTAINER:IFNAME". */
uint64_t pl_endpoint_hash(const char *container_id, const char *ifname);
/* What ADD calls the host end of a link that it makes; no other endpoint's link is called so. */
void pl_host_ifname(const char *container_id, const char *ifname, char ret[IFNAMSIZ]);

/*
 * Does @query name this endpoint? Its container id, pod name or NAMESPACE/NAME, each also with
 * ":IFNAME" behind it; one of its addresses; the name of its host end.
 */
bool pl_record_is_called(const struct pl_record *r, const char *query);
/* A hash, as container runtimes make them: people read and type its first digits. */
bool pl_container_is_hash(const char *container_id);
/*
 * Four or more digits that such a hash begins with. Of other container ids only the whole counts:
 * "web" must never stand for "web2".
 */
bool pl_record_begins_with(const struct pl_record *r, const char *query);

/* Caller owns the object. */
json_t *pl_record_to_json(const struct pl_record *r);
/*
 * 0, -EINVAL with the key named, -EPROTONOSUPPORT (another version's); *ret untouched on failure.
 * Unknown keys are let pass.
 */
int pl_record_from_json(const json_t *j, struct pl_record *ret, struct pl_error *err);

/*
 * "RUN_DIR/endpoints/CONTAINER:IFNAME.json"; a container id too long for a file name is cut and
 * gets its hash. 0, -EINVAL (no container id or interface name) or -ENAMETOOLONG.
 */
int pl_record_path(const char *run_dir, const char *container_id, const char *ifname, char *buf,
		   size_t size);
/* Atomic; makes the folder where it is missing. 0 or -errno. */
int pl_record_save(const char *run_dir, const struct pl_record *r);
/* Already gone is success. */
int pl_record_remove(const char *run_dir, const char *container_id, const char *ifname);
/* 0, -ENOENT, -EINVAL (broken), -EPROTONOSUPPORT, another -errno; *ret untouched on failure. */
int pl_record_load(const char *run_dir, const char *container_id, const char *ifname,
		   struct pl_record *ret, struct pl_error *err);
/* Removes what a writer that was killed has left. For the daemon, before it writes. */
void pl_record_tidy(const char *run_dir);
/* The file is renamed to *.bad: a person may look at it, nobody reads it any more. 0 or -errno. */
int pl_record_set_aside(const char *run_dir, const char *container_id, const char *ifname);
/*
 * Calls @fn for each readable record; what does not parse, or is no regular file, is renamed to
 * *.bad, told by @bad (may be NULL) and passed over: one broken file must not cost the others. One
 * that cannot be read now (rights, memory), or is another version's, is told and left. @fn's
 * non-zero ends it and is returned; it may save and remove records.
 */
int pl_record_each(const char *run_dir, int (*fn)(const struct pl_record *r, void *arg),
		   void (*bad)(const char *path, const struct pl_error *err, void *arg), void *arg);

#endif
