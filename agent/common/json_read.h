/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reads values of JSON. Each returns 0, or -EINVAL or -ENOTSUP with a sentence that begins with
 * @path, the key's place in the whole.
 */
#ifndef PODLANE_JSON_READ_H
#define PODLANE_JSON_READ_H

#include <jansson.h>
#include "common/addr.h"
#include "common/util.h"

#define PL_JSON_PATH_MAX 64 /* of a key's path: ours, so never long */

/* "PATH.KEY" and "PATH[I]"; what is longer than @buf shows that it was cut. */
const char *pl_json_join(char buf[PL_JSON_PATH_MAX], const char *path, const char *key);
const char *pl_json_join_index(char buf[PL_JSON_PATH_MAX], const char *path, size_t i);

/* -ENOTSUP, always; the sentence names the nearest of @known. */
int pl_json_unknown_key(const char *path, const char *key, const json_t *value,
			const char *const *known, struct pl_error *err);
/* Every key of @object is in @known, and @object is one. */
int pl_json_check_keys(const json_t *object, const char *path, const char *const *known,
		       struct pl_error *err);

/* Keys of the outermost object that are let pass: CNI keeps them for what runtimes will think of.
 */
#define PL_JSON_RESERVED "cni.dev/"

enum pl_json_kind {
	PL_JSON_BOOL,	 /* into a bool; with names, also one of these two words */
	PL_JSON_SWITCH,	 /* one of two names into a bool: true for the second */
	PL_JSON_CHOICE,	 /* one of the names into an enum */
	PL_JSON_STRING,	 /* these are checked, and stay where they are */
	PL_JSON_STRINGS, /* an array */
	PL_JSON_OBJECT,	 /* or null */
	PL_JSON_OWN,	 /* by a function of the caller's */
};

#define PL_JSON_NOWHERE SIZE_MAX /* checked alone */

/* One key of an object, and the member of the caller's struct that it fills. */
struct pl_json_field {
	const char *key; /* NULL ends the list */
	enum pl_json_kind kind;
	size_t to;		  /* offset in the struct */
	const char *const *names; /* NULL ends them */
	int (*read)(const json_t *value, const char *path, void *to, struct pl_error *err);
};

/* One key of an object by its field. @to: the struct. */
int pl_json_read_key(const char *path, const char *key, const json_t *value,
		     const struct pl_json_field *fields, void *to, struct pl_error *err);
/* Every key of @object, in its order. */
int pl_json_read_fields(const json_t *object, const char *path, const struct pl_json_field *fields,
			void *to, struct pl_error *err);

int pl_json_check_array(const json_t *value, const char *path, struct pl_error *err);
int pl_json_check_object(const json_t *value, const char *path, struct pl_error *err);

int pl_json_read_bool(const json_t *value, const char *path, bool *ret, struct pl_error *err);
/* *ret is borrowed from @value. */
int pl_json_read_string(const json_t *value, const char *path, const char **ret,
			struct pl_error *err);
int pl_json_read_u32(const json_t *value, const char *path, uint32_t min, uint32_t max,
		     uint32_t *ret, struct pl_error *err);
/* The index in @names, which NULL ends. */
int pl_json_read_choice(const json_t *value, const char *path, const char *const *names,
			unsigned int *ret, struct pl_error *err);
int pl_json_read_ip(const json_t *value, const char *path, struct pl_ip *ret, struct pl_error *err);
/* Host bits are refused: "10.0.0.5/24" may mean the address or the network. */
int pl_json_read_network(const json_t *value, const char *path, struct pl_prefix *ret,
			 struct pl_error *err);

#endif
