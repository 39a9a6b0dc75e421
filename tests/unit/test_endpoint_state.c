/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The states of an endpoint: every pair of state and event, against what the life of an endpoint
 * allows, written out once more.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "endpoint/internal.h"

/* Whatever is not in here must be a fault. */
static const struct {
	enum pl_endpoint_state from;
	enum pl_endpoint_event event;
	enum pl_endpoint_state to;
} allowed[] = {
	/* ADD: ready once the link is up, or undone; also where only the record could not be
	   written. */
	{PL_STATE_ADDING, PL_EVENT_LINK_UP, PL_STATE_READY},
	{PL_STATE_ADDING, PL_EVENT_LINK_DOWN, PL_STATE_ADDING},
	{PL_STATE_ADDING, PL_EVENT_ADD_FAILED, PL_STATE_GONE},
	{PL_STATE_READY, PL_EVENT_ADD_FAILED, PL_STATE_GONE},
	/* What an earlier run left waits for what its link is. */
	{PL_STATE_ADDING, PL_EVENT_LOADED, PL_STATE_WAITING},
	/* The link goes down and up, or to another netns and back. */
	{PL_STATE_READY, PL_EVENT_LINK_DOWN, PL_STATE_WAITING},
	{PL_STATE_READY, PL_EVENT_LINK_UP, PL_STATE_READY},
	{PL_STATE_WAITING, PL_EVENT_LINK_UP, PL_STATE_READY},
	{PL_STATE_WAITING, PL_EVENT_LINK_DOWN, PL_STATE_WAITING},
	/* DEL: nothing that its link does makes it ready again. */
	{PL_STATE_READY, PL_EVENT_REMOVE, PL_STATE_LEAVING},
	{PL_STATE_WAITING, PL_EVENT_REMOVE, PL_STATE_LEAVING},
	{PL_STATE_LEAVING, PL_EVENT_REMOVE, PL_STATE_LEAVING},
	{PL_STATE_LEAVING, PL_EVENT_LINK_UP, PL_STATE_LEAVING},
	{PL_STATE_LEAVING, PL_EVENT_LINK_DOWN, PL_STATE_LEAVING},
	{PL_STATE_LEAVING, PL_EVENT_DELETE, PL_STATE_DELETING},
	{PL_STATE_DELETING, PL_EVENT_REMOVE, PL_STATE_DELETING},
	{PL_STATE_DELETING, PL_EVENT_LINK_UP, PL_STATE_DELETING},
	{PL_STATE_DELETING, PL_EVENT_LINK_DOWN, PL_STATE_DELETING},
	/* The kernel refuses: it is looked at anew, and somebody may ask again. */
	{PL_STATE_DELETING, PL_EVENT_REFUSED, PL_STATE_WAITING},
	/* The link goes at any time after the ADD. */
	{PL_STATE_READY, PL_EVENT_GONE, PL_STATE_GONE},
	{PL_STATE_WAITING, PL_EVENT_GONE, PL_STATE_GONE},
	{PL_STATE_LEAVING, PL_EVENT_GONE, PL_STATE_GONE},
	{PL_STATE_DELETING, PL_EVENT_GONE, PL_STATE_GONE},
};

static int expected(enum pl_endpoint_state state, enum pl_endpoint_event event)
{
	for (size_t i = 0; i < PL_ARRAY_SIZE(allowed); i++)
		if (allowed[i].from == state && allowed[i].event == event)
			return (int)allowed[i].to;
	return -1;
}

static void test_every_pair(void **state)
{
	for (int s = 0; s < PL_STATE_COUNT; s++)
		for (int e = 0; e < PL_EVENT_COUNT; e++) {
			int is = pl_endpoint_next_state((enum pl_endpoint_state)s,
							(enum pl_endpoint_event)e);

			if (is != expected((enum pl_endpoint_state)s, (enum pl_endpoint_event)e))
				fail_msg("%s, %s: leads to %d",
					 pl_endpoint_state_name((enum pl_endpoint_state)s),
					 pl_endpoint_event_name((enum pl_endpoint_event)e), is);
		}
}

static void test_changes(void **state)
{
	for (int s = 0; s < PL_STATE_COUNT; s++)
		for (int e = 0; e < PL_EVENT_COUNT; e++) {
			struct pl_endpoint ep = {.state = (enum pl_endpoint_state)s};
			int to = expected(ep.state, (enum pl_endpoint_event)e);

			pl_endpoint_event(&ep, (enum pl_endpoint_event)e);
			assert_int_equal(ep.state, to < 0 ? s : to);
			assert_int_equal(ep.faulted, to < 0);
		}
}

/* Packets are led to it only where it is ready; to be removed is to be no uplink and no target. */
static void test_what_states_mean(void **state)
{
	static const struct {
		bool ready, leaving;
	} means[PL_STATE_COUNT] = {
		[PL_STATE_ADDING] = {false, false},  [PL_STATE_READY] = {true, false},
		[PL_STATE_WAITING] = {false, false}, [PL_STATE_LEAVING] = {false, true},
		[PL_STATE_DELETING] = {false, true}, [PL_STATE_GONE] = {false, true},
	};

	for (int s = 0; s < PL_STATE_COUNT; s++) {
		struct pl_endpoint ep = {.state = (enum pl_endpoint_state)s};

		assert_int_equal(pl_endpoint_is_ready(&ep), means[s].ready);
		assert_int_equal(pl_endpoint_is_leaving(&ep), means[s].leaving);
	}
}

/* The log tells each from each other. */
static void test_names(void **state)
{
	for (int s = 0; s < PL_STATE_COUNT; s++)
		for (int other = 0; other < s; other++)
			assert_string_not_equal(
				pl_endpoint_state_name((enum pl_endpoint_state)s),
				pl_endpoint_state_name((enum pl_endpoint_state)other));
	for (int e = 0; e < PL_EVENT_COUNT; e++)
		for (int other = 0; other < e; other++)
			assert_string_not_equal(
				pl_endpoint_event_name((enum pl_endpoint_event)e),
				pl_endpoint_event_name((enum pl_endpoint_event)other));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_pair),
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_what_states_mean),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
