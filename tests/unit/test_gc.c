/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * DEL and GC of thousands of endpoints, by the control socket: endpoints without links, and a
 * removal that is scripted here in the place of endpoint/remove.c.
 */
#include "control_bed.h"

#include "common/turn.h"
#include "control/dispatch.h"
#include "endpoint/internal.h"
#include "endpoint/remove.h"

enum {
	ENDPOINTS = 4000,
	VALID = 900, /* as many as a request holds */
	REMOVE_US = 20,
};

static struct pl_endpoints t;
static struct pl_parts parts = {.endpoints = &t};

/* ---- the scripted removal ---- */

struct leaving {
	struct leaving *next;
	struct pl_endpoint *pod;
	void (*done)(void *arg, const struct pl_error *err);
	void *arg;
};

static struct leaving *first, **last = &first;
static size_t n_begun;
static uint32_t refused; /* slot of an endpoint whose link is not deleted */

int pl_endpoint_remove(struct pl_endpoints *all, struct pl_endpoint *pod,
		       void (*done)(void *arg, const struct pl_error *err), void *arg)
{
	struct leaving *l = malloc(sizeof(*l));

	assert_ptr_equal(all, &t);
	usleep(REMOVE_US);
	n_begun++;
	*l = (struct leaving){NULL, pod, done, arg};
	*last = l;
	last = &l->next;
	return 0;
}

int pl_endpoint_wait(struct pl_endpoint *pod, void (*done)(void *arg, const struct pl_error *err),
		     void *arg)
{
	return -ENOMEM;
}

int pl_removals_new(struct pl_endpoints *all, struct pl_removals **ret, struct pl_error *err)
{
	return 0;
}

void pl_removals_freep(struct pl_removals **removals)
{
}

void pl_removals_wait(struct pl_endpoints *all)
{
}

void pl_endpoint_link_gone(struct pl_endpoints *all, struct pl_endpoint *pod)
{
}

void pl_endpoint_release(struct pl_endpoints *all, struct pl_endpoint *pod)
{
}

static void forget(struct pl_endpoint *pod)
{
	struct pl_endpoint **at = &t.by_key[pod->key_hash & (t.n_buckets - 1)];

	while (*at != pod)
		at = &(*at)->next_by_key;
	*at = pod->next_by_key;
	t.v[pod->id] = NULL;
	t.n--;
	free(pod);
}

/* All that leave have gone. */
static void let_go(void)
{
	while (first) {
		struct leaving *l = first;
		struct pl_error err = {0};

		first = l->next;
		if (!first)
			last = &first;
		if (l->pod->id == refused) {
			pl_fail(&err, -EBUSY, "delete the link: %s", strerror(EBUSY));
			l->done(l->arg, &err);
		} else {
			forget(l->pod);
			l->done(l->arg, NULL);
		}
		free(l);
	}
}

/* ---- the table ---- */

/* Names of the length that runtimes give. */
static void name_of(uint32_t id, char *buf, size_t size)
{
	snprintf(buf, size, "%064x", id);
}

static void insert(uint32_t id)
{
	struct pl_endpoint *pod = calloc(1, sizeof(*pod)), **bucket;

	pod->id = id;
	name_of(id, pod->rec.container_id, sizeof(pod->rec.container_id));
	strcpy(pod->rec.ifname, "eth0");
	strcpy(pod->rec.network, id % 1000 ? "net" : "other");
	pod->rec.created_ns = id;
	pod->key_hash = pl_endpoint_hash(pod->rec.container_id, pod->rec.ifname);
	bucket = &t.by_key[pod->key_hash & (t.n_buckets - 1)];
	pod->next_by_key = *bucket;
	*bucket = pod;
	t.v[id] = pod;
	t.n++;
}

static int setup(void **state)
{
	const struct pl_control_handler handler = {pl_dispatch, pl_dispatch_is_removal,
						   pl_dispatch_is_work, &parts};
	const struct pl_host_opts host = {0};
	struct pl_error err = {0};

	if (bed_up(&handler) || pl_host_new(&host, &parts.host, &err))
		return -1;
	t.opts.base = bed.base;
	t.max = ENDPOINTS + 1;
	t.n_buckets = 4096;
	t.v = calloc(t.max, sizeof(*t.v));
	t.by_key = calloc(t.n_buckets, sizeof(*t.by_key));
	for (uint32_t id = 1; id < t.max; id++)
		insert(id);
	n_begun = 0;
	refused = 0;
	return 0;
}

static int teardown(void **state)
{
	for (uint32_t id = 1; id < t.max; id++)
		if (t.v[id])
			forget(t.v[id]);
	free(t.v);
	free(t.by_key);
	t = (struct pl_endpoints){0};
	pl_host_freep(&parts.host);
	return bed_down();
}

/* The first @n endpoints are valid, and somebody whom the daemon does not know. */
static void ask_gc(int fd, uint32_t n)
{
	pl_autojson json_t *valid = json_pack("[{s:s, s:s}]", "containerId", "x", "ifname", "eth0");
	pl_autojson json_t *request = json_pack("{s:s, s:i, s:s, s:O}", "op", "endpoint.gc", "v",
						PL_PROTO_VERSION, "network", "net", "valid", valid);

	for (uint32_t id = 1; id <= n; id++)
		json_array_append_new(valid,
				      json_pack("{s:s, s:s}", "containerId",
						t.v[id]->rec.container_id, "ifname", "eth0"));
	assert_int_equal(pl_proto_send(fd, request, -1), 0);
}

/* ---- tests ---- */

static void test_gc_of_thousands(void **state)
{
	int fd = dial_in(), curious = dial_in();
	size_t n = 0, pages = 0;
	bool more = true;

	ask_gc(fd, VALID);
	turns(2);
	/* Somebody else's turn has come before all of them had theirs. */
	ask(curious, "{\"op\": \"log.level\"}");
	assert_answered(curious);
	assert_in_range(n_begun, 1, 2500);
	while (n_begun < ENDPOINTS - VALID - 4) /* four are of another network */
		turns(1);
	turns(3);
	assert_null(reply_of(fd)); /* not before the last has gone */
	let_go();
	assert_int_equal(n_begun, ENDPOINTS - VALID - 4);
	while (more) {
		pl_autojson json_t *page = await_reply(fd);
		json_t *removed = json_object_get(page, "removed"), *one;
		size_t i;

		assert_true(json_is_true(json_object_get(page, "ok")));
		json_array_foreach (removed, i, one)
			assert_true(strtoul(json_string_value(json_object_get(one, "containerId")),
					    NULL, 16) > VALID);
		n += json_array_size(removed);
		more = json_is_true(json_object_get(page, "more"));
		pages++;
	}
	assert_int_equal(n, n_begun);
	assert_true(pages > 2);
	for (uint32_t id = 1; id <= VALID; id++)
		assert_non_null(t.v[id]);
	assert_int_equal(t.n, VALID + 4);
	close(fd);
	close(curious);
	turns(2);
}

static void test_gc_of_none(void **state)
{
	int fd = dial_in();

	ask(fd, "{\"op\": \"endpoint.gc\", \"network\": \"nobody's\", \"valid\": []}");
	assert_answered(fd);
	assert_int_equal(n_begun, 0);
	ask(fd, "{\"op\": \"endpoint.gc\", \"network\": \"net\"}");
	assert_refused(fd, "EINVAL");
	close(fd);
	turns(2);
}

/* An endpoint that came into a slot while the GC was under way is none of its business. */
static void test_gc_spares_what_came_later(void **state)
{
	int fd = dial_in();

	ask_gc(fd, 0);
	turns(2);
	assert_true(n_begun < ENDPOINTS - 100);
	forget(t.v[ENDPOINTS - 1]);
	insert(ENDPOINTS - 1);
	t.v[ENDPOINTS - 1]->rec.created_ns = 1u << 30;
	while (n_begun < ENDPOINTS - 5)
		turns(1);
	turns(3);
	let_go();
	assert_non_null(t.v[ENDPOINTS - 1]);
	assert_int_equal(t.n, 5);
	while (true) {
		pl_autojson json_t *page = await_reply(fd);

		if (!json_object_get(page, "more"))
			break;
	}
	close(fd);
	turns(2);
}

static void test_the_client_of_a_gc_leaves(void **state)
{
	int fd = dial_in();

	ask_gc(fd, VALID);
	turns(2);
	close(fd);
	while (n_begun < ENDPOINTS - VALID - 4)
		turns(1);
	turns(3);
	let_go();
	turns(3);
	assert_int_equal(t.n, VALID + 4);
}

/* The reply says why; the endpoint is as it was, and goes when it can. */
static void test_del_that_is_refused(void **state)
{
	static const char *const del = "{\"op\": \"endpoint.del\", \"containerId\": \"%s\", "
				       "\"ifname\": \"eth0\"}";
	char name[80], request[256];
	int fd = dial_in();

	name_of(7, name, sizeof(name));
	snprintf(request, sizeof(request), del, name);
	refused = 7;
	ask(fd, request);
	turns(3);
	assert_null(reply_of(fd));
	let_go();
	assert_refused(fd, "EBUSY");
	assert_non_null(t.v[7]);
	refused = 0;
	ask(fd, request);
	turns(3);
	let_go();
	assert_answered(fd);
	assert_null(t.v[7]);
	close(fd);
	turns(2);
}

/* ---- how long turns take ---- */

static const char *const nap = "a nap";

static void take_a_nap(void)
{
	PL_TURN(nap);

	usleep(60000);
}

static void test_turns_are_measured(void **state)
{
	struct pl_turns turns_before, turns_after;

	pl_turns_get(&turns_before);
	{
		PL_TURN("around it");

		take_a_nap();
	}
	pl_turns_get(&turns_after);
	assert_int_equal(turns_after.slow, turns_before.slow); /* it is not over */
	pl_turn_end();
	pl_turns_get(&turns_after);
	assert_int_equal(turns_after.slow, turns_before.slow + 1);
	assert_true(turns_after.longest.ns >= 60000000);
	assert_true(turns_after.recent.ns >= 60000000);
	assert_string_equal(turns_after.recent.most, nap);
	pl_turn_end(); /* nothing was done */
	pl_turns_get(&turns_before);
	assert_int_equal(turns_after.slow, turns_before.slow);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_turns_are_measured),
		cmocka_unit_test_setup_teardown(test_gc_of_thousands, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gc_of_none, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gc_spares_what_came_later, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_client_of_a_gc_leaves, setup, teardown),
		cmocka_unit_test_setup_teardown(test_del_that_is_refused, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
