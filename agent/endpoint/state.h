/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The states of an endpoint, and what leads from one to another. Pure.
 */
#ifndef PODLANE_ENDPOINT_STATE_H
#define PODLANE_ENDPOINT_STATE_H

/* In the order of a life: from PL_STATE_LEAVING on no packet is led to it. */
enum pl_endpoint_state {
	PL_STATE_ADDING,   /* its ADD is under way */
	PL_STATE_READY,	   /* packets are led to it */
	PL_STATE_WAITING,  /* its link is down, or in another network namespace */
	PL_STATE_LEAVING,  /* it is to be removed; its link is there */
	PL_STATE_DELETING, /* the kernel deletes its link */
	PL_STATE_GONE,	   /* nothing is left but what is being cleared away */
	PL_STATE_COUNT,
};

enum pl_endpoint_event {
	PL_EVENT_LOADED,    /* it has a record of an earlier run */
	PL_EVENT_LINK_UP,   /* both ends of the link are up, the host end is here */
	PL_EVENT_LINK_DOWN, /* they are not */
	PL_EVENT_ADD_FAILED,
	PL_EVENT_REMOVE,  /* somebody wants it removed */
	PL_EVENT_DELETE,  /* the deletion of its link has begun */
	PL_EVENT_REFUSED, /* the kernel did not delete its link */
	PL_EVENT_GONE,	  /* its link has gone, or is not podlane's to delete */
	PL_EVENT_COUNT,
};

/* The state after @event, or -1: that cannot happen in @state. */
int pl_endpoint_next_state(enum pl_endpoint_state state, enum pl_endpoint_event event);

const char *pl_endpoint_state_name(enum pl_endpoint_state state);
const char *pl_endpoint_event_name(enum pl_endpoint_event event);

#endif
