/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The native networks and their exceptions: two tries, and what pl_config counts of them.
 */
#include "datapath/internal.h"

/* As both tries hold it; the IPv4 key is the first 8 bytes. */
struct network_key {
	uint32_t prefixlen;
	uint8_t addr[16];
};

_Static_assert(sizeof(struct network_key) == sizeof(struct pl_net6), "is a pl_net6");
_Static_assert(offsetof(struct network_key, addr) == offsetof(struct pl_net4, addr),
	       "and a pl_net4");

/* Without host bits, which the trie would keep though it does not compare them. */
static struct network_key network_key(const struct pl_prefix *net)
{
	struct network_key key = {.prefixlen = net->len};
	struct pl_ip first, last;

	pl_prefix_range(net, &first, &last);
	memcpy(key.addr, first.bytes, sizeof(key.addr));
	return key;
}

struct networks {
	uint8_t family;
	int fd;
	const struct pl_network_rule *rules;
	size_t n;
};

static int network_drop_unwanted(const void *key, const void *value, void *arg)
{
	const struct networks *w = arg;
	const size_t size = w->family == AF_INET ? sizeof(struct pl_net4) : sizeof(struct pl_net6);

	for (size_t i = 0; i < w->n; i++) {
		struct network_key wanted = network_key(&w->rules[i].net);

		if (w->rules[i].net.ip.family == w->family && !memcmp(&wanted, key, size))
			return 0;
	}
	return dp_map_del(w->fd, key);
}

/* Of the exceptions, or of the others. Returns how many of the family are in @w, or -errno. */
static int networks_add(const struct networks *w, bool except, struct pl_error *err)
{
	const struct pl_network network = {.native = !except};
	char text[PL_PREFIX_STRLEN];
	int n = 0;

	for (size_t i = 0; i < w->n; i++) {
		const struct pl_network_rule *rule = &w->rules[i];
		struct network_key key;
		int r;

		if (rule->net.ip.family != w->family || rule->except != except)
			continue;
		key = network_key(&rule->net);
		r = dp_map_set(w->fd, &key, &network);
		if (r < 0)
			return pl_fail(err, r, "make %s %s: %s", pl_prefix_format(&rule->net, text),
				       except ? "an exception of the native networks"
					      : "a native network",
				       strerror(-r));
		n++;
	}
	return n;
}

static int networks_replace(const struct networks *w, uint32_t *count, struct pl_error *err)
{
	int n, r;

	/* First: what is excepted must not be native for a moment. */
	n = networks_add(w, true, err);
	if (n >= 0)
		n = networks_add(w, false, err);
	if (n < 0)
		return n;
	/* Looked up only where it is not zero: raised after the entries, lowered before. */
	__atomic_store_n(count, (uint32_t)n, __ATOMIC_RELEASE);
	r = dp_map_walk(w->fd, network_drop_unwanted, (void *)w);
	if (r < 0)
		return pl_fail(err, r, "remove former native networks: %s", strerror(-r));
	return 0;
}

int pl_datapath_networks_set(struct pl_datapath *dp, const struct pl_network_rule *rules, size_t n,
			     struct pl_error *err)
{
	const struct networks v4 = {AF_INET, dp->maps[MAP_pl_networks4], rules, n};
	const struct networks v6 = {AF_INET6, dp->maps[MAP_pl_networks6], rules, n};
	int r;

	r = networks_replace(&v4, &dp->config->native4, err);
	if (r >= 0)
		r = networks_replace(&v6, &dp->config->native6, err);
	dp_config_budgets_set(dp);
	pl_datapath_routes_forget(dp);
	return r;
}

/* A wider network would answer in place of one that is missing: hence also what it says. */
static bool network_holds(const struct pl_datapath *dp, const struct pl_network_rule *rule)
{
	const struct network_key key = network_key(&rule->net);
	struct pl_network there;
	const int fd =
		dp->maps[rule->net.ip.family == AF_INET ? MAP_pl_networks4 : MAP_pl_networks6];

	return !dp_map_get(fd, &key, &there) && there.native == !rule->except;
}

static int network_count(const void *key, const void *value, void *arg)
{
	++*(size_t *)arg;
	return 0;
}

/* Where all of ours are there, one that is too many is not ours. */
static bool has_others(const struct pl_datapath *dp, enum pl_map_index map, size_t ours)
{
	size_t n = 0;

	return dp_map_walk(dp->maps[map], network_count, &n) || n > ours;
}

bool pl_datapath_networks_hold(struct pl_datapath *dp, const struct pl_network_rule *rules,
			       size_t n)
{
	uint32_t native4 = 0, native6 = 0;
	size_t all4 = 0, all6 = 0;

	for (size_t i = 0; i < n; i++) {
		bool v4 = rules[i].net.ip.family == AF_INET;

		if (!network_holds(dp, &rules[i]))
			return false;
		native4 += v4 && !rules[i].except;
		native6 += !v4 && !rules[i].except;
		all4 += v4;
		all6 += !v4;
	}
	return dp->config->native4 == native4 && dp->config->native6 == native6 &&
	       dp_config_budgets_hold(dp) && !has_others(dp, MAP_pl_networks4, all4) &&
	       !has_others(dp, MAP_pl_networks6, all6);
}
