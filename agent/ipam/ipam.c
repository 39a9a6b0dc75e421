/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Built-in address management. Which addresses are taken is kept in chunks of 512 neighbours, in
 * one hash for the whole node, so that two networks never hand out the same address, a /64 needs
 * no bitmap of its own, and a search passes 512 taken addresses in a step. A network's cursor
 * goes round its ranges; what was released rests until all else there was handed out. Nothing
 * here touches a file or the kernel.
 */
#include "ipam/internal.h"

/* --- ranges --- */

static void count_used(struct chunk *c, size_t from, size_t to, void *arg)
{
	uint64_t *n = arg;

	for (size_t i = 0; i < CHUNK_WORDS; i++)
		*n += (uint64_t)__builtin_popcountll(c->used[i] & pl_chunk_word_mask(i, from, to));
}

static void end_rest(struct chunk *c, size_t from, size_t to, void *arg)
{
	for (size_t i = 0; i < CHUNK_WORDS; i++)
		c->resting[i] &= ~pl_chunk_word_mask(i, from, to);
}

/* First and last address of the subnet that are no host's; false where all are. */
static bool subnet_edges(const struct pl_prefix *subnet, struct pl_ip *ret_first,
			 struct pl_ip *ret_last)
{
	if (subnet->len >= pl_ip_bits(subnet->ip.family) - 1)
		return false;
	pl_prefix_range(subnet, ret_first, ret_last);
	return true;
}

/*
 * Why @ip of @range is never handed out, or NULL. *ret_last: the last address that the same
 * reason holds for.
 */
static const char *reserved(const struct pl_netconf *conf, const struct pl_range *range,
			    const struct pl_ip *ip, struct pl_ip *ret_last)
{
	struct pl_ip first, last;

	*ret_last = *ip;
	if (subnet_edges(&range->subnet, &first, &last)) {
		if (pl_ip_cmp(ip, &first) == 0)
			return "the address of the network itself";
		if (ip->family == AF_INET && pl_ip_cmp(ip, &last) == 0)
			return "the broadcast address";
	}
	for (size_t i = 0; i < conf->n_ranges; i++) {
		if (pl_ip_cmp(ip, &conf->ranges[i].gateway) == 0)
			return "the gateway";
	}
	for (size_t i = 0; i < conf->n_exclude; i++) {
		if (!pl_prefix_contains(&conf->exclude[i], ip))
			continue;
		pl_prefix_range(&conf->exclude[i], &first, ret_last);
		return "excluded";
	}
	return NULL;
}

/*
 * Moves *ip to the first address from it on that is not used and, with @fresh, not resting.
 * -ENOSPC where none follows up to @last.
 */
static int skip_used(struct pl_ipam *ipam, struct pl_ip *ip, const struct pl_ip *last, bool fresh)
{
	while (pl_ip_cmp(ip, last) <= 0) {
		const struct chunk *c = pl_chunk_find(ipam, ip);
		size_t from = pl_chunk_offset(ip);
		struct pl_ip base = pl_chunk_base(ip);

		ipam->steps++;
		if (!c)
			return 0;
		for (size_t i = from / 64; i < CHUNK_WORDS; i++) {
			uint64_t taken = c->used[i] | (fresh ? c->resting[i] : 0);
			uint64_t open = ~taken & pl_chunk_word_mask(i, from, CHUNK_BITS - 1);

			if (!open)
				continue;
			pl_ip_add(&base, 64 * i + (size_t)__builtin_ctzll(open), ip);
			return pl_ip_cmp(ip, last) <= 0 ? 0 : -ENOSPC;
		}
		if (pl_ip_add(&base, CHUNK_BITS, ip) < 0)
			return -ENOSPC;
	}
	return -ENOSPC;
}

/*
 * First address from @from to @last that can be handed out. Each turn passes all that one reason
 * takes, and no reason comes twice: the turns are bounded by the configuration, not by use.
 */
static int find_between(struct pl_ipam *ipam, const struct pl_netconf *conf,
			const struct pl_range *range, const struct pl_ip *from,
			const struct pl_ip *last, bool fresh, struct pl_ip *ret)
{
	struct pl_ip ip = *from;

	while (skip_used(ipam, &ip, last, fresh) == 0) {
		struct pl_ip passed;

		if (!reserved(conf, range, &ip, &passed)) {
			*ret = ip;
			return 0;
		}
		if (pl_ip_add(&passed, 1, &ip) < 0)
			break;
	}
	return -ENOSPC;
}

/* --- cursors --- */

static struct network *network_get(struct pl_ipam *ipam, const char *name)
{
	struct network *n = ipam->networks;

	while (n && strcmp(n->name, name) != 0)
		n = n->next;
	if (n)
		return n;
	n = calloc(1, sizeof(*n));
	if (!n)
		return NULL;
	snprintf(n->name, sizeof(n->name), "%s", name);
	n->next = ipam->networks;
	ipam->networks = n;
	return n;
}

static bool in_range(const struct pl_range *range, const struct pl_ip *ip)
{
	return pl_ip_cmp(ip, &range->start) >= 0 && pl_ip_cmp(ip, &range->end) <= 0;
}

/* The range of the set [@first, @end) that @ip lies in; @end: none. */
static size_t range_of(const struct pl_netconf *conf, size_t first, size_t end,
		       const struct pl_ip *ip)
{
	size_t i = first;

	while (i < end && !in_range(&conf->ranges[i], ip))
		i++;
	return i;
}

static void push_recent(struct network *n, const struct pl_ip *ip, size_t replaces)
{
	memmove(n->recent + 1, n->recent, replaces * sizeof(*n->recent));
	n->recent[0] = *ip;
}

static void note_recent(struct network *n, const struct pl_ip *ip)
{
	if (n->n_recent < RECENT_MAX)
		n->n_recent++;
	push_recent(n, ip, n->n_recent - 1);
}

/* Index in n->recent of the cursor of the set [@first, @end); n->n_recent: none. */
static size_t cursor_of(const struct network *n, const struct pl_netconf *conf, size_t first,
			size_t end)
{
	size_t i = 0;

	while (i < n->n_recent && range_of(conf, first, end, &n->recent[i]) == end)
		i++;
	return i;
}

static void move_cursor(struct network *n, const struct pl_netconf *conf, size_t first, size_t end,
			const struct pl_ip *ip)
{
	size_t i = cursor_of(n, conf, first, end);

	if (i < n->n_recent)
		push_recent(n, ip, i);
	else
		note_recent(n, ip);
}

/* Once round the set, from the address after the cursor to the cursor itself. */
static int find_round(struct pl_ipam *ipam, const struct pl_netconf *conf, size_t first, size_t end,
		      const struct pl_ip *cursor, bool fresh, struct pl_ip *ret)
{
	size_t start = cursor ? range_of(conf, first, end, cursor) : first;
	const struct pl_range *range = &conf->ranges[start];
	struct pl_ip from = range->start;
	int r = -ENOSPC;

	if (!cursor || pl_ip_add(cursor, 1, &from) == 0)
		r = find_between(ipam, conf, range, &from, &range->end, fresh, ret);
	for (size_t i = 1; r < 0 && i < end - first; i++) {
		range = &conf->ranges[first + (start - first + i) % (end - first)];
		r = find_between(ipam, conf, range, &range->start, &range->end, fresh, ret);
	}
	if (r == 0 || !cursor)
		return r;
	range = &conf->ranges[start];
	return find_between(ipam, conf, range, &range->start, cursor, fresh, ret);
}

/* --- allocation --- */

/* What one range set will give. */
struct choice {
	size_t first, end; /* the set's ranges */
	size_t range;	   /* that the address lies in */
	struct pl_ip ip;   /* family 0: not chosen yet */
	bool requested;
	bool new_round; /* none was left but resting ones */
};

static size_t find_sets(const struct pl_netconf *conf, struct choice sets[PL_SETS_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < conf->n_ranges; i++) {
		if (i > 0 && conf->ranges[i].set == conf->ranges[i - 1].set)
			sets[n - 1].end = i + 1;
		else if (n < PL_SETS_MAX)
			sets[n++] = (struct choice){.first = i, .end = i + 1};
	}
	return n;
}

static int take_request(struct pl_ipam *ipam, const struct pl_netconf *conf, const struct pl_ip *ip,
			struct choice *sets, size_t n_sets, struct pl_error *err)
{
	char text[PL_IP_STRLEN], other[PL_IP_STRLEN], subnet[PL_PREFIX_STRLEN];
	struct choice *set = sets;
	struct pl_ip last;
	const char *why;

	pl_ip_format(ip, text);
	while (set < sets + n_sets && range_of(conf, set->first, set->end, ip) == set->end)
		set++;
	if (set == sets + n_sets)
		return pl_fail(err, -EINVAL,
			       "requested address %s is not in any range of network %s", text,
			       conf->name);
	if (set->requested)
		return pl_fail(err, -EINVAL,
			       "requested addresses %s and %s lie in one range set of network %s, "
			       "which gives one address",
			       pl_ip_format(&set->ip, other), text, conf->name);
	set->range = range_of(conf, set->first, set->end, ip);
	why = reserved(conf, &conf->ranges[set->range], ip, &last);
	if (why)
		return pl_fail(err, -EINVAL, "requested address %s is %s in network %s (%s)", text,
			       why, conf->name,
			       pl_prefix_format(&conf->ranges[set->range].subnet, subnet));
	if (pl_ipam_in_use(ipam, ip))
		return pl_fail(err, -EADDRINUSE,
			       "requested address %s of network %s is in use by another pod", text,
			       conf->name);
	set->ip = *ip;
	set->requested = true;
	return 0;
}

static int set_exhausted(const struct pl_netconf *conf, const struct choice *set,
			 struct pl_error *err)
{
	const struct pl_range *range = &conf->ranges[set->first];
	char subnet[PL_PREFIX_STRLEN], start[PL_IP_STRLEN], end[PL_IP_STRLEN], more[64] = "";

	if (set->end - set->first > 1)
		snprintf(more, sizeof(more), ", and %zu more ranges", set->end - set->first - 1);
	return pl_fail(err, -ENOSPC,
		       "no address is left in %s (%s to %s%s) of network %s; remove pods or widen "
		       "the range",
		       pl_prefix_format(&range->subnet, subnet), pl_ip_format(&range->start, start),
		       pl_ip_format(&range->end, end), more, conf->name);
}

static int choose(struct pl_ipam *ipam, const struct pl_netconf *conf, const struct network *n,
		  struct choice *set, struct pl_error *err)
{
	size_t i = cursor_of(n, conf, set->first, set->end);
	const struct pl_ip *cursor = i < n->n_recent ? &n->recent[i] : NULL;
	int r = find_round(ipam, conf, set->first, set->end, cursor, true, &set->ip);

	if (r < 0) {
		set->new_round = true;
		r = find_round(ipam, conf, set->first, set->end, cursor, false, &set->ip);
	}
	if (r < 0)
		return set_exhausted(conf, set, err);
	set->range = range_of(conf, set->first, set->end, &set->ip);
	return 0;
}

static int take_all(struct pl_ipam *ipam, const struct choice *sets, size_t n_sets)
{
	for (size_t i = 0; i < n_sets; i++) {
		int r = pl_chunks_take(ipam, &sets[i].ip);

		if (r == 0)
			continue;
		while (i-- > 0)
			pl_chunks_release(ipam, &sets[i].ip, false);
		return r;
	}
	return 0;
}

static void end_round(struct pl_ipam *ipam, const struct pl_netconf *conf, const struct choice *set)
{
	for (size_t i = set->first; i < set->end; i++) {
		struct addr_interval s = {
			.first = conf->ranges[i].start,
			.last = conf->ranges[i].end,
			.fn = end_rest,
		};

		pl_chunks_each_in(ipam, &s);
	}
}

static void sync_cursors(struct pl_ipam *ipam, const struct pl_netconf *conf, struct network *n,
			 const struct choice *set, struct pl_record_addr *ret)
{
	if (set->new_round)
		end_round(ipam, conf, set);
	if (!set->requested)
		move_cursor(n, conf, set->first, set->end, &set->ip);
	*ret = (struct pl_record_addr){
		.ip = {.ip = set->ip, .len = pl_ip_bits(set->ip.family)},
		.gateway = conf->ranges[set->range].gateway,
	};
}

int pl_ipam_allocate(struct pl_ipam *ipam, const struct pl_netconf *conf,
		     const struct pl_ip *requested, size_t n_requested, struct pl_record_addr *ret,
		     size_t max, size_t *ret_n, struct pl_error *err)
{
	struct network *network = network_get(ipam, conf->name);
	struct choice sets[PL_SETS_MAX];
	size_t n_sets = find_sets(conf, sets);
	int r = 0;

	if (!network)
		return pl_fail(err, -ENOMEM, "out of memory");
	if (n_sets == 0)
		return pl_fail(err, -EINVAL, "network %s has no address ranges", conf->name);
	if (n_sets > max)
		return pl_fail(err, -E2BIG,
			       "network %s has %zu range sets; at most %zu can be used", conf->name,
			       n_sets, max);
	for (size_t i = 0; r == 0 && i < n_requested; i++)
		r = take_request(ipam, conf, &requested[i], sets, n_sets, err);
	for (size_t i = 0; r == 0 && i < n_sets; i++) {
		if (!sets[i].requested)
			r = choose(ipam, conf, network, &sets[i], err);
	}
	if (r < 0)
		return r;
	r = take_all(ipam, sets, n_sets);
	if (r < 0)
		return pl_fail(err, r, "take the addresses of a pod in network %s: %s", conf->name,
			       strerror(-r));
	for (size_t i = 0; i < n_sets; i++)
		sync_cursors(ipam, conf, network, &sets[i], &ret[i]);
	*ret_n = n_sets;
	return 0;
}

/* --- how many are left --- */

struct blocked {
	struct pl_ip first;
	struct pl_ip last;
};

#define BLOCKED_MAX (2 + 2 * PL_RANGES_MAX) /* the subnet's edges, gateways, exclusions */

static int blocked_cmp(const void *a, const void *b)
{
	return pl_ip_cmp(&((const struct blocked *)a)->first, &((const struct blocked *)b)->first);
}

/*
 * Everything that reserved() would name in this range, sorted by its first address; that of the
 * other family lies before or behind, and one without a family before.
 */
static size_t blocked_in(const struct pl_netconf *conf, const struct pl_range *range,
			 struct blocked all[BLOCKED_MAX])
{
	struct pl_ip first, last;
	size_t n = 0;

	if (subnet_edges(&range->subnet, &first, &last)) {
		all[n++] = (struct blocked){first, first};
		if (first.family == AF_INET)
			all[n++] = (struct blocked){last, last};
	}
	for (size_t i = 0; i < conf->n_ranges; i++) {
		const struct pl_ip *gateway = &conf->ranges[i].gateway;

		all[n++] = (struct blocked){*gateway, *gateway};
	}
	for (size_t i = 0; i < conf->n_exclude; i++) {
		pl_prefix_range(&conf->exclude[i], &first, &last);
		all[n++] = (struct blocked){first, last};
	}
	qsort(all, n, sizeof(*all), blocked_cmp);
	return n;
}

static uint64_t add_capped(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* The address before @ip, which is not the first of its family. */
static struct pl_ip ip_before(const struct pl_ip *ip)
{
	struct pl_ip before = *ip;

	for (size_t i = pl_ip_bits(ip->family) / 8; i-- > 0;) {
		if (before.bytes[i]-- != 0)
			break;
	}
	return before;
}

/* Free addresses from @first to @last, none of them reserved. */
static uint64_t count_free(struct pl_ipam *ipam, const struct pl_ip *first,
			   const struct pl_ip *last)
{
	uint64_t used = 0, distance;
	struct addr_interval s = {.first = *first, .last = *last, .fn = count_used, .arg = &used};

	if (pl_ip_distance(first, last, &distance) < 0)
		return 0;
	if (distance == UINT64_MAX)
		return UINT64_MAX;
	pl_chunks_each_in(ipam, &s);
	return distance + 1 - used;
}

static uint64_t available_in_range(struct pl_ipam *ipam, const struct pl_netconf *conf,
				   const struct pl_range *range)
{
	struct blocked blocked[BLOCKED_MAX];
	size_t n = blocked_in(conf, range, blocked);
	struct pl_ip at = range->start;
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++) {
		const struct blocked *b = &blocked[i];
		struct pl_ip before;

		if (pl_ip_cmp(&b->last, &at) < 0)
			continue;
		if (pl_ip_cmp(&b->first, &range->end) > 0)
			break;
		if (pl_ip_cmp(&b->first, &at) > 0) {
			before = ip_before(&b->first);
			sum = add_capped(sum, count_free(ipam, &at, &before));
		}
		if (pl_ip_add(&b->last, 1, &at) < 0)
			return sum;
	}
	return add_capped(sum, count_free(ipam, &at, &range->end));
}

uint64_t pl_ipam_available(struct pl_ipam *ipam, const struct pl_netconf *conf)
{
	struct choice sets[PL_SETS_MAX];
	size_t n_sets = find_sets(conf, sets);
	uint64_t smallest = n_sets ? INT64_MAX : 0; /* JSON knows no larger number */

	for (size_t i = 0; i < n_sets; i++) {
		uint64_t sum = 0;

		for (size_t k = sets[i].first; k < sets[i].end; k++)
			sum = add_capped(sum, available_in_range(ipam, conf, &conf->ranges[k]));
		if (sum < smallest)
			smallest = sum;
	}
	return smallest;
}

/* --- the used set --- */

int pl_ipam_new(struct pl_ipam **ret)
{
	struct pl_ipam *ipam = calloc(1, sizeof(*ipam));

	if (!ipam)
		return -ENOMEM;
	ipam->n_buckets = BUCKETS_MIN;
	ipam->buckets = calloc(ipam->n_buckets, sizeof(struct chunk *));
	if (!ipam->buckets) {
		free(ipam);
		return -ENOMEM;
	}
	*ret = ipam;
	return 0;
}

void pl_ipam_freep(struct pl_ipam **ipam)
{
	struct pl_ipam *old = TAKE_PTR(*ipam);

	if (!old)
		return;
	for (size_t i = 0; i < old->n_buckets; i++) {
		while (old->buckets[i]) {
			struct chunk *c = old->buckets[i];

			old->buckets[i] = c->next;
			free(c);
		}
	}
	while (old->networks) {
		struct network *n = old->networks;

		old->networks = n->next;
		free(n);
	}
	free(old->buckets);
	free(old);
}

int pl_ipam_take(struct pl_ipam *ipam, const struct pl_ip *ip)
{
	return pl_ip_bits(ip->family) ? pl_chunks_take(ipam, ip) : -EINVAL;
}

void pl_ipam_release(struct pl_ipam *ipam, const struct pl_ip *ip)
{
	if (pl_ip_bits(ip->family))
		pl_chunks_release(ipam, ip, true);
}

bool pl_ipam_in_use(const struct pl_ipam *ipam, const struct pl_ip *ip)
{
	const struct chunk *c;

	if (!pl_ip_bits(ip->family))
		return false;
	c = pl_chunk_find(ipam, ip);
	return c && pl_chunk_bit(c->used, pl_chunk_offset(ip));
}

void pl_ipam_note_last(struct pl_ipam *ipam, const char *network, const struct pl_ip *ip)
{
	struct network *n = network_get(ipam, network);

	/* Without memory the cursor starts at the range's start: still right, only less round. */
	if (n)
		note_recent(n, ip);
}

uint64_t pl_ipam_steps(const struct pl_ipam *ipam)
{
	return ipam->steps;
}
