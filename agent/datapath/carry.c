// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What one set of the datapath takes over from another: maps of the same name whose BTF is the
 * same are shared, so that the programs of both sets work on one map while devices are swapped;
 * others are copied, field by field. Programs of both sets may run meanwhile.
 */
#include <bpf/btf.h>
#include "common/log.h"
#include "datapath/internal.h"
#include "datapath/layout.h"

struct map_layouts {
	struct btf *btf;
	struct bpf_map_info info;
	struct dp_layout key, value;
};

static void map_layouts_clear(struct map_layouts *m)
{
	btf__free(m->btf);
	m->btf = NULL;
}

static int layouts_read(struct map_layouts *m, const struct btf *btf, uint32_t key, uint32_t value)
{
	int r = dp_layout_read(btf, key, &m->key);

	r = r ?: dp_layout_read(btf, value, &m->value);
	return r == -EINVAL ? -ENOTSUP : r;
}

/* -ENOTSUP: the map has no BTF, as where the kernel takes none. */
static int map_layouts_read(int fd, struct map_layouts *ret)
{
	int r;

	r = dp_map_info(fd, &ret->info);
	if (r < 0)
		return r;
	if (!ret->info.btf_id)
		return -ENOTSUP;
	ret->btf = btf__load_from_kernel_by_id(ret->info.btf_id);
	if (!ret->btf)
		return -errno;
	return layouts_read(ret, ret->btf, ret->info.btf_key_type_id, ret->info.btf_value_type_id);
}

/* How keys are found, without regard to eviction: a hash may become an LRU hash. */
static uint32_t map_class(uint32_t type)
{
	switch (type) {
	case BPF_MAP_TYPE_LRU_HASH:
		return BPF_MAP_TYPE_HASH;
	case BPF_MAP_TYPE_LRU_PERCPU_HASH:
		return BPF_MAP_TYPE_PERCPU_HASH;
	default:
		return type;
	}
}

static bool is_array(uint32_t type)
{
	return type == BPF_MAP_TYPE_ARRAY || type == BPF_MAP_TYPE_PERCPU_ARRAY;
}

struct map_translation {
	struct map_layouts from, to;
	struct dp_translation key, value;
};

static void map_translation_clear(struct map_translation *t)
{
	map_layouts_clear(&t->from);
	map_layouts_clear(&t->to);
}

/* -ENOTSUP: the maps have too little in common. Both sides are read. */
static int translation_make(struct map_translation *t)
{
	int r = 0;

	/* What is read from a prog array are ids, not fds: its owner fills it again. */
	if (map_class(t->from.info.type) != map_class(t->to.info.type) ||
	    t->from.info.type == BPF_MAP_TYPE_PROG_ARRAY)
		return -ENOTSUP;
	r = dp_translation_make(&t->from.key, &t->to.key, &t->key);
	r = r ?: dp_translation_make(&t->from.value, &t->to.value, &t->value);
	/* Half a key would be another's. */
	if (r == -EINVAL || (!r && (!t->key.complete || !t->value.n)))
		r = -ENOTSUP;
	return r;
}

int dp_map_alike(int fd, const struct bpf_map *map, const struct btf *btf)
{
	pl_autofree struct map_translation *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return -ENOMEM;
	r = map_layouts_read(fd, &t->from);
	t->to.info.type = bpf_map__type(map);
	if (!r)
		r = layouts_read(&t->to, btf, bpf_map__btf_key_type_id(map),
				 bpf_map__btf_value_type_id(map));
	if (!r)
		r = translation_make(t);
	map_translation_clear(t);
	if (r < 0)
		return r == -ENOTSUP ? 0 : r;
	return t->from.info.type == t->to.info.type && t->key.same && t->value.same;
}

struct carry {
	const struct map_translation *t;
	int to;
	uint64_t flags;
	uint32_t copies; /* of the value: possible CPUs, or 1 */
	uint8_t *key, *value;
	uint64_t n;
};

static bool is_zero(const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (bytes[i])
			return false;
	return true;
}

static int carry_one(const void *key, const void *value, void *arg)
{
	struct carry *c = arg;
	const struct dp_translation *t = &c->t->value;
	const size_t from = c->copies > 1 ? PL_ALIGN8(t->from->size) : t->from->size;
	const size_t to = c->copies > 1 ? PL_ALIGN8(t->to->size) : t->to->size;

	if (!dp_translation_knows(&c->t->key, key))
		return 0;
	memset(c->value, 0, to * c->copies);
	for (uint32_t i = 0; i < c->copies; i++) {
		const uint8_t *one = (const uint8_t *)value + i * from;

		if (!dp_translation_knows(t, one))
			return 0;
		dp_translate(t, one, c->value + i * to);
	}
	/* A new array is zero already. */
	if (is_array(c->t->to.info.type) && is_zero(c->value, to * c->copies))
		return 0;
	dp_translate(&c->t->key, key, c->key);
	if (!bpf_map_update_elem(c->to, c->key, c->value, c->flags)) {
		c->n++;
		return 0;
	}
	/* Over the new size, or there already. */
	return errno == E2BIG || errno == ENOSPC || errno == EEXIST ? 0 : -errno;
}

static int carry(const struct map_translation *t, int from, int to, uint64_t flags)
{
	const int cpus = libbpf_num_possible_cpus();
	struct carry c = {.t = t, .to = to, .flags = flags, .copies = 1};
	pl_autofree uint8_t *key = NULL, *value = NULL;
	int r;

	if (cpus < 0)
		return cpus;
	if (dp_is_per_cpu(t->to.info.type))
		c.copies = (uint32_t)cpus;
	key = calloc(1, t->to.key.size);
	value = calloc(c.copies, PL_ALIGN8(t->to.value.size));
	if (!key || !value)
		return -ENOMEM;
	c.key = key;
	c.value = value;
	r = dp_map_walk(from, carry_one, &c);
	if (r < 0)
		return r;
	if (c.n)
		pl_debug("datapath map=%s carried entries=%llu", t->to.info.name,
			 (unsigned long long)c.n);
	return 0;
}

int dp_map_carry(int from, int to, uint64_t flags)
{
	pl_autofree struct map_translation *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return -ENOMEM;
	r = map_layouts_read(from, &t->from);
	r = r ?: map_layouts_read(to, &t->to);
	r = r ?: translation_make(t);
	/* An array has each key at once. */
	if (!r && !(flags == BPF_NOEXIST && is_array(t->to.info.type)))
		r = carry(t, from, to, flags);
	map_translation_clear(t);
	return r == -ENOTSUP ? 0 : r;
}

bool dp_map_grows(enum pl_map_index map)
{
	return map == MAP_pl_flows4 || map == MAP_pl_flows6 || map == MAP_pl_reasons;
}
