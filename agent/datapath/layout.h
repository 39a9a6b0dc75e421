/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a key or value of a map looks like, from its BTF, and how one layout becomes another:
 * field by field, by name. Two sets of the datapath (ABI versions) have different structs where
 * one has a field more; the rest of what they hold is the same. Pure: no system call, no map.
 */
#ifndef PODLANE_DATAPATH_LAYOUT_H
#define PODLANE_DATAPATH_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct btf;

enum {
	DP_FIELDS_MAX = 64,
	DP_FIELD_NAME = 96,
};

/* A field that is no struct itself; that of a struct within is called "outer.inner". */
struct dp_field {
	char name[DP_FIELD_NAME]; /* "": the key or value is no struct at all */
	uint32_t offset, size;	  /* bytes; an array of integers is one field */
	uint32_t one;		  /* bytes of one element */
	uint32_t encoding;	  /* of integers: signed, bool, char */
	uint32_t enum_type;	  /* type id, 0: no enum */
};

struct dp_layout {
	const struct btf *btf; /* borrowed */
	uint32_t size;	       /* bytes */
	uint32_t n;
	struct dp_field fields[DP_FIELDS_MAX];
};

/* -EINVAL: no such type; -ENOTSUP: a bit field, a pointer, or too many fields. */
int dp_layout_read(const struct btf *btf, uint32_t type, struct dp_layout *ret);

struct dp_step {
	uint32_t from, to, size;
};

/* How a layout becomes another. Both must outlive it. */
struct dp_translation {
	const struct dp_layout *from, *to;
	bool same;     /* nothing to do: a map of the one is a map of the other */
	bool complete; /* each field of both has a partner: nothing is lost, nothing is made up */
	bool filters;  /* an enum of @to lacks names that @from has: see dp_translation_knows() */
	uint32_t n;
	struct dp_step steps[DP_FIELDS_MAX];
};

/*
 * -EINVAL: a field of both has changed its type, or a name of an enum its number. A field that
 * only @from has is left out; one that only @to has becomes zero.
 */
int dp_translation_make(const struct dp_layout *from, const struct dp_layout *to,
			struct dp_translation *ret);
/* Whether each enum in @bytes (of the layout from) has a number that the other layout knows. */
bool dp_translation_knows(const struct dp_translation *t, const void *bytes);
/* @to is overwritten, all of it. */
void dp_translate(const struct dp_translation *t, const void *from, void *to);

#endif
