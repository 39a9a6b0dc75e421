// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The contents of the maps. Programs read and write them at the same time: walks bear with keys
 * that come and go, and single fields are stored whole.
 */
#include <sys/mman.h>
#include "datapath/internal.h"

enum {
	WALK_BYTES = 64 * 1024, /* of keys and values a system call */
	WALK_KEYS_MIN = 16,
	WALK_KEYS_MAX = 1 << 20, /* a single bucket never holds more */
	WALK_RETRIES = 5,
	KEY_MAX = 64,
	KERNEL_ENOTSUPP = 524, /* what bpf(2) says of a missing batch operation */
};

struct walk {
	int fd;
	size_t key_size;
	size_t value_size; /* of all CPUs */
	uint32_t max_entries;
	int (*fn)(const void *key, const void *value, void *arg);
	void *arg;
};

int dp_map_info(int fd, struct bpf_map_info *ret)
{
	struct bpf_map_info info = {0};
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		return -errno;
	*ret = info;
	return 0;
}

bool dp_is_per_cpu(uint32_t type)
{
	return type == BPF_MAP_TYPE_PERCPU_ARRAY || type == BPF_MAP_TYPE_PERCPU_HASH ||
	       type == BPF_MAP_TYPE_LRU_PERCPU_HASH;
}

/*
 * The next key is taken before @fn sees this one, which it may delete. A key that the kernel has
 * evicted meanwhile makes the walk begin anew: hence the bound.
 */
static int walk_by_key(const struct walk *w)
{
	pl_autofree void *value = calloc(1, w->value_size);
	uint64_t left = 2 * (uint64_t)w->max_entries + 1;
	uint8_t key[KEY_MAX], next[KEY_MAX];
	int more, r;

	if (!value)
		return -ENOMEM;
	more = bpf_map_get_next_key(w->fd, NULL, key);
	while (!more && left--) {
		bool found = !bpf_map_lookup_elem(w->fd, key, value);

		more = bpf_map_get_next_key(w->fd, key, next);
		if (found) {
			r = w->fn(key, value, w->arg);
			if (r)
				return r;
		}
		memcpy(key, next, w->key_size);
	}
	return 0;
}

static int walk_batch_deliver(const struct walk *w, const uint8_t *keys, const uint8_t *values,
			      uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		int r = w->fn(keys + i * w->key_size, values + i * w->value_size, w->arg);

		if (r)
			return r;
	}
	return 0;
}

/* -KERNEL_ENOTSUPP or -EINVAL before the first key: this map has no batches here. */
static int walk_by_batch(const struct walk *w)
{
	uint32_t size = WALK_BYTES / (w->key_size + w->value_size);
	uint8_t in[KEY_MAX], out[KEY_MAX];
	unsigned int retries = 0;
	bool started = false;

	if (size < WALK_KEYS_MIN)
		size = WALK_KEYS_MIN;
	for (;;) {
		pl_autofree uint8_t *keys = calloc(size, w->key_size);
		pl_autofree uint8_t *values = calloc(size, w->value_size);
		uint32_t n;
		int r, last;

		if (!keys || !values)
			return -ENOMEM;
		do {
			n = size;
			last = bpf_map_lookup_batch(w->fd, started ? in : NULL, out, keys, values,
						    &n, NULL)
				       ? errno
				       : 0;
			if (last && last != ENOENT)
				break;
			r = walk_batch_deliver(w, keys, values, n);
			if (r || last)
				return r;
			memcpy(in, out, sizeof(in));
			started = true;
		} while (true);

		if (last == ENOSPC && size < WALK_KEYS_MAX)
			size *= 2; /* a bucket holds more than fits */
		else if ((last != EINTR && last != EAGAIN) || ++retries > WALK_RETRIES)
			return -last;
	}
}

int dp_map_walk(int fd, int (*fn)(const void *key, const void *value, void *arg), void *arg)
{
	struct walk w = {.fd = fd, .fn = fn, .arg = arg};
	struct bpf_map_info info;
	int r, cpus;

	r = dp_map_info(fd, &info);
	if (r < 0)
		return r;
	cpus = libbpf_num_possible_cpus();
	if (cpus < 0)
		return cpus;
	if (info.key_size > KEY_MAX)
		return -EINVAL;
	w.key_size = info.key_size;
	w.value_size = dp_is_per_cpu(info.type) ? PL_ALIGN8(info.value_size) * (size_t)cpus
						: info.value_size;
	w.max_entries = info.max_entries;

	r = walk_by_batch(&w);
	if (r == -KERNEL_ENOTSUPP || r == -EOPNOTSUPP || r == -EINVAL)
		r = walk_by_key(&w);
	return r;
}

static void flag_keep(uint8_t *flag, uint8_t old)
{
	if (old)
		__atomic_store_n(flag, 1, __ATOMIC_RELAXED);
}

void dp_endpoints_merge(struct pl_datapath *dp, int old_fd)
{
	struct bpf_map_info info;

	if (dp_map_info(old_fd, &info) || info.value_size != sizeof(*dp->endpoints))
		return;
	for (uint32_t id = 1; id < dp->max_entries[MAP_pl_endpoints]; id++) {
		struct pl_endpoint_info *ep = &dp->endpoints[id];
		struct pl_endpoint_info old;

		if (!ep->ifindex || bpf_map_lookup_elem(old_fd, &id, &old))
			continue;
		flag_keep(&ep->stack_only, old.stack_only);
	}
}

static size_t endpoints_size(const struct pl_datapath *dp)
{
	return dp->max_entries[MAP_pl_endpoints] * sizeof(struct pl_endpoint_info);
}

static size_t budgets_size(const struct pl_datapath *dp)
{
	return dp->max_entries[MAP_pl_budgets] * sizeof(struct pl_budgets);
}

static int map_mmap(int fd, size_t size, void **ret)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		return -errno;
	*ret = p;
	return 0;
}

int dp_maps_mmap(struct pl_datapath *dp, struct pl_error *err)
{
	void *endpoints = NULL, *config = NULL, *budgets = NULL, *hints = NULL;
	int r;

	r = map_mmap(dp->maps[MAP_pl_endpoints], endpoints_size(dp), &endpoints);
	if (r < 0)
		return pl_fail(err, r, "map pl_endpoints into memory: %s", strerror(-r));
	dp->endpoints = endpoints;
	r = map_mmap(dp->maps[MAP_pl_config], sizeof(struct pl_config), &config);
	if (r < 0)
		return pl_fail(err, r, "map pl_config into memory: %s", strerror(-r));
	dp->config = config;
	r = map_mmap(dp->maps[MAP_pl_budgets], budgets_size(dp), &budgets);
	if (r < 0)
		return pl_fail(err, r, "map pl_budgets into memory: %s", strerror(-r));
	dp->budgets = budgets;
	r = map_mmap(dp->maps[MAP_pl_addr_hints], PL_ADDR_HINTS * sizeof(*dp->addr_hints), &hints);
	if (r < 0)
		return pl_fail(err, r, "map pl_addr_hints into memory: %s", strerror(-r));
	dp->addr_hints = hints;
	return 0;
}

void dp_maps_munmap(struct pl_datapath *dp)
{
	if (dp->endpoints)
		munmap(dp->endpoints, endpoints_size(dp));
	if (dp->config)
		munmap(dp->config, sizeof(*dp->config));
	if (dp->budgets)
		munmap(dp->budgets, budgets_size(dp));
	if (dp->addr_hints)
		munmap(dp->addr_hints, PL_ADDR_HINTS * sizeof(*dp->addr_hints));
	dp->endpoints = NULL;
	dp->config = NULL;
	dp->budgets = NULL;
	dp->addr_hints = NULL;
}

const struct pl_endpoint_info *pl_datapath_slots(const struct pl_datapath *dp)
{
	return dp->endpoints;
}

struct pl_endpoint_info *pl_datapath_endpoints(struct pl_datapath *dp)
{
	return dp->endpoints;
}

void pl_datapath_routes_forget(struct pl_datapath *dp)
{
	__atomic_add_fetch(&dp->config->epoch, 1, __ATOMIC_SEQ_CST);
}

struct pl_config *pl_datapath_config(struct pl_datapath *dp)
{
	return dp->config;
}

int dp_map_set(int fd, const void *key, const void *value)
{
	return bpf_map_update_elem(fd, key, value, BPF_ANY) ? -errno : 0;
}

int dp_map_get(int fd, const void *key, void *ret)
{
	return bpf_map_lookup_elem(fd, key, ret) ? -errno : 0;
}

int dp_map_del(int fd, const void *key)
{
	return bpf_map_delete_elem(fd, key) && errno != ENOENT ? -errno : 0;
}

/* The address' bytes are the key in both families. */
static int addrs_fd(const struct pl_datapath *dp, const struct pl_ip *ip)
{
	switch (ip->family) {
	case AF_INET:
		return dp->maps[MAP_pl_addrs4];
	case AF_INET6:
		return dp->maps[MAP_pl_addrs6];
	default:
		return -EAFNOSUPPORT;
	}
}

static uint64_t *guess_for(struct pl_datapath *dp, const struct pl_ip *ip)
{
	const uint8_t *last = ip->bytes + (ip->family == AF_INET ? 2 : 14);

	return &dp->addr_hints[PL_ADDR_HINT(last[0], last[1])];
}

static bool is_first_addr(const struct pl_datapath *dp, uint64_t endpoint, const struct pl_ip *ip)
{
	const struct pl_endpoint_info *ep = &dp->endpoints[endpoint];

	if (endpoint == PL_NODE || endpoint >= dp->max_entries[MAP_pl_endpoints])
		return false;
	return ip->family == AF_INET ? !memcmp(ep->ip4, ip->bytes, 4)
				     : !memcmp(ep->ip6, ip->bytes, 16);
}

/* Of two addresses that share a guess, the later has it: the other is found by hash. */
static void guess_set(struct pl_datapath *dp, const struct pl_ip *ip, const struct pl_addr *v)
{
	if (v->kind == PL_ADDR_POD && is_first_addr(dp, v->endpoint, ip))
		__atomic_store_n(guess_for(dp, ip), v->endpoint, __ATOMIC_RELEASE);
}

static void guess_del(struct pl_datapath *dp, const struct pl_ip *ip)
{
	uint64_t *guess = guess_for(dp, ip);

	if (is_first_addr(dp, *guess, ip))
		__atomic_store_n(guess, PL_NODE, __ATOMIC_SEQ_CST);
}

int pl_datapath_addr_set(struct pl_datapath *dp, const struct pl_ip *ip, const struct pl_addr *v)
{
	int fd = addrs_fd(dp, ip);
	int r = fd < 0 ? fd : dp_map_set(fd, ip->bytes, v);

	if (r < 0)
		return r;
	if (v->kind != PL_ADDR_POD)
		guess_del(dp, ip);
	guess_set(dp, ip, v);
	pl_datapath_routes_forget(dp);
	return 0;
}

int pl_datapath_addr_del(struct pl_datapath *dp, const struct pl_ip *ip)
{
	int fd = addrs_fd(dp, ip);
	int r;

	if (fd < 0)
		return fd;
	guess_del(dp, ip);
	r = dp_map_del(fd, ip->bytes);
	pl_datapath_routes_forget(dp);
	return r;
}

int pl_datapath_addr_get(struct pl_datapath *dp, const struct pl_ip *ip, struct pl_addr *ret)
{
	int fd = addrs_fd(dp, ip);

	return fd < 0 ? fd : dp_map_get(fd, ip->bytes, ret);
}

struct addr_each {
	uint8_t family;
	int (*fn)(const struct pl_ip *ip, const struct pl_addr *v, void *arg);
	void *arg;
};

static int addr_one(const void *key, const void *value, void *arg)
{
	const struct addr_each *e = arg;
	struct pl_ip ip = {.family = e->family};
	struct pl_addr v;

	memcpy(ip.bytes, key, e->family == AF_INET ? 4 : 16);
	memcpy(&v, value, sizeof(v));
	return e->fn(&ip, &v, e->arg);
}

int pl_datapath_addr_each(struct pl_datapath *dp,
			  int (*fn)(const struct pl_ip *ip, const struct pl_addr *v, void *arg),
			  void *arg)
{
	struct addr_each v4 = {AF_INET, fn, arg}, v6 = {AF_INET6, fn, arg};
	int r;

	r = dp_map_walk(dp->maps[MAP_pl_addrs4], addr_one, &v4);
	return r ?: dp_map_walk(dp->maps[MAP_pl_addrs6], addr_one, &v6);
}

static int guess_one(const struct pl_ip *ip, const struct pl_addr *v, void *arg)
{
	guess_set(arg, ip, v);
	return 0;
}

int dp_addr_hints_fill(struct pl_datapath *dp)
{
	return pl_datapath_addr_each(dp, guess_one, dp);
}

int pl_datapath_link_set(struct pl_datapath *dp, uint32_t ifindex, const struct pl_device *v)
{
	int r = dp_map_set(dp->maps[MAP_pl_devices], &ifindex, v);

	pl_datapath_routes_forget(dp);
	return r;
}

int pl_datapath_link_del(struct pl_datapath *dp, uint32_t ifindex)
{
	int r = dp_map_del(dp->maps[MAP_pl_devices], &ifindex);

	pl_datapath_routes_forget(dp);
	return r;
}

int pl_datapath_link_get(struct pl_datapath *dp, uint32_t ifindex, struct pl_device *ret)
{
	return dp_map_get(dp->maps[MAP_pl_devices], &ifindex, ret);
}

struct link_each {
	int (*fn)(uint32_t ifindex, const struct pl_device *v, void *arg);
	void *arg;
};

static int link_one(const void *key, const void *value, void *arg)
{
	const struct link_each *e = arg;
	struct pl_device v;
	uint32_t ifindex;

	memcpy(&ifindex, key, sizeof(ifindex));
	memcpy(&v, value, sizeof(v));
	return e->fn(ifindex, &v, e->arg);
}

int pl_datapath_link_each(struct pl_datapath *dp,
			  int (*fn)(uint32_t ifindex, const struct pl_device *v, void *arg),
			  void *arg)
{
	struct link_each e = {fn, arg};

	return dp_map_walk(dp->maps[MAP_pl_devices], link_one, &e);
}

int pl_datapath_tunnel_set(struct pl_datapath *dp, uint16_t port, const struct pl_tunnel *v)
{
	const struct pl_tunnel_port key = {.port = port};

	return dp_map_set(dp->maps[MAP_pl_tunnel_ports], &key, v);
}

int pl_datapath_tunnel_del(struct pl_datapath *dp, uint16_t port)
{
	const struct pl_tunnel_port key = {.port = port};

	return dp_map_del(dp->maps[MAP_pl_tunnel_ports], &key);
}

int pl_datapath_tunnel_get(struct pl_datapath *dp, uint16_t port, struct pl_tunnel *ret)
{
	const struct pl_tunnel_port key = {.port = port};

	return dp_map_get(dp->maps[MAP_pl_tunnel_ports], &key, ret);
}

struct tunnel_each {
	int (*fn)(uint16_t port, const struct pl_tunnel *v, void *arg);
	void *arg;
};

static int tunnel_one(const void *key, const void *value, void *arg)
{
	const struct tunnel_each *e = arg;
	struct pl_tunnel_port port;
	struct pl_tunnel v;

	memcpy(&port, key, sizeof(port));
	memcpy(&v, value, sizeof(v));
	return e->fn(port.port, &v, e->arg);
}

int pl_datapath_tunnel_each(struct pl_datapath *dp,
			    int (*fn)(uint16_t port, const struct pl_tunnel *v, void *arg),
			    void *arg)
{
	struct tunnel_each e = {fn, arg};

	return dp_map_walk(dp->maps[MAP_pl_tunnel_ports], tunnel_one, &e);
}
