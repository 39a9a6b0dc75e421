/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the host remembers, in a netns of the test's own: a dump that fails takes nothing away.
 */
#include <event2/event.h>
#include <net/if_arp.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "host/host.h"
#include "netlink/internal.h"

static struct pl_nl *nl;
static struct event_base *base;
static struct pl_reconcile *reconcile;
static struct pl_host *host;
static struct pl_nl_link uplink;
static struct pl_ip address;

/* What only the daemon would have. */

static enum pl_claim no_claim(uint32_t ifindex, void *arg)
{
	return PL_CLAIM_NONE;
}

static void no_link(const struct pl_nl_link *link, void *arg)
{
}

static void no_event(const struct pl_nl_event *event, void *arg)
{
}

static void nothing(void *arg)
{
}

static unsigned int times_lost;

static void lost(void *arg)
{
	times_lost++;
}

/* Takes the place of the C library's, which a table that is full asks for more. */
static bool no_memory;

void *reallocarray(void *ptr, size_t n, size_t size)
{
	return no_memory ? NULL : realloc(ptr, n * size);
}

static void make_uplink(void)
{
	const struct pl_nl_pair pair = {.name = "up0", .peer_name = "far0", .peer_netns_fd = -1};
	pl_cleanup(pl_nl_batch_freep) struct pl_nl_batch *b = NULL;
	struct pl_nl_route route = {.dst.ip.family = AF_INET};
	struct pl_prefix ip;
	struct pl_error err = {0};

	assert_int_equal(pl_prefix_parse("192.0.2.1/24", &ip), 0);
	assert_int_equal(pl_nl_batch_new(nl, &b), 0);
	pl_nl_add_veth(b, &pair);
	pl_nl_read_link(b, "up0", 0, &uplink);
	assert_int_equal(pl_nl_batch_commit(b, &err), 0);
	pl_nl_set_no_ll(b, uplink.ifindex);
	pl_nl_set_no_ll(b, uplink.peer_ifindex);
	pl_nl_set_up(b, uplink.ifindex, true);
	pl_nl_set_up(b, uplink.peer_ifindex, true);
	pl_nl_add_addr(b, uplink.ifindex, &ip, RT_SCOPE_UNIVERSE, 0);
	route.oif = uplink.ifindex;
	pl_nl_add_route(b, &route);
	assert_int_equal(pl_nl_batch_commit(b, &err), 0);
	address = ip.ip;
}

static int set_up(void **state)
{
	struct pl_host_opts opts = {.watcher = {no_claim, no_link, no_link, no_event, lost, NULL}};
	const struct pl_reconcile_watcher watcher = {nothing, NULL, NULL};
	struct pl_error err = {0};

	assert_int_equal(unshare(CLONE_NEWNET), 0);
	assert_int_equal(pl_nl_open(-1, &nl, &err), 0);
	base = event_base_new();
	assert_non_null(base);
	assert_int_equal(pl_reconcile_new(base, NULL, &watcher, &reconcile, &err), 0);
	opts.nl = nl;
	opts.reconcile = reconcile;
	assert_int_equal(pl_host_new(&opts, &host, &err), 0);
	make_uplink();
	assert_int_equal(pl_host_dump(host, &err), 0);
	return 0;
}

static int tear_down(void **state)
{
	pl_host_freep(&host);
	pl_reconcile_freep(&reconcile);
	event_base_free(base);
	pl_nl_closep(&nl);
	return 0;
}

static void assert_known(void)
{
	assert_non_null(pl_links_get(pl_host_links(host), uplink.ifindex));
	assert_true(pl_host_has_addr(host, &address));
	assert_true(pl_host_is_uplink(host, &uplink));
}

/* The request socket fails until the returned fd is put back. */
static int break_socket(void)
{
	int fd = nl->fd;

	nl->fd = -1;
	return fd;
}

static void test_dump(void **state)
{
	struct pl_ip other;

	assert_known();
	assert_int_equal(pl_ip_parse("192.0.2.2", &other), 0);
	assert_false(pl_host_has_addr(host, &other));
}

static void test_failed_dump(void **state)
{
	int fd = break_socket();
	struct pl_error err = {0};

	assert_true(pl_host_dump(host, &err) < 0);
	assert_string_not_equal(err.text, "");
	nl->fd = fd;
	assert_known();
}

static void test_dump_forgets(void **state)
{
	pl_cleanup(pl_nl_batch_freep) struct pl_nl_batch *b = NULL;

	assert_int_equal(pl_nl_batch_new(nl, &b), 0);
	pl_nl_del_link(b, NULL, uplink.ifindex);
	assert_int_equal(pl_nl_batch_commit(b, NULL), 0);
	assert_known(); /* no event was read */
	assert_int_equal(pl_host_dump(host, NULL), 0);
	assert_null(pl_links_get(pl_host_links(host), uplink.ifindex));
	assert_false(pl_host_has_addr(host, &address));
	assert_false(pl_host_is_uplink(host, &uplink));
}

static void delete_default_route(void)
{
	const struct pl_nl_route route = {.dst.ip.family = AF_INET, .oif = uplink.ifindex};
	pl_cleanup(pl_nl_batch_freep) struct pl_nl_batch *b = NULL;

	assert_int_equal(pl_nl_batch_new(nl, &b), 0);
	pl_nl_del_route(b, &route);
	assert_int_equal(pl_nl_batch_commit(b, NULL), 0);
}

/*
 * Where the default routes cannot be read when they change, the uplink stays until the timer can.
 * The events leave nothing that would have to be written: this test has no datapath.
 */
static void test_routes_read_later(void **state)
{
	const struct pl_nl_event changed = {.type = PL_NL_ROUTE_CHANGED};
	struct pl_nl_event event = {.type = PL_NL_ADDR_DEL};
	int fd;

	delete_default_route();
	fd = break_socket();
	pl_host_event(host, &changed);
	assert_known();
	event.addr = (struct pl_nl_addr){.ifindex = uplink.ifindex, .ip = {address, 24}};
	pl_host_event(host, &event);
	event = (struct pl_nl_event){.type = PL_NL_LINK_DEL, .link = uplink};
	pl_host_event(host, &event);
	assert_true(pl_host_is_uplink(host, &uplink));
	pl_host_retry(host);
	assert_true(pl_host_is_uplink(host, &uplink));
	nl->fd = fd;
	pl_host_retry(host);
	assert_false(pl_host_is_uplink(host, &uplink));
}

/* Nothing that would have to be written is left: this test has no datapath. */
static void take_uplink_away(void)
{
	const struct pl_nl_event changed = {.type = PL_NL_ROUTE_CHANGED};
	struct pl_nl_event event = {.type = PL_NL_ADDR_DEL};

	delete_default_route();
	pl_host_event(host, &changed);
	event.addr = (struct pl_nl_addr){.ifindex = uplink.ifindex, .ip = {address, 24}};
	pl_host_event(host, &event);
}

/* An event that there is no memory for counts as lost: the timer has everything read anew, once. */
static void test_no_memory_for_an_event(void **state)
{
	struct pl_nl_event event = {.type = PL_NL_LINK_NEW, .link = uplink};

	take_uplink_away();
	times_lost = 0;
	no_memory = true;
	for (event.link.ifindex = 1000; event.link.ifindex < 1100; event.link.ifindex++)
		pl_host_event(host, &event);
	assert_null(pl_links_get(pl_host_links(host), 1099));
	no_memory = false;
	assert_int_equal(times_lost, 0);
	pl_host_retry(host);
	assert_int_equal(times_lost, 1);
	pl_host_retry(host);
	assert_int_equal(times_lost, 1);
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ROW(test_dump),
		ROW(test_failed_dump),
		ROW(test_dump_forgets),
		ROW(test_routes_read_later),
		ROW(test_no_memory_for_an_event),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
