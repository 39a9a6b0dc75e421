/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One table: the only place where an endpoint's state changes.
 */
#include "endpoint/state.h"

#include "common/log.h"
#include "endpoint/internal.h"

enum { FAULT = -1 };

#define ADDING	 PL_STATE_ADDING
#define READY	 PL_STATE_READY
#define WAITING	 PL_STATE_WAITING
#define LEAVING	 PL_STATE_LEAVING
#define DELETING PL_STATE_DELETING
#define GONE	 PL_STATE_GONE

/* A row a state. What an ADD does is not interrupted by events, and what has gone hears of none. */
static const signed char transitions[PL_STATE_COUNT][PL_EVENT_COUNT] = {
	/* clang-format off */
	/*             LOADED     LINK_UP    LINK_DOWN  ADD_FAILED REMOVE     DELETE     REFUSED    GONE */
	[ADDING] =    {WAITING,   READY,     ADDING,    GONE,      FAULT,     FAULT,     FAULT,     FAULT},
	[READY] =     {FAULT,     READY,     WAITING,   GONE,      LEAVING,   FAULT,     FAULT,     GONE},
	[WAITING] =   {FAULT,     READY,     WAITING,   FAULT,     LEAVING,   FAULT,     FAULT,     GONE},
	[LEAVING] =   {FAULT,     LEAVING,   LEAVING,   FAULT,     LEAVING,   DELETING,  FAULT,     GONE},
	[DELETING] =  {FAULT,     DELETING,  DELETING,  FAULT,     DELETING,  FAULT,     WAITING,   GONE},
	[GONE] =      {FAULT,     FAULT,     FAULT,     FAULT,     FAULT,     FAULT,     FAULT,     FAULT},
	/* clang-format on */
};

int pl_endpoint_next_state(enum pl_endpoint_state state, enum pl_endpoint_event event)
{
	return transitions[state][event];
}

const char *pl_endpoint_state_name(enum pl_endpoint_state state)
{
	static const char *const names[PL_STATE_COUNT] = {
		[ADDING] = "adding",   [READY] = "ready",	[WAITING] = "waiting",
		[LEAVING] = "leaving", [DELETING] = "deleting", [GONE] = "gone",
	};

	return names[state];
}

const char *pl_endpoint_event_name(enum pl_endpoint_event event)
{
	static const char *const names[PL_EVENT_COUNT] = {
		[PL_EVENT_LOADED] = "loaded",	    [PL_EVENT_LINK_UP] = "link-up",
		[PL_EVENT_LINK_DOWN] = "link-down", [PL_EVENT_ADD_FAILED] = "add-failed",
		[PL_EVENT_REMOVE] = "remove",	    [PL_EVENT_DELETE] = "delete",
		[PL_EVENT_REFUSED] = "refused",	    [PL_EVENT_GONE] = "gone",
	};

	return names[event];
}

void pl_endpoint_event(struct pl_endpoint *ep, enum pl_endpoint_event event)
{
	int next = pl_endpoint_next_state(ep->state, event);

	if (next != FAULT) {
		ep->state = (enum pl_endpoint_state)next;
		return;
	}
	if (!ep->faulted)
		pl_error_log("endpoint in an impossible state container=%s ifname=%s state=%s "
			     "event=%s",
			     ep->rec.container_id, ep->rec.ifname,
			     pl_endpoint_state_name(ep->state), pl_endpoint_event_name(event));
	ep->faulted = true;
}
