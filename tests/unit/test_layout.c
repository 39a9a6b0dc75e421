/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Layouts of map values by BTF, and what becomes of one that another ABI version left.
 */
#include <bpf/btf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/util.h"
#include "datapath/layout.h"

/* One side: its types, and the layout of the last one that was made. */
struct side {
	struct btf *btf;
	int u8, u16, u32, u64, mac;
	int type;
	struct dp_layout layout;
};

static void side_init(struct side *s)
{
	s->btf = btf__new_empty();
	assert_non_null(s->btf);
	s->u8 = btf__add_int(s->btf, "unsigned char", 1, 0);
	s->u16 = btf__add_int(s->btf, "unsigned short", 2, 0);
	s->u32 = btf__add_int(s->btf, "unsigned int", 4, 0);
	s->u64 = btf__add_int(s->btf, "unsigned long long", 8, 0);
	s->mac = btf__add_array(s->btf, s->u32, s->u8, 6);
	assert_true(s->mac > 0);
}

static void side_clear(struct side *s)
{
	btf__free(s->btf);
}

static void struct_begin(struct side *s, uint32_t size)
{
	s->type = btf__add_struct(s->btf, "value", size);
	assert_true(s->type > 0);
}

static void field(struct side *s, const char *name, int type, uint32_t offset)
{
	assert_int_equal(btf__add_field(s->btf, name, type, offset * 8, 0), 0);
}

static int add_enum(struct side *s, const char *const *names, const int *numbers)
{
	int type = btf__add_enum(s->btf, "kind", 4);

	assert_true(type > 0);
	for (size_t i = 0; names[i]; i++)
		assert_int_equal(btf__add_enum_value(s->btf, names[i], numbers[i]), 0);
	return type;
}

static void read_layout(struct side *s)
{
	assert_int_equal(dp_layout_read(s->btf, (uint32_t)s->type, &s->layout), 0);
}

struct sides {
	struct side from, to;
	struct dp_translation t;
};

static int both_init(void **state)
{
	struct sides *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	side_init(&s->from);
	side_init(&s->to);
	*state = s;
	return 0;
}

static int both_clear(void **state)
{
	struct sides *s = *state;

	side_clear(&s->from);
	side_clear(&s->to);
	free(s);
	return 0;
}

static int translate(struct sides *s)
{
	read_layout(&s->from);
	read_layout(&s->to);
	return dp_translation_make(&s->from.layout, &s->to.layout, &s->t);
}

static void plain_value(struct side *s)
{
	struct_begin(s, 16);
	field(s, "mac", s->mac, 0);
	field(s, "mtu", s->u16, 6);
	field(s, "packets", s->u64, 8);
}

static void test_same(void **state)
{
	struct sides *s = *state;

	plain_value(&s->from);
	plain_value(&s->to);
	assert_int_equal(translate(s), 0);
	assert_true(s->t.same);
	assert_true(s->t.complete);
	assert_int_equal(s->from.layout.size, 16);
}

/* A field more in front: the others are found by name, the new one is zero. And the way back. */
static void test_field_more_and_less(void **state)
{
	struct sides *s = *state;
	uint8_t old[16], new[24], again[16];

	for (size_t i = 0; i < sizeof(old); i++)
		old[i] = (uint8_t)(i + 1);
	memset(new, 0xff, sizeof(new));
	plain_value(&s->from);
	struct_begin(&s->to, 24);
	field(&s->to, "trial", s->to.u64, 0);
	field(&s->to, "packets", s->to.u64, 8);
	field(&s->to, "mtu", s->to.u16, 16);
	field(&s->to, "mac", s->to.mac, 18);
	assert_int_equal(translate(s), 0);
	assert_false(s->t.same);
	assert_false(s->t.complete);
	dp_translate(&s->t, old, new);
	assert_memory_equal(new,
			    "\0\0\0\0\0\0\0\0\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x07\x08"
			    "\x01\x02\x03\x04\x05\x06",
			    sizeof(new));
	assert_int_equal(dp_translation_make(&s->to.layout, &s->from.layout, &s->t), 0);
	dp_translate(&s->t, new, again);
	assert_memory_equal(old, again, sizeof(old));
}

/* The same bytes under other names are another thing. */
static void test_renamed_field(void **state)
{
	struct sides *s = *state;

	plain_value(&s->from);
	struct_begin(&s->to, 16);
	field(&s->to, "mac", s->to.mac, 0);
	field(&s->to, "mtu", s->to.u16, 6);
	field(&s->to, "bytes", s->to.u64, 8);
	assert_int_equal(translate(s), 0);
	assert_false(s->t.same);
	assert_int_equal(s->t.n, 2);
}

static void test_retyped_field(void **state)
{
	struct sides *s = *state;

	plain_value(&s->from);
	struct_begin(&s->to, 16);
	field(&s->to, "mac", s->to.mac, 0);
	field(&s->to, "mtu", s->to.u64, 8);
	assert_int_equal(translate(s), -EINVAL);
}

/* Structs within, arrays of structs, typedefs and const. */
static void nested_value(struct side *s, bool more)
{
	int alias = btf__add_typedef(s->btf, "__u64", s->u64);
	int count = btf__add_struct(s->btf, "count", more ? 24 : 16), counts;

	field(s, "packets", s->u64, more ? 8 : 0);
	field(s, "bytes", s->u64, more ? 16 : 8);
	if (more)
		field(s, "trial", s->u64, 0);
	counts = btf__add_array(s->btf, s->u32, btf__add_const(s->btf, count), 2);
	struct_begin(s, more ? 56 : 40);
	field(s, "forwarded", counts, 0);
	field(s, "kind", alias, more ? 48 : 32);
}

static void test_nested(void **state)
{
	struct sides *s = *state;
	const uint64_t old[5] = {1, 2, 3, 4, 5};
	uint64_t new[7];

	nested_value(&s->from, false);
	nested_value(&s->to, true);
	assert_int_equal(translate(s), 0);
	assert_int_equal(s->from.layout.n, 5);
	assert_string_equal(s->from.layout.fields[2].name, "forwarded[1].packets");
	dp_translate(&s->t, old, new);
	assert_memory_equal(new, ((const uint64_t[7]){0, 1, 2, 0, 3, 4, 5}), sizeof(new));
}

/* A number and its name stay together; what the other side does not know is told. */
static void enum_value(struct side *s, const char *const *names, const int *numbers)
{
	int type = add_enum(s, names, numbers);

	struct_begin(s, 8);
	field(s, "kind", type, 0);
	field(s, "endpoint", s->u32, 4);
}

static void test_enum_grows(void **state)
{
	struct sides *s = *state;
	const uint32_t known[2] = {1, 7}, unknown[2] = {2, 7}, unnamed[2] = {0, 7};

	enum_value(&s->from, (const char *const[]){"POD", NULL}, (const int[]){1});
	enum_value(&s->to, (const char *const[]){"POD", "HOST", NULL}, (const int[]){1, 2});
	assert_int_equal(translate(s), 0);
	assert_true(s->t.same);
	assert_int_equal(dp_translation_make(&s->to.layout, &s->from.layout, &s->t), 0);
	assert_false(s->t.same);
	assert_true(s->t.complete);
	assert_true(dp_translation_knows(&s->t, known));
	assert_false(dp_translation_knows(&s->t, unknown));
	assert_true(dp_translation_knows(&s->t, unnamed));
}

static void test_enum_renumbered(void **state)
{
	struct sides *s = *state;

	enum_value(&s->from, (const char *const[]){"POD", "HOST", NULL}, (const int[]){1, 2});
	enum_value(&s->to, (const char *const[]){"HOST", "POD", NULL}, (const int[]){1, 2});
	assert_int_equal(translate(s), -EINVAL);
}

static void test_plain_integer(void **state)
{
	struct sides *s = *state;

	s->from.type = s->from.u32;
	s->to.type = s->to.u32;
	assert_int_equal(translate(s), 0);
	assert_true(s->t.same);
	s->to.type = s->to.u64;
	assert_int_equal(translate(s), -EINVAL);
}

static void test_unreadable(void **state)
{
	struct sides *s = *state;
	struct dp_layout layout;
	struct btf *btf = s->from.btf;
	int pointer = btf__add_ptr(btf, s->from.u32);

	assert_int_equal(dp_layout_read(btf, 0, &layout), -EINVAL);
	assert_int_equal(dp_layout_read(btf, 12345, &layout), -EINVAL);
	struct_begin(&s->from, 8);
	assert_int_equal(btf__add_field(btf, "bits", s->from.u32, 3, 5), 0);
	assert_int_equal(dp_layout_read(btf, (uint32_t)s->from.type, &layout), -ENOTSUP);
	struct_begin(&s->from, 8);
	field(&s->from, "next", pointer, 0);
	assert_int_equal(dp_layout_read(btf, (uint32_t)s->from.type, &layout), -ENOTSUP);
	struct_begin(&s->from, 4 * (DP_FIELDS_MAX + 1));
	for (uint32_t i = 0; i <= DP_FIELDS_MAX; i++) {
		char name[16];

		snprintf(name, sizeof(name), "f%u", i);
		field(&s->from, name, s->from.u32, 4 * i);
	}
	assert_int_equal(dp_layout_read(btf, (uint32_t)s->from.type, &layout), -ENOTSUP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define ROW(test) cmocka_unit_test_setup_teardown(test, both_init, both_clear)
		ROW(test_same),
		ROW(test_field_more_and_less),
		ROW(test_renamed_field),
		ROW(test_retyped_field),
		ROW(test_nested),
		ROW(test_enum_grows),
		ROW(test_enum_renumbered),
		ROW(test_plain_integer),
		ROW(test_unreadable),
#undef ROW
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
