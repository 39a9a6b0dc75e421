/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every setting has a function here that brings it to the parts of the daemon, or none: then it is
 * fixed for as long as the daemon runs. What parts point to stays where it is; its content changes.
 */
#include "common/log.h"
#include "daemon/daemon.h"
#include "daemon/notify.h"
#include "daemon/reload.h"
#include "host/host.h"
#include "host/masq.h"
#include "mirror/mirrors.h"
#include "reconcile/reconcile.h"
#include "reconcile/write.h"

/* Moves its setting from @new into the daemon's. 0 or -errno; what failed is tried again. */
typedef int apply_fn(struct pl_daemon *d, struct pl_settings *new, struct pl_error *err);

static int apply_logLevel(struct pl_daemon *d, struct pl_settings *new, struct pl_error *err)
{
	d->settings.log_level = new->log_level; /* in force when all is told */
	return 0;
}

static int apply_flowBudget(struct pl_daemon *d, struct pl_settings *new, struct pl_error *err)
{
	d->settings.flow_budget = new->flow_budget;
	pl_write_budgets(d->dp, d->settings.flow_budget, d->settings.flow_rate);
	return 0;
}

static int apply_flowRate(struct pl_daemon *d, struct pl_settings *new, struct pl_error *err)
{
	d->settings.flow_rate = new->flow_rate;
	pl_write_budgets(d->dp, d->settings.flow_budget, d->settings.flow_rate);
	return 0;
}

static int apply_uplinks(struct pl_daemon *d, struct pl_settings *new, struct pl_error *err)
{
	memcpy(d->settings.uplinks, new->uplinks, sizeof(new->uplinks));
	d->settings.n_uplinks = new->n_uplinks;
	pl_host_set_uplinks(d->parts.host, (const char(*)[IFNAMSIZ])d->settings.uplinks,
			    d->settings.n_uplinks);
	pl_host_update(d->parts.host);
	return 0;
}

static int apply_native(struct pl_daemon *d, struct pl_settings *new, struct pl_error *err)
{
	int r, masq;

	memcpy(d->settings.native, new->native, sizeof(new->native));
	d->settings.n_native = d->parts.n_native = new->n_native;
	r = pl_daemon_reach_networks(d, err);
	masq = pl_masq_set_native(d->masq, d->settings.native, d->settings.n_native,
				  r ? NULL : err);
	return r ?: masq;
}

/* Nobody is cut off by what a file leaves out: forwarding may be others' too by now. */
static int apply_forwarding(struct pl_daemon *d, struct pl_settings *new, struct pl_error *err)
{
	d->settings.forwarding = new->forwarding;
	if (new->forwarding)
		pl_host_enable_forwarding();
	pl_host_warn_forwarding();
	return 0;
}

static int apply_network(struct pl_daemon *d, struct pl_settings *new, struct pl_error *err)
{
	int r;

	pl_netconf_clear(&d->settings.network);
	d->settings.network = new->network;
	new->network = (struct pl_netconf){0};
	r = pl_host_want_routes(d->parts.host, &d->settings.network);
	return r < 0 ? pl_fail(err, r, "routes of the ranges: %s", strerror(-r)) : 0;
}

static int apply_mirrors(struct pl_daemon *d, struct pl_settings *new, struct pl_error *err)
{
	pl_autojson json_t *old __attribute__((unused)) =
		d->settings.mirrors; /* until the sessions have left it */

	d->settings.mirrors = TAKE_PTR(new->mirrors);
	pl_mirrors_set_declared(d->parts.mirrors, d->settings.mirrors);
	return 0;
}

static apply_fn *const apply[PL_SETTINGS_N] = {
	[PL_SETTING_logLevel] = apply_logLevel, [PL_SETTING_flowBudget] = apply_flowBudget,
	[PL_SETTING_flowRate] = apply_flowRate, [PL_SETTING_uplinks] = apply_uplinks,
	[PL_SETTING_native] = apply_native,	[PL_SETTING_forwarding] = apply_forwarding,
	[PL_SETTING_network] = apply_network,	[PL_SETTING_mirrors] = apply_mirrors,
};

static char *text_of(const json_t *value)
{
	if (!value)
		return NULL;
	return json_is_string(value) ? strdup(json_string_value(value))
				     : json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
}

/* True: it is another one. */
static bool take_setting(struct pl_daemon *d, struct pl_settings *new, enum pl_setting which)
{
	pl_autojson json_t *was = pl_settings_value(&d->settings, which);
	pl_autojson json_t *is = pl_settings_value(new, which);
	pl_autofree char *from = text_of(was), *to = text_of(is);
	const char *key = pl_setting_key(which);
	struct pl_error err = {0};

	if (!from || !to) {
		pl_error_log("setting not compared key=%s error=\"out of memory\"", key);
		return true;
	}
	if (json_equal(was, is))
		return false;
	if (!apply[which]) {
		pl_warn("setting needs a restart key=%s running=%s configured=%s", key, from, to);
		return true;
	}
	pl_info("setting changed key=%s from=%s to=%s", key, from, to);
	if (apply[which](d, new, &err) < 0) {
		pl_error_log("setting not in force yet, trying again key=%s error=\"%s\"", key,
			     err.text);
		pl_reconcile_retry_later(d->reconcile);
	}
	return true;
}

static void log_problem(void *arg, const struct pl_error *problem)
{
	pl_error_log("configuration refused, the one that runs stays error=\"%s\"", problem->text);
}

void pl_daemon_reload(struct pl_daemon *d)
{
	enum pl_log_level level = pl_log_get_level(), was = d->settings.log_level;
	bool changed = false;
	struct pl_settings new;

	pl_notify_reloading();
	if (!pl_options_settings(d->options, &new, log_problem, NULL)) {
		/* What else has changed is told at the more talkative of the two levels. */
		if (new.log_level != was &&new.log_level > level)
			pl_log_set_level(new.log_level);
		for (enum pl_setting i = 0; i < PL_SETTINGS_N; i++)
			changed |= take_setting(d, &new, i);
		pl_log_set_level(d->settings.log_level != was ? d->settings.log_level : level);
		if (!changed)
			pl_info("configuration read again, nothing has changed");
	}
	pl_settings_clear(&new);
	pl_notify("READY=1");
}
