// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Layouts of map keys and values by BTF, and translation between two of them. A name stands for a
 * meaning: what changes its meaning changes its name (podlane/abi.h).
 */
#include <bpf/btf.h>
#include "common/util.h"
#include "datapath/layout.h"

enum { DEPTH_MAX = 6 };

static const struct btf_type *strip(const struct btf *btf, uint32_t *id)
{
	int r = btf__resolve_type(btf, *id);

	if (r < 0)
		return NULL;
	*id = (uint32_t)r;
	return btf__type_by_id(btf, *id);
}

static struct dp_field *add_field(struct dp_layout *l, const char *name, uint32_t offset)
{
	struct dp_field *f;

	if (l->n == DP_FIELDS_MAX)
		return NULL;
	f = &l->fields[l->n++];
	*f = (struct dp_field){.offset = offset};
	snprintf(f->name, sizeof(f->name), "%s", name);
	return f;
}

static int add_scalar(struct dp_layout *l, const struct btf_type *t, uint32_t id, const char *name,
		      uint32_t offset, uint32_t n)
{
	struct dp_field *f = add_field(l, name, offset);

	if (!f)
		return -ENOTSUP;
	f->one = t->size;
	f->size = t->size * n;
	if (btf_is_int(t))
		f->encoding = btf_int_encoding(t);
	else
		f->enum_type = id;
	return 0;
}

static int add_type(struct dp_layout *l, uint32_t id, const char *name, uint32_t offset,
		    unsigned int depth);

static int add_members(struct dp_layout *l, const struct btf_type *t, const char *name,
		       uint32_t offset, unsigned int depth)
{
	const struct btf_member *m = btf_members(t);

	for (uint16_t i = 0; i < btf_vlen(t); i++) {
		const char *own = btf__name_by_offset(l->btf, m[i].name_off);
		uint32_t bits = btf_member_bit_offset(t, i);
		char path[DP_FIELD_NAME];
		int r;

		if (btf_member_bitfield_size(t, i) || bits % 8)
			return -ENOTSUP;
		r = snprintf(path, sizeof(path), "%s%s%s", name, *name && *own ? "." : "", own);
		if (r >= (int)sizeof(path))
			return -ENOTSUP;
		r = add_type(l, m[i].type, path, offset + bits / 8, depth);
		if (r < 0)
			return r;
	}
	return 0;
}

static int add_array(struct dp_layout *l, const struct btf_array *a, const char *name,
		     uint32_t offset, unsigned int depth)
{
	uint32_t id = a->type;
	const struct btf_type *t = strip(l->btf, &id);
	int64_t size = btf__resolve_size(l->btf, id);

	if (!t || size < 0)
		return -EINVAL;
	if (btf_is_int(t))
		return add_scalar(l, t, id, name, offset, a->nelems);
	for (uint32_t i = 0; i < a->nelems; i++) {
		char path[DP_FIELD_NAME];
		int r = snprintf(path, sizeof(path), "%s[%u]", name, i);

		if (r >= (int)sizeof(path))
			return -ENOTSUP;
		r = add_type(l, id, path, offset + i * (uint32_t)size, depth);
		if (r < 0)
			return r;
	}
	return 0;
}

static int add_type(struct dp_layout *l, uint32_t id, const char *name, uint32_t offset,
		    unsigned int depth)
{
	const struct btf_type *t = strip(l->btf, &id);

	if (!t)
		return -EINVAL;
	if (depth > DEPTH_MAX)
		return -ENOTSUP;
	if (btf_is_composite(t))
		return add_members(l, t, name, offset, depth + 1);
	if (btf_is_array(t))
		return add_array(l, btf_array(t), name, offset, depth + 1);
	if (btf_is_int(t) || btf_is_enum(t))
		return add_scalar(l, t, id, name, offset, 1);
	return -ENOTSUP;
}

int dp_layout_read(const struct btf *btf, uint32_t type, struct dp_layout *ret)
{
	int64_t size = type ? btf__resolve_size(btf, type) : -EINVAL;

	if (size < 0)
		return -EINVAL;
	*ret = (struct dp_layout){.btf = btf, .size = (uint32_t)size};
	return add_type(ret, type, "", 0, 0);
}

static const struct dp_field *find_field(const struct dp_layout *l, const char *name)
{
	for (uint32_t i = 0; i < l->n; i++)
		if (!strcmp(l->fields[i].name, name))
			return &l->fields[i];
	return NULL;
}

struct enum_values {
	const struct btf *btf;
	const struct btf_enum *v;
	uint16_t n;
};

static struct enum_values enum_values(const struct dp_layout *l, const struct dp_field *f)
{
	const struct btf_type *t = btf__type_by_id(l->btf, f->enum_type);

	return (struct enum_values){l->btf, btf_enum(t), btf_vlen(t)};
}

static const struct btf_enum *find_name(const struct enum_values *e, const char *name)
{
	for (uint16_t i = 0; i < e->n; i++)
		if (!strcmp(btf__name_by_offset(e->btf, e->v[i].name_off), name))
			return &e->v[i];
	return NULL;
}

/* -EINVAL: a name has another number; 1: @to lacks names that @from has. */
static int compare_enums(const struct enum_values *from, const struct enum_values *to)
{
	int lacks = 0;

	for (uint16_t i = 0; i < from->n; i++) {
		const char *name = btf__name_by_offset(from->btf, from->v[i].name_off);
		const struct btf_enum *there = find_name(to, name);

		if (!there)
			lacks = 1;
		else if (there->val != from->v[i].val)
			return -EINVAL;
	}
	return lacks;
}

static int compare_fields(const struct dp_layout *from, const struct dp_field *a,
			  const struct dp_layout *to, const struct dp_field *b)
{
	struct enum_values ea, eb;

	if (a->size != b->size || a->one != b->one || a->encoding != b->encoding ||
	    !a->enum_type != !b->enum_type)
		return -EINVAL;
	if (!a->enum_type)
		return 0;
	ea = enum_values(from, a);
	eb = enum_values(to, b);
	return compare_enums(&ea, &eb);
}

int dp_translation_make(const struct dp_layout *from, const struct dp_layout *to,
			struct dp_translation *ret)
{
	struct dp_translation t = {.from = from, .to = to, .same = from->size == to->size};

	for (uint32_t i = 0; i < from->n; i++) {
		const struct dp_field *a = &from->fields[i];
		const struct dp_field *b = find_field(to, a->name);
		int r;

		if (!b)
			continue;
		r = compare_fields(from, a, to, b);
		if (r < 0)
			return r;
		t.filters |= r > 0;
		t.same &= a->offset == b->offset;
		t.steps[t.n++] = (struct dp_step){a->offset, b->offset, a->size};
	}
	t.complete = t.n == from->n && t.n == to->n;
	t.same &= t.complete && !t.filters;
	*ret = t;
	return 0;
}

static int32_t number_at(const void *bytes, uint32_t size)
{
	int32_t whole = 0;

	memcpy(&whole, bytes, size < sizeof(whole) ? size : sizeof(whole));
	return whole;
}

static const char *name_of(const struct enum_values *e, int32_t number)
{
	for (uint16_t i = 0; i < e->n; i++)
		if (e->v[i].val == number)
			return btf__name_by_offset(e->btf, e->v[i].name_off);
	return NULL;
}

bool dp_translation_knows(const struct dp_translation *t, const void *bytes)
{
	if (!t->filters)
		return true;
	for (uint32_t i = 0; i < t->from->n; i++) {
		const struct dp_field *a = &t->from->fields[i];
		const struct dp_field *b = a->enum_type ? find_field(t->to, a->name) : NULL;
		struct enum_values ea, eb;
		const char *name;

		if (!b)
			continue;
		ea = enum_values(t->from, a);
		eb = enum_values(t->to, b);
		/* A number without a name, such as 0 in an unused slot, is let pass. */
		name = name_of(&ea, number_at((const char *)bytes + a->offset, a->size));
		if (name && !find_name(&eb, name))
			return false;
	}
	return true;
}

void dp_translate(const struct dp_translation *t, const void *from, void *to)
{
	memset(to, 0, t->to->size);
	for (uint32_t i = 0; i < t->n; i++)
		memcpy((char *)to + t->steps[i].to, (const char *)from + t->steps[i].from,
		       t->steps[i].size);
}
