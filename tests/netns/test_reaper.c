/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Deletion of links off the loop, in a netns of the test's own.
 */
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "host/links.h"
#include "netlink/netlink.h"
#include "netlink/reaper.h"

enum { MISSING = 4711, MAX = 8, GROUP = 0x40000001 };

struct told {
	uint32_t ifindex[MAX];
	int code[MAX];
	size_t n;
};

static struct pl_nl *nl;
static struct pl_reaper *reaper;

static int set_up(void **state)
{
	struct pl_error err = {0};

	assert_int_equal(unshare(CLONE_NEWNET), 0);
	assert_int_equal(pl_nl_open(-1, &nl, &err), 0);
	assert_int_equal(pl_reaper_new(&reaper, &err), 0);
	return 0;
}

static int tear_down(void **state)
{
	pl_reaper_freep(&reaper);
	pl_nl_closep(&nl);
	nl = NULL;
	return 0;
}

static struct pl_identity identity(const struct pl_nl_link *link)
{
	struct pl_identity id = {.ifindex = link->ifindex,
				 .peer_ifindex = link->peer_ifindex,
				 .mac = link->mac,
				 .kind = PL_LINK_VETH};

	memcpy(id.name, link->name, sizeof(id.name));
	return id;
}

static struct pl_identity make_link(const char *name, const char *peer)
{
	const struct pl_nl_pair pair = {.name = name, .peer_name = peer, .peer_netns_fd = -1};
	pl_cleanup(pl_nl_batch_freep) struct pl_nl_batch *b = NULL;
	struct pl_nl_link link;

	assert_int_equal(pl_nl_batch_new(nl, &b), 0);
	pl_nl_add_veth(b, &pair);
	pl_nl_read_link(b, name, 0, &link);
	assert_int_equal(pl_nl_batch_commit(b, NULL), 0);
	return identity(&link);
}

static bool is_there(struct pl_identity id)
{
	struct pl_nl_link link;

	return !pl_nl_link_get(nl, NULL, id.ifindex, &link);
}

static void note(uint32_t ifindex, int code, void *arg)
{
	struct told *told = arg;

	assert_true(told->n < MAX);
	told->ifindex[told->n] = ifindex;
	told->code[told->n++] = code;
}

static struct told reap(const struct pl_identity *links, size_t n)
{
	struct pollfd ended = {.fd = pl_reaper_fd(reaper), .events = POLLIN};
	struct told told = {0};

	pl_reaper_start(reaper, links, n, GROUP);
	assert_int_equal(poll(&ended, 1, 10000), 1);
	pl_reaper_end(reaper, note, &told);
	assert_int_equal(poll(&ended, 1, 0), 0);
	assert_int_equal(told.n, n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(told.ifindex[i], links[i].ifindex);
	return told;
}

static void test_one(void **state)
{
	const struct pl_identity a = make_link("a", "a-peer"), b = make_link("b", "b-peer");
	struct told told = reap(&a, 1);

	assert_int_equal(told.code[0], 0);
	assert_false(is_there(a));
	assert_true(is_there(b));
	told = reap(&a, 1); /* gone is success */
	assert_int_equal(told.code[0], 0);
}

static void test_several(void **state)
{
	const struct pl_identity links[] = {make_link("a", "a-peer"),
					    {.name = "none", .ifindex = MISSING},
					    make_link("b", "b-peer")};
	const struct pl_identity stays = make_link("c", "c-peer");
	struct told told = reap(links, PL_ARRAY_SIZE(links));

	for (size_t i = 0; i < told.n; i++)
		assert_int_equal(told.code[i], 0);
	assert_false(is_there(links[0]) || is_there(links[2]));
	assert_true(is_there(stays));
}

/*
 * A link was meant that has gone, or moved away, and another has its index by now: it stays as it
 * is, and holds up no other.
 */
static void test_a_stranger_stays(void **state)
{
	struct pl_identity links[] = {make_link("a", "a-peer"), make_link("b", "b-peer"),
				      make_link("c", "c-peer")};
	struct pl_nl_link link;

	strcpy(links[1].name, "other");
	links[1].mac.bytes[5] ^= 1;
	for (size_t n = 3; n == 3 || n == 1; n -= 2) { /* all of them, then the stranger alone */
		struct told told = reap(&links[n == 1], n);

		for (size_t i = 0; i < told.n; i++)
			assert_int_equal(told.code[i], 0);
		assert_false(is_there(links[0]) || is_there(links[2]));
		assert_int_equal(pl_nl_link_get(nl, "b", 0, &link), 0);
		assert_int_equal(link.group, 0);
	}
}

static void put_into_group(uint32_t ifindex, uint32_t group)
{
	pl_cleanup(pl_nl_batch_freep) struct pl_nl_batch *b = NULL;

	assert_int_equal(pl_nl_batch_new(nl, &b), 0);
	pl_nl_set_group(b, ifindex, group);
	assert_int_equal(pl_nl_batch_commit(b, NULL), 0);
}

static int keep_link(const struct pl_nl_link *link, void *arg)
{
	return pl_links_set(arg, link);
}

/* Such as a user's, or an endpoint's that a crash between the two steps has left in a group. */
static void test_a_group_that_is_used_is_not_taken(void **state)
{
	const struct pl_identity links[] = {make_link("a", "a-peer"), make_link("b", "b-peer")};
	pl_cleanup(pl_links_clear) struct pl_devices known = {0};

	put_into_group(links[0].ifindex, GROUP);
	put_into_group(links[1].ifindex, GROUP + 1);
	assert_int_equal(pl_nl_link_dump(nl, keep_link, &known), 0);
	assert_int_equal(pl_links_free_group(&known, GROUP), GROUP + 2);
	assert_int_equal(pl_links_free_group(&known, GROUP - 1), GROUP - 1);
	assert_int_equal(pl_links_free_group(&known, 0), 1);
}

static void test_the_default_group_is_never_deleted(void **state)
{
	const struct pl_identity a = make_link("a", "a-peer");
	pl_cleanup(pl_nl_batch_freep) struct pl_nl_batch *b = NULL;

	assert_int_equal(pl_nl_batch_new(nl, &b), 0);
	pl_nl_del_group(b, 0); /* which would be every link there is */
	assert_int_equal(pl_nl_batch_commit(b, NULL), -EINVAL);
	assert_true(is_there(a));
}

static void test_freeing_waits(void **state)
{
	const struct pl_identity a = make_link("a", "a-peer");

	pl_reaper_start(reaper, &a, 1, GROUP);
	pl_reaper_freep(&reaper);
	assert_false(is_there(a));
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_one),
		T(test_several),
		T(test_a_stranger_stays),
		T(test_a_group_that_is_used_is_not_taken),
		T(test_the_default_group_is_never_deleted),
		T(test_freeing_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
