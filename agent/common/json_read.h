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
