/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which link is the host end that a record names. A row is a link as a bad day leaves it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "netlink/identity.h"

enum { INDEX = 7, POD_INDEX = 2, OTHER = 99, NSID = 3 };

static const struct pl_mac mac = {{2, 0, 0, 0, 0, 1}};
static const struct pl_mac other_mac = {{2, 0, 0, 0, 0, 9}};

static struct pl_record record(uint8_t kind)
{
	struct pl_record rec = {
		.container_id = "pod",
		.ifname = "eth0",
		.link_kind = kind,
		.ifindex = INDEX,
		.pod_ifindex = POD_INDEX,
		.host_mac = mac,
	};

	pl_host_ifname("pod", "eth0", rec.host_ifname);
	return rec;
}

/* What differs from the record's own link. */
enum difference {
	NAME = 1,
	INDEX_ = 2,
	MAC = 4,
	PEER = 8,
	KIND = 16,
	HERE = 32, /* the other end is in the host's network namespace */
};

static struct pl_nl_link link_with(const struct pl_record *rec, unsigned int differs)
{
	struct pl_nl_link link = {
		.ifindex = differs & INDEX_ ? OTHER : INDEX,
		.peer_ifindex = differs & PEER ? OTHER : POD_INDEX,
		.peer_nsid = differs & HERE ? PL_NL_NSID_HERE : NSID,
	};

	strcpy(link.name, differs & NAME ? "other0" : rec->host_ifname);
	strcpy(link.kind, rec->link_kind == PL_LINK_VETH ? "veth" : "netkit");
	if (rec->link_kind != PL_LINK_VETH)
		link.netkit_mode = rec->link_kind == PL_LINK_NETKIT_L2 ? 1 : 2;
	if (rec->link_kind != PL_LINK_NETKIT_L3)
		link.mac = differs & MAC ? other_mac : mac;
	if (differs & KIND)
		strcpy(link.kind, rec->link_kind == PL_LINK_VETH ? "netkit" : "veth");
	return link;
}

struct row {
	const char *what;
	unsigned int differs;
	bool is_it;
};

static void check_rows(uint8_t kind, const struct row *rows, size_t n)
{
	const struct pl_record rec = record(kind);
	const struct pl_identity id = pl_identity_of_host_end(&rec);

	for (size_t i = 0; i < n; i++) {
		const struct pl_nl_link link = link_with(&rec, rows[i].differs);

		if (pl_identity_matches(&id, &link) != rows[i].is_it)
			fail_msg("kind %u, %s: %s", kind, rows[i].what,
				 rows[i].is_it ? "not known" : "taken for the host end");
	}
}

static void test_with_mac(void **state)
{
	static const struct row rows[] = {
		{"as it was made", 0, true},
		{"renamed", NAME, true},
		{"moved away and back", INDEX_, true},
		{"the pod's end was moved", PEER, true},
		{"the pod's end was moved to the host", PEER | HERE, true},
		{"its MAC was changed", MAC, true},
		{"another device has the index", NAME | MAC | PEER, false},
		{"another pod's link has the index", NAME | MAC, false},
		{"another device has index and name", MAC | PEER, false},
		{"another device of the host has index and name", MAC | HERE, false},
		{"another device has the name", INDEX_ | MAC | PEER, false},
		{"another pod's link has the name", INDEX_ | MAC, false},
		{"another device has the MAC", NAME | INDEX_ | PEER, false},
		{"another kind has all the rest", KIND, false},
	};

	check_rows(PL_LINK_VETH, rows, PL_ARRAY_SIZE(rows));
	check_rows(PL_LINK_NETKIT_L2, rows, PL_ARRAY_SIZE(rows));
}

/* netkit in L3 mode: the other end's index stands in for the MAC. */
static void test_without_mac(void **state)
{
	static const struct row rows[] = {
		{"as it was made", 0, true},
		{"renamed", NAME, true},
		{"moved away and back", INDEX_, true},
		{"the pod's end was moved", PEER, true},
		{"another device has the index", NAME | PEER, false},
		{"another device of the host has the index", NAME | HERE, false},
		{"another device has the name", INDEX_ | PEER, false},
		{"another pod's link", NAME | INDEX_, false},
		{"another kind has all the rest", KIND, false},
	};

	check_rows(PL_LINK_NETKIT_L3, rows, PL_ARRAY_SIZE(rows));
}

/* The record of an ADD that was cut short has no index: name, kind and MAC must all be right. */
static void test_half_made(void **state)
{
	static const struct row rows[] = {
		{"as it was made", 0, true},
		{"whatever its index and its peer", INDEX_ | PEER, true},
		{"another name", NAME, false},
		{"another MAC", MAC, false},
		{"another kind", KIND, false},
	};
	struct pl_record rec = record(PL_LINK_VETH);

	rec.ifindex = rec.pod_ifindex = 0;
	for (size_t i = 0; i < PL_ARRAY_SIZE(rows); i++) {
		const struct pl_nl_link link = link_with(&rec, rows[i].differs);

		if (pl_identity_is_half_made(&rec, &link) != rows[i].is_it)
			fail_msg("%s", rows[i].what);
	}
	strcpy(rec.host_ifname, "eth1"); /* whoever wrote it: ADD gives no such name */
	assert_false(pl_identity_has_given_name(&rec));
	{
		const struct pl_nl_link link = link_with(&rec, 0);

		assert_false(pl_identity_is_half_made(&rec, &link));
	}
}

/* An index that is not known is no index in common. */
static void test_away(void **state)
{
	struct pl_record rec = record(PL_LINK_VETH);
	struct pl_identity id;
	struct pl_nl_link link;

	rec.ifindex = 0;
	id = pl_identity_of_host_end(&rec);
	link = link_with(&rec, NAME);
	link.ifindex = 0;
	assert_false(pl_identity_matches(&id, &link));
	link = link_with(&rec, INDEX_);
	assert_true(pl_identity_matches(&id, &link));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_with_mac),
		cmocka_unit_test(test_without_mac),
		cmocka_unit_test(test_half_made),
		cmocka_unit_test(test_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
